//! Reads arguments that are given by hand.

use std::collections::BTreeMap;

use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::diagnostic::Span;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::job::Arg;
use jobcontrol_core::job::Key;
use jobcontrol_core::manifest::parse_value;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::types::Retvals;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::resolve;
use jobcontrol_core::types::same_name;
use jobcontrol_core::value::Value;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value as Json;

use crate::catalog::load::Catalog;
use crate::request::refusal::Fault;
use crate::request::refusal::Place;
use crate::request::refusal::Refusal;

/// Reads the arguments for the one named job.
///
/// # Errors
///
/// Returns a refusal if several jobs are named, or if an argument does not fit.
pub fn overrides(
    catalog: &Catalog,
    targets: &[&str],
    args: &[String],
) -> Result<BTreeMap<String, BuildRequest>, Refusal> {
    let mut requests = BTreeMap::new();
    let (Some(_), [target]) = (args.first(), targets) else {
        if args.is_empty() {
            return Ok(requests);
        }
        return Err(Refusal::usage("`--arg` is for one job").hint("run the other jobs separately"));
    };
    let overrides = overrides_of(&catalog.graph.jobs[*target], args)?;
    requests.insert((*target).to_owned(), BuildRequest { overrides, ..BuildRequest::default() });
    Ok(requests)
}

/// Other values for arguments of one job.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// Each is `NAME=VALUE`.
    Texts(&'a [String]),
    /// JSON values by the names of the parameters.
    Values(&'a Map<String, Json>),
}

impl Given<'_> {
    /// Reads the values for a job.
    ///
    /// # Errors
    ///
    /// Returns a refusal if values do not fit.
    pub(super) fn of(&self, checked: &CheckedJob) -> Result<Vec<(Key, Arg)>, Refusal> {
        match self {
            Self::Texts(texts) => overrides_of(checked, texts),
            Self::Values(values) => {
                let mut refused = Refused::default();
                let overrides = values_of(checked, (*values).clone(), &[], &mut refused);
                refused.refusal.map_or(Ok(overrides), Err)
            }
        }
    }
}

/// Reads each `NAME=VALUE` for one job.
///
/// # Errors
///
/// Returns a refusal if an argument does not fit, or if one is given twice.
fn overrides_of(checked: &CheckedJob, args: &[String]) -> Result<Vec<(Key, Arg)>, Refusal> {
    let mut given: Vec<(Key, Arg)> = Vec::new();
    for text in args {
        let (key, arg) = override_of(checked, text)?;
        if given.iter().any(|(other, _)| other.name == key.name) {
            return Err(Refusal::usage(format!("--arg {}: given twice", key.name)));
        }
        given.push((key, arg));
    }
    Ok(given)
}

/// Reads `NAME=VALUE` for a parameter of `checked`: verbatim if it takes a string, else as YAML.
fn override_of(checked: &CheckedJob, text: &str) -> Result<(Key, Arg), Refusal> {
    let usage = |reason: String| Refusal::usage(format!("--arg {text}: {reason}"));
    let signature = &checked.signature;
    let (name, value) = text.split_once('=').ok_or_else(|| usage(format!("`{text}` is not `NAME=VALUE`")))?;
    let Some((name, ty)) = signature.params.iter().find(|(known, _)| same_name(known, name)) else {
        let refusal = usage(format!("there is no parameter `{name}`; the function is `{signature}`"));
        let near = nearest(name, signature.params.iter().map(|(known, _)| known.as_str()));
        return Err(refusal.did_you_mean(near));
    };
    let verbatim = match ty {
        Type::String => true,
        Type::Option(inner) => **inner == Type::String && value != "null",
        _ => false,
    };
    let value = if verbatim { Value::string(value) } else { parse_value(value).map_err(usage)? };
    let arg = Arg::literal(value);
    let mut problems = Vec::new();
    resolve(&arg, name, ty, &NoRetvals, &mut problems);
    match problems.into_iter().next() {
        Some(problem) => {
            let refusal = usage(format!("{}: {}", problem.path, problem.reason_with_value()));
            Err(problem.help.into_iter().fold(refusal, Refusal::hint))
        }
        None => Ok((Key { name: name.clone(), span: Span::default() }, arg)),
    }
}

/// Reads arguments given as JSON: by job, or, if there is one job to build, by the names of its
/// function's parameters.
///
/// # Errors
///
/// Returns a refusal with every argument that does not fit, each with its place.
pub(crate) fn given(
    catalog: &Catalog,
    targets: &[&str],
    arguments: &Map<String, Json>,
) -> Result<BTreeMap<String, BuildRequest>, Refusal> {
    let mut requests = BTreeMap::new();
    let mut refused = Refused::default();
    for (job, values, at) in by_job(catalog, targets, arguments) {
        let Some(checked) = catalog.graph.jobs.get(job).filter(|_| targets.contains(&job)) else {
            let near = nearest(job, targets.iter().copied());
            refused.add(at, format!("`{job}` is not one of the jobs to build"), near);
            continue;
        };
        let Json::Object(values) = values else {
            refused.add(at, format!("`{job}`: expected a mapping of arguments"), None);
            continue;
        };
        let overrides = values_of(checked, values, &at, &mut refused);
        if !overrides.is_empty() {
            requests.insert(job.to_owned(), BuildRequest { overrides, ..BuildRequest::default() });
        }
    }
    refused.refusal.map_or(Ok(requests), Err)
}

