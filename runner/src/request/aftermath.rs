//! What helps a person to understand a failed build: the arguments of its call, and the end of its
//! log.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jobcontrol_core::argument::Reference;
use jobcontrol_core::build::Build;
use jobcontrol_core::config;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::types::same_name;
use jobcontrol_core::value::RETVAL_KEY;
use jobcontrol_core::value::Value;

use crate::show::aftermath::Aftermath;

/// The number of records in the end of a log.
const LOG_TAIL: u64 = 10;

/// Reads from the store what helps to understand a failed build. A reference stays as it is if the
/// build that it was pinned to is gone.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub fn look_into(build: &Build, storage: &dyn Storage) -> Result<Aftermath> {
    let mut retvals = BTreeMap::new();
    let mut args = Vec::new();
    for (name, value) in config::shown_arguments(&build.config) {
        let filled = filled(value, &mut |job| {
            if !retvals.contains_key(job) {
                retvals.insert(job.to_owned(), retval(build, job, storage)?);
            }
            Ok(retvals[job].clone())
        })?;
        args.push((name, filled));
    }
    let mut log = Vec::new();
    let newest = LogFilter { build_id: Some(build.id), last: Some(LOG_TAIL), ..LogFilter::default() };
    storage.iter_log_messages(&newest, &mut |record| {
        log.push(record);
        ControlFlow::Continue(())
    })?;
    Ok(Aftermath { args, log })
}

/// Returns the return value of the build that a dependency was pinned to.
fn retval(build: &Build, job: &str, storage: &dyn Storage) -> Result<Option<Value>> {
    let Some(pin) = build.pins.iter().find(|pin| pin.job == job) else {
        return Ok(None);
    };
    match storage.get_build(pin.build) {
        Ok(pinned) => Ok(pinned.retval),
        Err(StorageError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces references in a stored argument by return values, as far as these are known.
fn filled(value: &Value, retval: &mut dyn FnMut(&str) -> Result<Option<Value>>) -> Result<Value> {
    Ok(match value {
        Value::List(items) => Value::List(items.iter().map(|item| filled(item, retval)).collect::<Result<_>>()?),
        Value::Map(entries) => match entries.as_slice() {
            [(key, Value::String(text))] if key == RETVAL_KEY => {
                let reference = Reference::parse(text);
                let whole = retval(&reference.job)?;
                whole.and_then(|whole| field(whole, &reference.path)).unwrap_or_else(|| value.clone())
            }
            entries => {
                let filled = entries.iter().map(|(key, value)| Ok((key.clone(), filled(value, retval)?)));
                Value::Map(filled.collect::<Result<_>>()?)
            }
        },
        scalar => scalar.clone(),
    })
}

fn field(value: Value, path: &[String]) -> Option<Value> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Map(entries) => entries.into_iter().find(|(key, _)| same_name(key, name)).map(|(_, value)| value),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_at_any_depth_become_values_and_unknown_ones_stay() {
        let reference = |text: &str| Value::entry(RETVAL_KEY, Value::string(text));
        let order = Value::entry("net-price", Value::Int(7));
        let args = Value::List(vec![
            reference("a"),
            Value::entry("x", reference("a.net_price")),
            reference("b"),
            reference("a.c"),
        ]);
        let filled = filled(&args, &mut |job| Ok((job == "a").then(|| order.clone()))).unwrap();
        let expected = vec![order.clone(), Value::entry("x", Value::Int(7)), reference("b"), reference("a.c")];
        assert_eq!(filled, Value::List(expected));
    }
}
