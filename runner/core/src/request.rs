//! What was asked for: of a run, and of one build beside its job.

use std::collections::BTreeMap;

use crate::job::Arg;
use crate::job::Key;
use crate::value::Value;
use crate::value::pack;

/// What a person asks of one build beside its job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Arguments given by hand.
    pub overrides: Vec<(Key, Arg)>,
    /// The builds to use of some dependencies, by job, whatever their latest are.
    pub pins: BTreeMap<String, u64>,
    /// The build that is done again.
    pub rerun_of: Option<u64>,
    /// The run that it is a part of, if that has more than this one.
    pub run: Asked,
}

/// What a run was asked for: each of its builds keeps it, so that its rest can be made later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The jobs that were named.
    pub targets: Vec<String>,
    /// Whether what they need was to be built where it is missing or outdated.
    pub deps: bool,
    /// Whether what depends on them was to be built too.
    pub revdeps: bool,
    /// The builds that were chosen by hand, by job.
    pub pins: BTreeMap<String, u64>,
}

impl Asked {
    /// What a build config keeps of its run; nothing for a build that was a run by itself.
    pub fn from_config(config: &Value) -> Option<Self> {
        let run = config.get("run")?;
        let Some(Value::List(targets)) = run.get("targets") else {
            return None;
        };
        let is_set = |key: &str| run.get(key) == Some(&Value::Bool(true));
        let pins = match run.get("pins") {
            Some(Value::Map(pins)) => pins.as_slice(),
            _ => &[],
        };
        let pin = |(job, build): &(String, Value)| match build {
            Value::Int(build) => Some((job.clone(), u64::try_from(*build).ok()?)),
            _ => None,
        };
        Some(Self {
            targets: targets.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            deps: is_set("deps"),
            revdeps: is_set("revdeps"),
            pins: pins.iter().filter_map(pin).collect(),
        })
    }

    fn to_value(&self) -> Value {
        let mut run = vec![("targets".to_owned(), Value::List(self.targets.iter().map(Value::string).collect()))];
        run.extend(self.deps.then(|| ("deps".to_owned(), Value::Bool(true))));
        run.extend(self.revdeps.then(|| ("revdeps".to_owned(), Value::Bool(true))));
        if !self.pins.is_empty() {
            let pins = self.pins.iter().map(|(job, build)| (job.clone(), Value::Int((*build).into())));
            run.push(("pins".to_owned(), Value::Map(pins.collect())));
        }
        Value::Map(run)
    }
}

/// Keys of a build config that tell of its run, and change nothing of the build.
const RUN_KEYS: &[&str] = &["run", "rerun_of"];

/// Whether two build configs make the same build, whatever runs they are of.
pub fn same_build(one: &Value, other: &Value) -> bool {
    let essence = |config: &Value| {
        let Value::Map(entries) = config else {
            return pack(config).ok();
        };
        let entries = entries.iter().filter(|(key, _)| !RUN_KEYS.contains(&key.as_str()));
        // As they are stored, since a number that is none is no other's equal.
        pack(&Value::Map(entries.cloned().collect())).ok()
    };
    essence(one).is_some_and(|one| essence(other) == Some(one))
}

impl Request {
    /// As the build config keeps it, beside the job and the pins.
    pub fn to_config(&self) -> Vec<(String, Value)> {
        let overrides = self.overrides.iter().map(|(key, arg)| (key.name.clone(), arg.to_value())).collect();
        let mut config = vec![("overrides".to_owned(), Value::Map(overrides))];
        config.extend(self.rerun_of.map(|build| ("rerun_of".to_owned(), Value::Int(build.into()))));
        config.extend((!self.run.targets.is_empty()).then(|| ("run".to_owned(), self.run.to_value())));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_as_it_was_written_and_changes_nothing_of_its_builds() {
        let pins = BTreeMap::from([("a".to_owned(), 7)]);
        let run = Asked { targets: vec!["s".to_owned()], deps: true, revdeps: true, pins };
        let part = |request: Request| Value::Map(request.to_config());
        let whole = part(Request { run: run.clone(), rerun_of: Some(3), ..Request::default() });
        assert_eq!(Asked::from_config(&whole), Some(run));
        let alone = part(Request::default());
        assert_eq!(Asked::from_config(&alone), None);
        assert!(same_build(&whole, &alone));
        let number = Key { name: "n".to_owned(), span: crate::diagnostic::Span::default() };
        let other = |n: f64| {
            let overrides = vec![(number.clone(), Arg::literal(Value::Float(n)))];
            part(Request { overrides, ..Request::default() })
        };
        assert!(!same_build(&other(1.0), &alone));
        assert!(same_build(&other(f64::NAN), &other(f64::NAN)));
    }
}
