//! Requests: what a run was asked to do, and what was asked of a single build in addition to its
//! job.

use std::collections::BTreeMap;

use crate::job::Arg;
use crate::job::Key;
use crate::value::Value;

/// What was asked of one build in addition to its job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuildRequest {
    /// Arguments given by hand.
    pub overrides: Vec<(Key, Arg)>,
    /// The builds to use for some dependencies, by job, instead of their latest ones.
    pub pins: BTreeMap<String, u64>,
    /// The build that is rerun.
    pub rerun_of: Option<u64>,
}

impl BuildRequest {
    /// Returns the request as the row of its run keeps it.
    pub fn to_value(&self) -> Value {
        let overrides = self.overrides.iter().map(|(key, arg)| (&key.name, arg.to_value()));
        let mut entries = vec![("overrides", Value::map(overrides)), ("pins", pins(&self.pins))];
        entries.extend(self.rerun_of.map(|build| ("rerun_of", Value::Int(build.into()))));
        Value::map(entries)
    }

    /// Reads what [`BuildRequest::to_value`] wrote. Parts that cannot be read are left out.
    pub fn from_value(value: &Value) -> Self {
        Self {
            overrides: crate::config::arguments(value.get("overrides")),
            pins: pins_of(value.get("pins")),
            rerun_of: value.get("rerun_of").and_then(number),
        }
    }
}

/// What a run was asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunRequest {
    /// The jobs that were named.
    pub targets: Vec<String>,
    /// Whether to build dependencies that are missing or outdated.
    pub deps: bool,
    /// Whether to build all dependencies, regardless of their status.
    pub force: bool,
    /// Whether to build everything that depends on the targets too.
    pub revdeps: bool,
    /// The builds that were chosen by hand, by job.
    pub pins: BTreeMap<String, u64>,
    /// The run whose remaining jobs this one builds.
    pub rest_of: Option<u64>,
}

impl RunRequest {
    /// Returns the request as the row of the run keeps it.
    pub fn to_value(&self) -> Value {
        let mut run = vec![("targets", Value::List(self.targets.iter().map(Value::string).collect()))];
        run.extend(self.deps.then_some(("deps", Value::Bool(true))));
        run.extend(self.force.then_some(("force", Value::Bool(true))));
        run.extend(self.revdeps.then_some(("revdeps", Value::Bool(true))));
        run.extend((!self.pins.is_empty()).then(|| ("pins", pins(&self.pins))));
        run.extend(self.rest_of.map(|run| ("rest_of", Value::Int(run.into()))));
        Value::map(run)
    }

    /// Reads what [`RunRequest::to_value`] wrote. Parts that cannot be read are left out.
    pub fn from_value(value: &Value) -> Self {
        let targets = match value.get("targets") {
            Some(Value::List(targets)) => targets.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let is_set = |key: &str| value.get(key) == Some(&Value::Bool(true));
        Self {
            targets,
            deps: is_set("deps"),
            force: is_set("force"),
            revdeps: is_set("revdeps"),
            pins: pins_of(value.get("pins")),
            rest_of: value.get("rest_of").and_then(number),
        }
    }
}

fn pins(pins: &BTreeMap<String, u64>) -> Value {
    Value::map(pins.iter().map(|(job, build)| (job, Value::Int((*build).into()))))
}

fn pins_of(value: Option<&Value>) -> BTreeMap<String, u64> {
    let Some(Value::Map(pins)) = value else {
        return BTreeMap::new();
    };
    pins.iter().filter_map(|(job, build)| Some((job.to_string(), number(build)?))).collect()
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_read_as_it_was_written() {
        let pins = BTreeMap::from([("a".to_owned(), 7)]);
        let targets = vec!["s".to_owned()];
        let run = RunRequest { targets, deps: true, force: true, revdeps: true, pins: pins.clone(), rest_of: Some(4) };
        assert_eq!(RunRequest::from_value(&run.to_value()), run);
        let key = Key { name: "n".to_owned(), span: crate::diagnostic::Span::default() };
        let overrides = vec![(key, Arg::literal(Value::Float(0.5)))];
        let build = BuildRequest { overrides, pins, rerun_of: Some(3) };
        assert_eq!(BuildRequest::from_value(&build.to_value()), build);
        for nothing in [Value::Null, Value::entry("targets", Value::Int(1)), Value::entry("pins", Value::Null)] {
            assert_eq!(RunRequest::from_value(&nothing), RunRequest::default());
            assert_eq!(BuildRequest::from_value(&nothing), BuildRequest::default());
        }
    }
}
