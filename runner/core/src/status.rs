//! How a job stands, by its finished builds.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::build::Build;
use crate::changes::changes;
use crate::config;
use crate::job::Job;

/// How a job stands, by its finished builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// It has no finished build.
    NotBuilt,
    /// It has finished builds, and all of them were skipped: there is nothing that a dependent
    /// could use.
    OnlySkipped,
    /// It has finished builds that were not skipped, and none of them succeeded.
    Failed,
    /// A build succeeded, and dependents still use it, but the newest build that finished and was
    /// not skipped failed.
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

    /// What has changed since the build that its dependents use, or since a later one that was
    /// skipped.
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

/// What the store knows of a job. Builds come without return value and traceback; those with
/// arguments that were given by hand count as the newest alone.
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

/// The status of `job`, whose plugin has `digest` today. `latest` tells the latest successful build
/// of a dependency.
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
    let outdated = differences(job, digest, used, latest);
    match &history.ended {
        Some(ended) if !ended.success => JobStatus::Failing { build: ended.id, outdated },
        _ if outdated.is_empty() => JobStatus::Success,
        _ => JobStatus::Outdated(outdated),
    }
}

/// What a job would use today that differs from what its build `used` did, in words.
pub(crate) fn differences<'a>(
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
        changes(key, was, now, &mut reasons);
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

/// As much of a digest as tells it from the others of a folder.
fn start_of(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
