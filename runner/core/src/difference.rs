//! What differs between two builds of a job, and between a build and its job: each in short, for a person who looks for
//! the cause.

use crate::build::Build;
use crate::build::Pin;
use crate::config;
use crate::value::Value;
use crate::value::as_tag;

/// How the name of a mapping begins of which only the order has changed.
pub(crate) const ORDER: &str = "order of ";

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is: `plugin`, a key of the configuration such as `kwargs.since`, or a dependency as `pins.JOB`.
    pub what: String,
    /// How it was; none where it was not there.
    pub was: Option<String>,
    /// How it is; none where it is gone.
    pub now: Option<String>,
}

/// What differs between an earlier build of a job and a later one, in the order of its likely effect: the plugin, what was
/// used of other builds, the keys that decide the result, and all other keys.
pub fn differences(was: &Build, now: &Build) -> Vec<Difference> {
    let mut found = Vec::new();
    if was.plugin != now.plugin {
        let shown = |build: &Build| build.plugin.as_deref().map(|digest| format!("sha256:{}", start_of(digest)));
        found.push(Difference { what: "plugin".to_owned(), was: shown(was), now: shown(now) });
    }
    pins(was, now, &mut found);
    let decisive: Vec<&str> = config::decisive(&now.config).map(|(key, _)| key).collect();
    for key in &decisive {
        changes(key, was.config.get(key), now.config.get(key), &mut found);
    }
    let keys = |build: &Build| build.config.entries().iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let mut others = keys(now);
    others.extend(keys(was).into_iter().filter(|key| now.config.get(key).is_none()));
    for key in others.iter().filter(|key| !decisive.contains(&key.as_str())) {
        changes(key, was.config.get(key), now.config.get(key), &mut found);
    }
    found
}

fn pins(was: &Build, now: &Build, found: &mut Vec<Difference>) {
    let pin = |build: &Build, job: &str| build.pins.iter().find(|pin| pin.job == job).cloned();
    let added = now.pins.iter().filter(|new| pin(was, &new.job).is_none());
    for job in was.pins.iter().chain(added).map(|pin| &pin.job) {
        let (before, after) = (pin(was, job), pin(now, job));
        let same = match (&before, &after) {
            // The same value of another build changes nothing.
            (Some(before), Some(after)) => {
                before.build == after.build
                    || (before.retval_digest.is_some() && before.retval_digest == after.retval_digest)
            }
            _ => false,
        };
        if !same {
            let shown = |pin: Option<Pin>| pin.map(|pin| format!("build {}", pin.build));
            found.push(Difference { what: format!("pins.{job}"), was: shown(before), now: shown(after) });
        }
    }
}

/// As much of a digest as tells it from the others of a folder.
pub(crate) fn start_of(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// What has changed under a key of the configuration: each entry of a mapping for itself.
pub(crate) fn changes(key: &str, was: Option<&Value>, now: Option<&Value>, found: &mut Vec<Difference>) {
    match (was, now) {
        (was, now) if was == now => {}
        (Some(Value::Map(was)), Some(Value::Map(now))) => {
            let find = |entries: &[(String, Value)], name: &str| {
                entries.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
            };
            let names = was.iter().chain(now.iter().filter(|(name, _)| find(was, name).is_none()));
            let before = found.len();
            for (name, _) in names {
                let (was, now) = (find(was, name), find(now, name));
                if was != now {
                    found.push(change(&format!("{key}.{name}"), was.as_ref(), now.as_ref()));
                }
            }
            if found.len() == before {
                let order = |entries: &[(String, Value)]| {
                    Some(entries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "))
                };
                found.push(Difference { what: format!("{ORDER}{key}"), was: order(was), now: order(now) });
            }
        }
        (was, now) => found.push(change(key, was, now)),
    }
}

fn change(key: &str, was: Option<&Value>, now: Option<&Value>) -> Difference {
    Difference { what: key.to_owned(), was: was.map(short), now: now.map(short) }
}

/// A value on one line, cut where it gets long.
fn short(value: &Value) -> String {
    /// Longer than this, nobody compares two by eye.
    const SHORT: usize = 60;
    fn write(value: &Value, out: &mut String) {
        if out.len() > 2 * SHORT {
            return;
        }
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                let text = match value {
                    Value::Bool(b) => b.to_string(),
                    Value::Int(i) => i.to_string(),
                    Value::Float(x) => x.to_string(),
                    _ => String::new(),
                };
                out.push_str(&text);
            }
            Value::String(text) => out.extend(['"'].into_iter().chain(text.chars().take(SHORT)).chain(['"'])),
            Value::Bytes(bytes) => out.push_str(&format!("{} bytes", bytes.len())),
            Value::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    write(item, out);
                }
                out.push(']');
            }
            Value::Map(entries) => match as_tag(entries) {
                Some((tag, text)) => out.push_str(&format!("{tag} {text}")),
                None => {
                    out.push('{');
                    for (i, (key, value)) in entries.iter().enumerate() {
                        out.push_str(if i == 0 { "" } else { ", " });
                        out.push_str(&format!("{key}: "));
                        write(value, out);
                    }
                    out.push('}');
                }
            },
        }
    }
    let mut text = String::new();
    write(value, &mut text);
    if text.chars().count() > SHORT {
        text = text.chars().take(SHORT).chain("..".chars()).collect();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::clock::Timestamp;
    use crate::memory::MemoryStorage;
    use crate::storage::Storage;

    fn empty() -> Build {
        let storage = MemoryStorage::new(Arc::new(ManualClock::new(Timestamp(0))));
        let id = storage.create_build("x", &Value::Null).unwrap();
        storage.get_build(id).unwrap()
    }

    fn build(plugin: &str, kwargs: &[(&str, i128)], pins: &[(&str, u64, &str)]) -> Build {
        let entry = |(name, number): &(&str, i128)| ((*name).to_owned(), Value::Int(*number));
        let pin = |(job, build, digest): &(&str, u64, &str)| Pin {
            job: (*job).to_owned(),
            build: *build,
            retval_digest: Some((*digest).to_owned()),
        };
        let kwargs = Value::Map(kwargs.iter().map(entry).collect());
        Build {
            plugin: Some(plugin.to_owned()),
            config: Value::Map(vec![("timeout".to_owned(), Value::Int(5)), ("kwargs".to_owned(), kwargs)]),
            pins: pins.iter().map(pin).collect(),
            ..empty()
        }
    }

    #[test]
    fn what_decides_the_result_comes_first() {
        let was = build("aaaaaaaaaaaaaaaa", &[("x", 1), ("y", 1)], &[("a", 1, "1"), ("b", 2, "2"), ("c", 3, "3")]);
        let mut now = build("bbbbbbbbbbbbbbbb", &[("x", 2), ("y", 1)], &[("a", 4, "4"), ("b", 5, "2"), ("d", 6, "6")]);
        if let Value::Map(entries) = &mut now.config {
            entries[0].1 = Value::Int(6);
        }
        let found = differences(&was, &now);
        let told: Vec<_> = found
            .iter()
            .map(|d| format!("{}: {} -> {}", d.what, d.was.as_deref().unwrap_or("-"), d.now.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(
            told,
            [
                "plugin: sha256:aaaaaaaaaaaa -> sha256:bbbbbbbbbbbb",
                "pins.a: build 1 -> build 4",
                "pins.c: build 3 -> -",
                "pins.d: - -> build 6",
                "kwargs.x: 1 -> 2",
                "timeout: 5 -> 6",
            ]
        );
        assert_eq!(differences(&was, &was), []);
    }
}
