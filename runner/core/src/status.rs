//! How a job stands, by its finished builds.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::build::Build;
use crate::config;
use crate::difference::Difference;
use crate::difference::ORDER;
use crate::difference::changes;
use crate::difference::start_of;
use crate::job::Job;
use crate::value::Value;

/// How a job stands, by its finished builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// It has no finished build.
    NotBuilt,
    /// It has finished builds, and all of them were skipped: there is nothing that a dependent could use.
    OnlySkipped,
    /// It has finished builds that were not skipped, and none of them succeeded.
    Failed,
    /// A build succeeded, and dependents still use it, but the newest build that finished and was not skipped failed.
    Failing {
        /// The build that failed.
        build: u64,
        /// Why the job would be outdated as well, if it would.
        outdated: Vec<String>,
    },
    /// Its last success used something that has changed since, for these reasons.
    Outdated(Vec<String>),
    /// Its last success is still what a build would make today.
    Success,
}

impl JobStatus {
    /// The name, as programs read it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotBuilt | Self::OnlySkipped => "not_built",
            Self::Failed => "failed",
            Self::Failing { .. } => "failing",
            Self::Outdated(_) => "outdated",
            Self::Success => "success",
        }
    }

    /// What has changed since the build that its dependents use, or since a later one that was skipped.
    pub fn outdated_because(&self) -> &[String] {
        match self {
            Self::Failing { outdated, .. } | Self::Outdated(outdated) => outdated,
            Self::NotBuilt | Self::OnlySkipped | Self::Failed | Self::Success => &[],
        }
    }

    /// Whether dependents would use a build although the job should be built again.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Failing { .. } | Self::Outdated(_))
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlySkipped => f.pad("not_built, skipped"),
            status => f.pad(status.name()),
        }
    }
}

impl Serialize for JobStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What the store knows of a job. Builds come without return value and traceback.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobHistory {
    /// Its newest build that finished and was not skipped.
    pub ended: Option<Arc<Build>>,
    /// Its newest build, whatever its status is.
    pub newest: Option<Arc<Build>>,
    /// Its latest successful build, not skipped: what dependents are pinned to.
    pub latest: Option<Arc<Build>>,
    /// Its latest build that was successful or skipped: what tells whether it is outdated.
    pub last_good: Option<Arc<Build>>,
}

/// The status of `job`, whose plugin has `digest` today. `latest` tells the latest successful build of a dependency.
pub fn job_status<'a>(
    job: &Job,
    digest: &str,
    history: &JobHistory,
    latest: impl Fn(&str) -> Option<&'a Build>,
) -> JobStatus {
    let (Some(_), Some(used)) = (&history.latest, &history.last_good) else {
        return match (&history.ended, &history.last_good) {
            (Some(_), _) => JobStatus::Failed,
            (None, Some(_)) => JobStatus::OnlySkipped,
            (None, None) => JobStatus::NotBuilt,
        };
    };
    let outdated = outdated_because(job, digest, used, latest);
    match &history.ended {
        Some(ended) if !ended.success => JobStatus::Failing { build: ended.id, outdated },
        _ if outdated.is_empty() => JobStatus::Success,
        _ => JobStatus::Outdated(outdated),
    }
}

/// What has changed since the last good build of a job, `used`.
fn outdated_because<'a>(
    job: &Job,
    digest: &str,
    used: &Build,
    latest: impl Fn(&str) -> Option<&'a Build>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(was) = used.plugin.as_deref().filter(|was| *was != digest) {
        reasons.push(format!("the plugin has changed: sha256:{} -> sha256:{}", start_of(was), start_of(digest)));
    }
    let today = job.to_config();
    for ((key, was), (_, now)) in config::decisive(&used.config).zip(config::decisive(&today)) {
        reasons.extend(changed(key, was, now));
    }
    if config::is_edited(&used.config) {
        reasons.push(format!("its last build, {}, ran with other arguments", used.id));
    }
    let references = job.references();
    let by_value: BTreeSet<&str> = references.iter().map(|(reference, _)| reference.job.as_str()).collect();
    for pin in &used.pins {
        let Some(newest) = latest(&pin.job) else { continue };
        let (dependency, was, now) = (&pin.job, pin.build, newest.id);
        if by_value.contains(dependency.as_str()) {
            if newest.retval_digest != pin.retval_digest {
                reasons.push(format!("`{dependency}` returned something else since: build {was} -> build {now}"));
            }
        } else if now > was {
            // No value tells whether it changed anything: it may have written a file.
            reasons.push(format!(
                "`{dependency}`, a dependency for order alone, was built since: build {was} -> build {now}"
            ));
        }
    }
    reasons
}

/// In words: what has changed under a key of the configuration.
fn changed(key: &str, was: Option<&Value>, now: Option<&Value>) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    changes(key, was, now, &mut found);
    found.into_iter().map(|Difference { what, was, now }| {
        let shown = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
        match what.strip_prefix(ORDER) {
            Some(key) => format!("`{key}` has changed: the order of its entries"),
            None => format!("`{what}` has changed: {} -> {}", shown(was), shown(now)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::RETVAL_KEY;

    #[test]
    fn a_change_is_told_entry_by_entry_and_in_short() {
        let map = |entries: &[(&str, i128)]| {
            Value::Map(entries.iter().map(|(key, n)| ((*key).to_owned(), Value::Int(*n))).collect())
        };
        let told = |was: &Value, now: &Value| changed("kwargs", Some(was), Some(now)).collect::<Vec<_>>();
        assert_eq!(
            told(&map(&[("a", 1), ("b", 2), ("c", 3)]), &map(&[("a", 1), ("b", 5), ("d", 4)])),
            [
                "`kwargs.b` has changed: 2 -> 5",
                "`kwargs.c` has changed: 3 -> nothing",
                "`kwargs.d` has changed: nothing -> 4"
            ]
        );
        let reference = Value::entry(RETVAL_KEY, Value::string("one"));
        let list = Value::List(vec![reference, Value::string("x".repeat(500)), Value::Null]);
        let expected = format!("`kwargs` has changed: [!retval one, \"{}.. -> null", "x".repeat(45));
        assert_eq!(told(&list, &Value::Null), [expected]);
        assert_eq!(told(&map(&[("a", 1), ("b", 2)]), &map(&[("b", 2), ("a", 1)])).len(), 1);
        assert_eq!(told(&map(&[]), &map(&[])), Vec::<String>::new());
    }
}
