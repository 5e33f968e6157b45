//! The build config: what a build keeps of its job. Only this file knows the keys of a build
//! config.

use std::sync::Arc;
use std::sync::LazyLock;

use crate::argument::Arg;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::grants::Grants;
use crate::job::FunctionRef;
use crate::job::Job;
use crate::job::Place;
use crate::labels::Labels;
use crate::manifest::ceiling::Ceiling;
use crate::manifest::keys::KEYS;
use crate::manifest::keys::arguments::ARGS;
use crate::manifest::keys::arguments::KWARGS;
use crate::manifest::keys::arguments::pack_named;
use crate::manifest::keys::arguments::unpack_named;
use crate::manifest::keys::function;
use crate::manifest::keys::function::FUNCTION;
use crate::manifest::keys::hooks;
use crate::manifest::keys::hooks::CLEANUP;
use crate::manifest::keys::hooks::REPR;
use crate::manifest::keys::limits::LIMITS;
use crate::manifest::keys::needs;
use crate::manifest::keys::needs::NEEDS;
use crate::manifest::keys::pool;
use crate::manifest::keys::pool::POOL;
use crate::manifest::keys::priority;
use crate::manifest::keys::priority::PRIORITY;
use crate::manifest::keys::retry::RETRY;
use crate::pool::PoolUse;
use crate::retry::Retry;
use crate::value::Name;
use crate::value::Value;
use crate::yaml::key::Key;

const OVERRIDES: &str = "overrides";
/// The folder that the paths of a job's grants are relative to. Stored only if there are such
/// paths.
const FOLDER: &str = "folder";

/// Keys of a job that decide what a build returns. The other keys may change without making a build
/// outdated.
static DECISIVE_KEYS: LazyLock<Vec<&str>> =
    LazyLock::new(|| KEYS.iter().filter(|key| key.decisive).map(|key| key.name).collect());

/// A build config: the job that a build was created from, and the arguments that were given by
/// hand.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildConfig {
    /// The job, with the limits that it requested, regardless of the ceiling.
    job: Job,
    /// Why the job cannot be called, if it cannot.
    unusable: Option<String>,
    overrides: Vec<(Key, Arg)>,
}

impl BuildConfig {
    /// Creates the config of a new build.
    pub fn new(job: Job, overrides: Vec<(Key, Arg)>) -> Self {
        Self { job, unusable: None, overrides }
    }

    /// Returns the config as the store keeps it.
    pub fn to_value(&self) -> Value {
        let mut config = entries(&self.job);
        config.push((OVERRIDES.into(), pack_named(&self.overrides)));
        Value::Map(config)
    }

    /// Reads what [`BuildConfig::to_value`] returned. Another program may have written it, so a
    /// missing or invalid part gets its default. A missing function is an error only in
    /// [`BuildConfig::job`].
    pub fn from_value(config: &Value) -> Self {
        let folder = config.get(FOLDER).and_then(Value::as_str).unwrap_or_default();
        let mut job = Job::empty(nowhere(folder.to_owned()));
        for key in KEYS {
            if let Some(packed) = config.get(key.name) {
                (key.unpack)(packed, &mut job);
            }
        }
        let unusable = function::unpack(config.get(FUNCTION.name)).err();
        Self { job, unusable, overrides: overrides(config) }
    }

    /// Returns the job, ready to be built again under the name `id`, with no limit above today's
    /// ceiling.
    ///
    /// # Errors
    ///
    /// Returns an error if the config has no function, such as one that another program wrote.
    pub fn job(self, id: &str, ceiling: &Ceiling) -> Result<Job, String> {
        if let Some(reason) = self.unusable {
            return Err(reason);
        }
        let mut job = Job { id: id.to_owned(), ..self.job };
        ceiling.bound(&mut job.limits);
        Ok(job)
    }

    /// Returns what the job was granted.
    pub fn grants(&self) -> &Grants {
        &self.job.grants
    }

    /// Returns the arguments that were given by hand.
    pub fn overrides(&self) -> &[(Key, Arg)] {
        &self.overrides
    }
}

