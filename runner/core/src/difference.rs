//! The differences between two builds of a job, or between a build and its job, in short form for a
//! person who looks for a cause.

use crate::build::Build;
use crate::build::Pin;
pub use crate::changes::Difference;
use crate::changes::compared;
use crate::config;

/// Returns what differs between an earlier build of a job and a later one, most relevant first. The
/// order is: the plugin, the values used from other builds, the keys that decide the result, all
/// other keys.
pub fn differences(was: &Build, now: &Build) -> Vec<Difference> {
    let mut found = Vec::new();
    if was.plugin != now.plugin {
        let shown = |build: &Build| build.plugin.as_deref().map(|digest| format!("sha256:{}", start_of(digest)));
        found.push(Difference { what: "plugin".to_owned(), was: shown(was), now: shown(now) });
    }
    pins(was, now, &mut found);
    let decisive: Vec<&str> = config::decisive(&now.config).map(|(key, _)| key).collect();
    for key in &decisive {
        compared(key, was.config.get(key), now.config.get(key), &mut found);
    }
    let keys = |build: &Build| build.config.entries().iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let mut others = keys(now);
    others.extend(keys(was).into_iter().filter(|key| now.config.get(key).is_none()));
    for key in others.iter().filter(|key| !decisive.contains(&key.as_str())) {
        compared(key, was.config.get(key), now.config.get(key), &mut found);
    }
    found
}

fn pins(was: &Build, now: &Build, found: &mut Vec<Difference>) {
    let pin = |build: &Build, job: &str| build.pins.iter().find(|pin| pin.job == job).cloned();
    let added = now.pins.iter().filter(|new| pin(was, &new.job).is_none());
    for job in was.pins.iter().chain(added).map(|pin| &pin.job) {
        let (before, after) = (pin(was, job), pin(now, job));
        let same = match (&before, &after) {
            // The same value from another build changes nothing.
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

/// Returns enough of a digest to distinguish it from the others in a folder.
fn start_of(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::clock::Timestamp;
    use crate::memory::MemoryStorage;
    use crate::storage::Storage;
    use crate::value::Value;

    fn empty() -> Build {
        let storage = MemoryStorage::new(Arc::new(ManualClock::new(Timestamp(0))));
        let id = storage.create_build("x", &Value::Null).unwrap();
        storage.get_build(id).unwrap()
    }

    fn build(plugin: &str, kwargs: &[(&'static str, i128)], pins: &[(&str, u64, &str)]) -> Build {
        let entry = |(name, number): &(&'static str, i128)| (*name, Value::Int(*number));
        let pin = |(job, build, digest): &(&str, u64, &str)| Pin {
            job: (*job).to_owned(),
            build: *build,
            retval_digest: Some((*digest).to_owned()),
        };
        let kwargs = Value::map(kwargs.iter().map(entry));
        Build {
            plugin: Some(plugin.to_owned()),
            config: Value::map([("timeout", Value::Int(5)), ("kwargs", kwargs)]),
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
