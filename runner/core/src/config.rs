//! A job as a build keeps it, back from the build's configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::grants::Grants;
use crate::job::Arg;
use crate::job::ArgNode;
use crate::job::FunctionRef;
use crate::job::Hook;
use crate::job::Hooks;
use crate::job::Job;
use crate::job::Key;
use crate::job::Place;
use crate::job::Reference;
use crate::limits::Limits;
use crate::manifest::Ceiling;
use crate::pool::PoolUse;
use crate::retry::Retry;
use crate::value::RETVAL_KEY;
use crate::value::Value;

/// The job that a build was made of, with limits of then but none above today's ceiling.
///
/// # Errors
///
/// A configuration without a function, such as one that another program wrote.
pub fn job_of_config(id: &str, config: &Value, ceiling: &Ceiling) -> Result<Job, String> {
    let text = |key: &str| config.get(key).and_then(Value::as_str).map(str::to_owned);
    let function = text("function").ok_or("its configuration names no function")?;
    let function = FunctionRef::parse(&function)?;
    let hook = |key| {
        let function = FunctionRef::parse(&text(key)?).ok()?;
        Some(Hook { export: function.export?, span: Span::default() })
    };
    let source = Arc::new(Source { path: "the build's configuration".to_owned(), text: String::new() });
    let nowhere = Span::default();
    let place = Place {
        source,
        folder: text("folder").unwrap_or_default(),
        id: nowhere,
        function: nowhere,
        args: None,
        kwargs: None,
    };
    Ok(Job {
        id: id.to_owned(),
        title: text("title"),
        notes: text("notes"),
        tags: strings(config.get("tags")),
        function,
        args: items(config.get("args")).iter().map(arg_of).collect(),
        kwargs: arguments(config.get("kwargs")),
        dependencies: strings(config.get("dependencies")).into_iter().map(key).collect(),
        limits: limits(config, ceiling),
        retry: config.get("retry").map_or_else(Retry::never, Retry::from_config),
        grants: config.get("grants").map(Grants::unpack).unwrap_or_default(),
        pool: config.get("pool").and_then(PoolUse::from_config),
        hooks: Hooks { cleanup: hook("cleanup_function"), repr: hook("repr_function") },
        protected: config.get("protected") == Some(&Value::Bool(true)),
        place,
    })
}

/// Arguments by name, such as those that were given by hand.
pub fn arguments(stored: Option<&Value>) -> Vec<(Key, Arg)> {
    entries(stored).iter().map(|(name, value)| (key(name.clone()), arg_of(value))).collect()
}

fn key(name: String) -> Key {
    Key { name, span: Span::default() }
}