/// Returns the job that a build was created from, with its original limits, but none above today's
/// ceiling.
///
/// # Errors
///
/// Returns an error if the config has no function, such as one that another program wrote.
pub fn job_of_config(id: &str, config: &Value, ceiling: &Ceiling) -> Result<Job, String> {
    BuildConfig::from_value(config).job(id, ceiling)
}

// The functions below read a single part each. Callers need it for many builds with possibly large
// arguments, so nothing else is read.

/// Returns the function that a build config names, as it was written; empty if there is none.
pub fn function(config: &Value) -> &str {
    config.get(FUNCTION.name).and_then(Value::as_str).unwrap_or_default()
}

/// Returns how often the build is tried; once if the build config does not say.
pub fn retry(config: &Value) -> Retry {
    config.get(RETRY.name).map_or_else(Retry::never, Retry::from_config)
}

/// Returns the build's limit with this key under `limits`.
pub fn limit(config: &Value, key: &str) -> Option<u64> {
    match config.get(LIMITS.name)?.get(key)? {
        Value::Int(limit) => u64::try_from(*limit).ok(),
        _ => None,
    }
}

/// Returns what the build takes from a pool while it runs.
pub fn pool(config: &Value) -> Option<PoolUse> {
    config.get(POOL.name).and_then(pool::unpack)
}

/// Returns the labels that a worker must have to run the build.
pub fn labels(config: &Value) -> Labels {
    config.get(NEEDS.name).map(needs::unpack).unwrap_or_default()
}

/// Returns the priority. Of several waiting builds, those with the larger number start first.
pub fn priority(config: &Value) -> i64 {
    config.get(PRIORITY.name).map_or(0, priority::unpack)
}

/// Returns the function that cleans up before the build is deleted.
pub fn cleanup_function(config: &Value) -> Option<FunctionRef> {
    config.get(CLEANUP.name).and_then(hooks::unpack)
}

/// Returns the function that turns the build's return value into text.
pub fn repr_function(config: &Value) -> Option<FunctionRef> {
    config.get(REPR.name).and_then(hooks::unpack)
}

/// Returns the arguments that were given by hand.
pub fn overrides(config: &Value) -> Vec<(Key, Arg)> {
    arguments(config.get(OVERRIDES))
}

/// Returns whether arguments were given by hand.
pub fn is_edited(config: &Value) -> bool {
    config.get(OVERRIDES).is_some_and(|overrides| !overrides.entries().is_empty())
}

/// Returns the stored arguments for display: by position, by name, and given by hand, each with its
/// key. Empty groups are left out.
pub fn shown_arguments(config: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    let parts = [ARGS.name, KWARGS.name, OVERRIDES].into_iter().filter_map(|key| Some((key, config.get(key)?)));
    parts.filter(|(_, value)| match value {
        Value::Null => false,
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        _ => true,
    })
}

/// Returns the stored parts that decide what the build returns, by key.
pub fn decisive(config: &Value) -> impl Iterator<Item = (&'static str, Option<&Value>)> {
    DECISIVE_KEYS.iter().map(|key| (*key, config.get(key)))
}

/// Returns arguments by name, such as those that were given by hand.
pub fn arguments(stored: Option<&Value>) -> Vec<(Key, Arg)> {
    stored.map(unpack_named).unwrap_or_default()
}

impl Job {
    /// Returns what a build keeps of the job, without the arguments that are given by hand.
    pub fn to_config(&self) -> Value {
        Value::Map(entries(self))
    }
}

fn entries(job: &Job) -> Vec<(Name, Value)> {
    let mut keys: Vec<_> = KEYS.iter().collect();
    keys.sort_by_key(|key| key.packed_at);
    let mut config: Vec<_> =
        keys.into_iter().filter_map(|key| Some((Name::from(key.name), (key.pack)(job)?))).collect();
    if !job.grants.files.is_empty() {
        config.push((FOLDER.into(), Value::string(&job.place.folder)));
    }
    config
}

