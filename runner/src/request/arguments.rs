//! Arguments given by hand.

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

use crate::catalog::load::Catalog;
use crate::request::refusal::Refusal;

/// Reads what was given for the one job that was named.
///
/// # Errors
///
/// Several jobs, or an argument that does not fit.
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
        return Err(Refusal::usage("`--arg` is for one job").hint("run the others apart"));
    };
    let overrides = overrides_of(&catalog.graph.jobs[*target], args)?;
    requests.insert((*target).to_owned(), BuildRequest { overrides, ..BuildRequest::default() });
    Ok(requests)
}

/// Reads each `NAME=VALUE` for one job.
///
/// # Errors
///
/// An argument that does not fit, or one that is given twice.
pub fn overrides_of(checked: &CheckedJob, args: &[String]) -> Result<Vec<(Key, Arg)>, Refusal> {
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

/// Reads `NAME=VALUE` for a parameter of `checked`: verbatim where it takes a string, else as YAML.
fn override_of(checked: &CheckedJob, text: &str) -> Result<(Key, Arg), Refusal> {
    let usage = |reason: String| Refusal::usage(format!("--arg {text}: {reason}"));
    let signature = &checked.signature;
    let (name, value) = text.split_once('=').ok_or_else(|| usage(format!("`{text}` is no `NAME=VALUE`")))?;
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

struct NoRetvals;

impl Retvals for NoRetvals {
    fn retval(&self, _job: &str) -> Option<(&Type, Option<&Value>)> {
        None
    }
}