/// Returns the arguments of each job, with their place. A name that belongs to both the job and one
/// of its parameters means the parameter.
fn by_job<'a>(
    catalog: &Catalog,
    targets: &[&'a str],
    arguments: &'a Map<String, Json>,
) -> Vec<(&'a str, Json, Vec<String>)> {
    let is_parameter = |job: &str, key: &str| {
        let params = catalog.graph.jobs.get(job).map(|checked| &checked.signature.params);
        params.into_iter().flatten().any(|(known, _)| same_name(known, key))
    };
    match targets {
        [one] if arguments.keys().any(|key| key != one || is_parameter(one, key)) => {
            vec![(*one, Json::Object(arguments.clone()), Vec::new())]
        }
        _ => arguments.iter().map(|(job, values)| (job.as_str(), values.clone(), vec![job.clone()])).collect(),
    }
}

fn values_of(checked: &CheckedJob, values: Map<String, Json>, at: &[String], refused: &mut Refused) -> Vec<(Key, Arg)> {
    let signature = &checked.signature;
    let mut overrides: Vec<(Key, Arg)> = Vec::new();
    for (key, json) in values {
        let place = || [at, std::slice::from_ref(&key)].concat();
        let Some((name, ty)) = signature.params.iter().find(|(known, _)| same_name(known, &key)) else {
            let near = nearest(&key, signature.params.iter().map(|(known, _)| known.as_str()));
            refused.add(place(), format!("there is no parameter `{key}`; the function is `{signature}`"), near);
            continue;
        };
        if overrides.iter().any(|(other, _)| other.name == *name) {
            refused.add(place(), format!("`{name}` is given twice"), None);
            continue;
        }
        let value = match Value::deserialize(&json) {
            Ok(value) => value,
            Err(error) => {
                refused.add(place(), error.to_string(), None);
                continue;
            }
        };
        let arg = Arg::literal(value);
        let mut problems = Vec::new();
        resolve(&arg, name, ty, &NoRetvals, &mut problems);
        for problem in problems {
            let inner = problem.path.strip_prefix(name.as_str()).unwrap_or_default();
            let place = [place(), steps(inner, &json)].concat();
            refused.add_with(place, format!("{}: {}", problem.path, problem.reason_with_value()), problem.help);
        }
        overrides.push((Key::nowhere(name), arg));
    }
    overrides
}

/// Returns the keys and indices that lead to a part of a value, as they are in the value. `path` is
/// like `[2].total`, with the names of WIT. Its last steps may be missing from the value.
fn steps(path: &str, json: &Json) -> Vec<String> {
    let (mut here, mut steps) = (json, Vec::new());
    for step in path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty()) {
        let next = match here {
            Json::Array(items) => step.parse().ok().and_then(|at: usize| Some((step.to_owned(), items.get(at)?))),
            Json::Object(entries) => {
                entries.iter().find(|(key, _)| same_name(step, key)).map(|(key, value)| (key.clone(), value))
            }
            _ => None,
        };
        if let Some((step, value)) = next {
            steps.push(step);
            here = value;
        }
    }
    steps
}

/// What is wrong with some arguments.
#[derive(Default)]
struct Refused {
    refusal: Option<Refusal>,
}

impl Refused {
    fn add(&mut self, place: Vec<String>, reason: String, near: Option<&str>) {
        self.add_with(place, reason, near.map(|near| format!("did you mean `{near}`?")).into_iter().collect());
    }

    fn add_with(&mut self, place: Vec<String>, reason: String, hints: Vec<String>) {
        let refusal = self.refusal.get_or_insert_with(|| Refusal::usage(reason.clone()));
        refusal.faults.push(Fault { place: Place::Argument(place), reason });
        for hint in hints {
            if !refusal.hints.contains(&hint) {
                refusal.hints.push(hint);
            }
        }
    }
}

struct NoRetvals;

impl Retvals for NoRetvals {
    fn retval(&self, _job: &str) -> Option<(&Type, Option<&Value>)> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_in_a_value_has_the_names_that_were_sent() {
        let sent = json!([{ "unit_price": { "a": 1 } }]);
        assert_eq!(steps("[0].unit-price.a", &sent), ["0", "unit_price", "a"]);
        assert_eq!(steps("[0].missing", &sent), ["0"]);
        assert_eq!(steps("[7]", &sent), Vec::<String>::new());
        assert_eq!(steps(".some[0]", &sent), ["0"]);
    }
}