/// Returns the place of something that is not in a file.
fn nowhere(folder: String) -> Place {
    let source = Arc::new(Source { path: "the build's configuration".to_owned(), text: String::new() });
    Place { source, folder, id: Span::default(), function: Span::default(), args: None, kwargs: None }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::argument::ArgNode;
    use crate::argument::Reference;
    use crate::clock::Timestamp;
    use crate::grants::ClockGrant;
    use crate::grants::EnvGrant;
    use crate::grants::FilesGrant;
    use crate::grants::Grants;
    use crate::grants::HeaderPart;
    use crate::grants::HttpGrant;
    use crate::grants::RandomGrant;
    use crate::grants::SecretGrant;
    use crate::http::HostPattern;
    use crate::http::PathPattern;
    use crate::http::Rule;
    use crate::http::Scheme;
    use crate::job::Hook;
    use crate::job::Hooks;
    use crate::labels::Labels;
    use crate::limits::Limits;
    use crate::manifest::Context;
    use crate::manifest::Timeouts;
    use crate::manifest::parse;
    use crate::schedule::BuildScope;
    use crate::schedule::CatchUp;
    use crate::schedule::Cron;
    use crate::schedule::Overlap;
    use crate::schedule::Schedule;
    use crate::schedule::Zone;
    use crate::trigger::MAX_PRIORITY;
    use crate::trigger::Trigger;

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

    fn args() -> impl Strategy<Value = Arg> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|i| Value::Int(i.into())),
            (-1e9..1e9).prop_map(Value::Float),
            any::<String>().prop_map(Value::String),
            any::<Vec<u8>>().prop_map(Value::Bytes),
        ];
        let reference = "[a-z]{1,4}(\\.[a-z]{1,3}){0,2}".prop_map(|text| ArgNode::Retval(Reference::parse(&text)));
        let node = |node| Arg { node, span: Span::default() };
        let secret = "[A-Z]{1,4}".prop_map(ArgNode::Secret);
        prop_oneof![leaf.prop_map(ArgNode::Scalar), reference, secret].prop_map(node).prop_recursive(
            3,
            16,
            4,
            move |inner| {
                let entries = prop::collection::vec(("[a-z]{1,4}".prop_map(Key::nowhere), inner.clone()), 0..4);
                let list = prop::collection::vec(inner, 0..4).prop_map(ArgNode::List);
                prop_oneof![list, entries.prop_map(ArgNode::Map)].prop_map(node)
            },
        )
    }

    fn all_limits() -> impl Strategy<Value = Limits> {
        let time = || (1..10_000_000_u64).prop_map(Duration::from_millis);
        let numbers = prop::collection::vec(1..1_000_u64, Limits::KEYS.len());
        (numbers, time(), option::of(time()), option::of(time())).prop_map(|(numbers, timeout, build, no_progress)| {
            let mut limits = Limits { timeout, build_timeout: build, no_progress, ..Limits::default() };
            for (key, number) in Limits::KEYS.iter().zip(numbers) {
                *limits.by_key(key).unwrap().value = number;
            }
            limits
        })
    }

    fn http_grants() -> impl Strategy<Value = Vec<HttpGrant>> {
        let span = Span::default();
        let host = select(vec!["*", "*.a.com", "b.com", "127.0.0.1", "[::1]"]);
        let scheme = select(vec![Scheme::Http, Scheme::Https]);
        let methods = prop::collection::vec(select(vec!["GET".to_owned(), "POST".to_owned()]), 0..3);
        let path = select(vec!["/", "/v1/*", "/a"]).prop_map(|path| PathPattern::parse(path).unwrap());
        let paths = option::of(prop::collection::vec(path, 0..3));
        let part = prop_oneof![
            "[ -~]{0,5}".prop_map(HeaderPart::Text),
            "[A-Z]{1,4}".prop_map(move |name| HeaderPart::Secret(name, span)),
        ];
        let headers = prop::collection::vec(("[a-z-]{1,5}", prop::collection::vec(part, 0..3)), 0..3);
        let ports = prop::collection::vec(1..u16::MAX, 0..3);
        let entry = (host, scheme, ports, methods, paths, headers);
        let entry = entry.prop_map(move |(host, scheme, ports, methods, paths, headers)| {
            let (host, scheme) = (HostPattern::parse(host).unwrap(), Some(scheme));
            let rule = Rule { host, scheme, ports: Some(ports), methods: Some(methods), paths };
            HttpGrant { rule: Some(rule), headers, span }
        });
        let nothing = vec![HttpGrant { rule: None, headers: Vec::new(), span }];
        prop_oneof![Just(nothing), prop::collection::vec(entry, 0..3)]
    }

    fn all_grants() -> impl Strategy<Value = Grants> {
        let span = Span::default();
        let folder = (any::<String>(), any::<String>(), any::<bool>(), option::of(any::<u64>()));
        let folder = folder.prop_map(move |(host, guest, write, quota)| FilesGrant { host, guest, write, quota, span });
        let variable = ("[A-Z]{1,4}", option::of(any::<String>()));
        let variable = variable.prop_map(move |(name, value)| EnvGrant { name, value, span });
        let secret = "[A-Z]{1,4}".prop_map(move |name| SecretGrant { name, span });
        let (folders, variables) = (prop::collection::vec(folder, 0..3), prop::collection::vec(variable, 0..3));
        let list = (folders, variables, prop::collection::vec(secret, 0..3));
        let clock = option::of((0..4_000_000_000_000_000_i64).prop_map(|time| ClockGrant { time: Timestamp(time) }));
        let random = option::of(any::<u64>().prop_map(|seed| RandomGrant { seed }));
        (list, http_grants(), clock, random).prop_map(|((files, env, secrets), http, clock, random)| {
            let (clock, random) = (clock.into_iter().collect(), random.into_iter().collect());
            Grants { files, env, secrets, http, clock, random, span: None }
        })
    }

    fn hooks() -> impl Strategy<Value = Hooks> {
        let hook = || option::of("[a-z]{1,4}".prop_map(|export| Hook { export, span: Span::default() }));
        (hook(), hook()).prop_map(|(cleanup, repr)| Hooks { cleanup, repr })
    }

    fn triggers() -> impl Strategy<Value = (Option<Schedule>, Option<Trigger>, i64)> {
        let cron = select(vec!["0 6 * * MON-FRI", "@daily", "*/5 * * * * *", "0 0 30 2 *"]);
        let zone = select(vec!["UTC", "Europe/Rome"]);
        let choices = (select(CatchUp::NAMES), select(Overlap::NAMES), select(BuildScope::NAMES));
        let schedule = (cron, zone, choices, 1..10_000_u32, 0..86_400_000_u64).prop_map(
            |(cron, zone, (catch_up, overlap, build), max, jitter)| Schedule {
                timezone: Zone::find(zone).unwrap(),
                catch_up: catch_up.1,
                max,
                overlap: overlap.1,
                jitter: Duration::from_millis(jitter),
                build: build.1,
                ..Schedule::new(Cron::parse(cron).unwrap())
            },
        );
        let on = select(vec![None, Some(Trigger::Change)]);
        (option::of(schedule), on, -MAX_PRIORITY..=MAX_PRIORITY)
    }

    /// Generates jobs as a config can keep them: without places, and with implied dependencies.
    fn jobs() -> impl Strategy<Value = Job> {
        let texts = || prop::collection::vec(any::<String>(), 0..3);
        let names = prop::collection::vec("[a-z]{1,4}".prop_map(Key::nowhere), 0..3);
        let kwargs = prop::collection::vec(("[a-z]{1,4}".prop_map(Key::nowhere), args()), 0..3);
        let retry = prop_oneof![
            Just(Retry::never()),
            (2..9_u32, any::<bool>()).prop_map(|(attempts, jitter)| Retry { attempts, jitter, ..Retry::default() }),
        ];
        let pool = ("[a-z]{1,4}", 1..9_u32).prop_map(|(name, slots)| PoolUse { name, slots });
        let for_people = (option::of(any::<String>()), option::of(any::<String>()), texts(), any::<bool>());
        let function = select(vec!["sales:f", "./sub/x.wasm:ns:pkg/iface@1.0.0#f", "tool"]);
        let call = (function, prop::collection::vec(args(), 0..3), kwargs, names);
        let needs = prop::collection::vec("[a-z]{1,4}", 0..3).prop_map(Labels::of);
        let rest = (all_limits(), retry, all_grants(), (option::of(pool), needs), hooks(), triggers());
        (for_people, call, rest).prop_map(|(for_people, (function, args, kwargs, dependencies), rest)| {
            let (title, notes, tags, protected) = for_people;
            let (limits, retry, grants, (pool, needs), hooks, (schedule, on, priority)) = rest;
            let folder = if grants.files.is_empty() { "" } else { "jobs" };
            let (id, function) = ("x".to_owned(), FunctionRef::parse(function).unwrap());
            let place = nowhere(folder.to_owned());
            let mut job = Job {
                id,
                title,
                notes,
                tags,
                function,
                args,
                kwargs,
                dependencies,
                limits,
                retry,
                grants,
                pool,
                needs,
                hooks,
                protected,
                schedule,
                on,
                priority,
                place,
            };
            job.dependencies = job.dependency_ids().into_iter().map(|(id, _)| Key::nowhere(id)).collect();
            job
        })
    }

    proptest! {
        #[test]
        fn a_config_gives_back_what_it_took(job in jobs(), by_hand in prop::collection::vec(args(), 0..3)) {
            let overrides: Vec<_> = by_hand.into_iter().map(|arg| (Key::nowhere("a"), arg)).collect();
            let config = BuildConfig::new(job.clone(), overrides.clone());
            let value = config.to_value();
            prop_assert_eq!(BuildConfig::from_value(&value), config);
            prop_assert_eq!(job_of_config("x", &value, &Ceiling::default()), Ok(job));
            prop_assert_eq!((is_edited(&value), super::overrides(&value)), (!overrides.is_empty(), overrides));
        }
    }

    #[test]
    fn a_config_of_another_program_is_read_as_far_as_it_makes_sense() {
        let other = Value::map([
            ("function", Value::Int(1)),
            ("title", Value::string("kept")),
            ("args", Value::string("no list")),
            ("limits", Value::entry("memory", Value::Int(-1))),
            ("grants", Value::List(Vec::new())),
            ("pool", Value::string("db")),
            ("priority", Value::Int(1 << 90)),
            ("schedule", Value::string("@daily")),
            ("on", Value::string("push")),
            ("overrides", Value::Null),
        ]);
        let read = BuildConfig::from_value(&other);
        assert_eq!(read.job.title.as_deref(), Some("kept"));
        assert_eq!((read.job.args.len(), read.job.grants.files.len(), &read.job.pool), (0, 0, &None));
        assert_eq!((read.job.priority, &read.job.schedule, read.job.on), (0, &None, None));
        assert_eq!(read.overrides(), []);
        assert_eq!(read.job("x", &Ceiling::default()), Err("its configuration does not name a function".to_owned()));
    }

    #[test]
    fn a_job_comes_back_as_it_was() {
        let config = parsed(WHOLE).to_config();
        let back = job_of_config("x", &config, &Ceiling::default()).unwrap();
        assert_eq!(back.to_config(), config);
        assert_eq!(back.references().len(), 2);
        assert_eq!((limit(&config, "log_records"), limit(&config, "nothing")), (Some(7), None));
        assert_eq!((back.limits.timeout, back.place.folder.as_str()), (Duration::from_secs(90), "jobs"));
    }

    /// A stored config is compared with a new one as bytes, so neither the keys nor their order may
    /// change.
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
            assert_eq!(super::pool(&Value::entry("pool", other)), None);
        }
    }

    #[test]
    fn triggers_and_priority_are_kept_only_where_they_are_written() {
        let config = parsed("function: x\nschedule: '*/5 * * * *'\non: change\npriority: -7").to_config();
        let keys: Vec<_> = config.entries().iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys[keys.len() - 3..], ["priority", "schedule", "on"]);
        assert_eq!((priority(&config), priority(&parsed("function: x").to_config())), (-7, 0));
    }

    #[test]
    fn the_ceiling_of_today_bounds_the_limits_of_then() {
        let ceiling = Ceiling {
            limits: vec![("memory".to_owned(), 1 << 20)],
            timeouts: Timeouts { attempt: Some(Duration::from_secs(5)), ..Timeouts::default() },
            ..Ceiling::default()
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