fn items(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

fn entries(value: Option<&Value>) -> &[(String, Value)] {
    match value {
        Some(Value::Map(entries)) => entries,
        _ => &[],
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    items(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The argument that [`Arg::to_value`] was made of.
fn arg_of(value: &Value) -> Arg {
    let node = match value {
        Value::List(items) => ArgNode::List(items.iter().map(arg_of).collect()),
        Value::Map(entries) => match entries.as_slice() {
            [(name, Value::String(reference))] if name == RETVAL_KEY => ArgNode::Retval(Reference::parse(reference)),
            entries => ArgNode::Map(entries.iter().map(|(name, value)| (key(name.clone()), arg_of(value))).collect()),
        },
        scalar => ArgNode::Scalar(scalar.clone()),
    };
    Arg { node, span: Span::default() }
}

fn limits(config: &Value, ceiling: &Ceiling) -> Limits {
    let mut limits = ceiling.defaults();
    for (name, value) in entries(config.get("limits")) {
        if let (Some(limit), Value::Int(number)) = (limits.by_key(name), value) {
            let most = ceiling.limit(name).unwrap_or(limit.max).min(limit.max);
            *limit.value = u64::try_from(*number).unwrap_or(most).min(most);
        }
    }
    let stored = config.get("timeout");
    let millis = |value: Option<&Value>| {
        let text = value.and_then(Value::as_str)?;
        Some(Duration::from_millis(text.strip_suffix("ms")?.parse().ok()?))
    };
    let part = |key: &str| millis(stored.and_then(|parts| parts.get(key)));
    let most = &ceiling.timeouts;
    let below = |time: Duration, most: Option<Duration>| most.map_or(time, |most| time.min(most));
    if let Some(attempt) = millis(stored).or_else(|| part("attempt")) {
        limits.timeout = below(attempt, most.attempt);
    }
    limits.build_timeout = part("build").map(|time| below(time, most.build)).or(most.build);
    limits.no_progress = part("no_progress").map(|time| below(time, most.no_progress)).or(most.no_progress);
    ceiling.mark(&mut limits);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Context;
    use crate::manifest::Timeouts;
    use crate::manifest::parse;

    fn parsed(text: &str) -> Job {
        let source = Arc::new(Source { path: "x.yaml".to_owned(), text: text.to_owned() });
        parse(&source, "jobs", "x", &Context::default()).jobs.remove(0)
    }

    const WHOLE: &str = "
title: A job
notes: of everything
tags: [a, b]
function: ./sub/x.wasm:ns:pkg/iface#f
args: [1, !retval one, [!retval two.field.deep, {x: null}], !!binary aGk=]
kwargs: { name: text, list: [1.5, true] }
dependencies: [three]
timeout: 90s
limits: { memory: 64 MiB, log_records: 7 }
grants: { files: [{ host: ./data, guest: /data, mode: write }], env: { A: b } }
protected: true
retry: { attempts: 4, on: [trap, error(late)] }
cleanup_function: ./sub/x.wasm:ns:pkg/iface#clean
repr_function: ./sub/x.wasm:show
";

    #[test]
    fn a_job_comes_back_as_it_was() {
        let config = parsed(WHOLE).to_config();
        let back = job_of_config("x", &config, &Ceiling::default()).unwrap();
        assert_eq!(back.to_config(), config);
        assert_eq!(back.references().len(), 2);
        assert_eq!((back.limits.timeout, back.place.folder.as_str()), (Duration::from_secs(90), "jobs"));
    }

    /// A stored config is compared with a new one as bytes, so neither the keys nor their order may change.
    #[test]
    fn a_job_is_packed_as_ever() {
        let packed = |text: &str| serde_json::to_string(&crate::value::Json(&parsed(text).to_config())).unwrap();
        assert_eq!(
            packed(WHOLE),
            concat!(
                r#"{"id":"x","function":"./sub/x.wasm:ns:pkg/iface#f","args":[1,{"!retval":"one"},"#,
                r#"[{"!retval":"two.field.deep"},{"x":null}],"aGk="],"kwargs":{"name":"text","list":[1.5,true]},"#,
                r#""dependencies":["three","one","two"],"title":"A job","notes":"of everything","tags":["a","b"],"#,
                r#""protected":true,"timeout":"90000ms","limits":{"memory":67108864,"retval":16777216,"log":16777216,"#,
                r#""log_records":7,"progress_groups":1000,"table_elements":100000,"instances":100,"handles":256},"#,
                r#""retry":{"attempts":4,"backoff":"exponential","initial":"1000ms","max":"60000ms","jitter":true,"#,
                r#""on":["trap","error(late)"]},"grants":{"files":[{"host":"./data","guest":"/data","mode":"write"}],"#,
                r#""env":{"A":"b"}},"cleanup_function":"./sub/x.wasm:ns:pkg/iface#clean","#,
                r#""repr_function":"./sub/x.wasm:show","folder":"jobs"}"#,
            )
        );
        assert_eq!(
            packed("function: x"),
            concat!(
                r#"{"id":"x","function":"x","args":[],"kwargs":{},"dependencies":[],"title":null,"notes":null,"#,
                r#""tags":[],"protected":false,"timeout":"600000ms","limits":{"memory":268435456,"retval":16777216,"#,
                r#""log":16777216,"log_records":100000,"progress_groups":1000,"table_elements":100000,"instances":100,"#,
                r#""handles":256},"retry":null,"grants":{"files":[],"env":{}}}"#,
            )
        );
    }

    #[test]
    fn a_pool_comes_back_as_it_was() {
        let pool = PoolUse { name: "db".to_owned(), slots: 2 };
        let job = Job { pool: Some(pool), ..parsed("function: x") };
        let back = job_of_config("x", &job.to_config(), &Ceiling::default()).unwrap();
        assert_eq!(back.pool, job.pool);
        for other in [Value::string("db"), Value::entry("name", Value::string("db")), Value::Null] {
            assert_eq!(PoolUse::from_config(&other), None);
        }
    }

    #[test]
    fn the_ceiling_of_today_bounds_the_limits_of_then() {
        let ceiling = Ceiling {
            limits: vec![("memory".to_owned(), 1 << 20)],
            timeouts: Timeouts { attempt: Some(Duration::from_secs(5)), ..Timeouts::default() },
        };
        let back = job_of_config("x", &parsed(WHOLE).to_config(), &ceiling).unwrap();
        assert_eq!(
            (back.limits.memory, back.limits.timeout, back.limits.log_records),
            (1 << 20, Duration::from_secs(5), 7)
        );
        assert_eq!(back.limits.at_ceiling, ["timeout", "memory"]);
    }

    #[test]
    fn what_is_no_job_is_refused() {
        for config in [Value::Null, Value::entry("function", Value::string("no colon"))] {
            assert!(job_of_config("x", &config, &Ceiling::default()).is_err(), "{config:?}");
        }
    }
}
