//! The status of a job, derived from its finished builds.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::build::Build;
use crate::changes::changes;
use crate::config;
use crate::job::Job;

/// The status of a job, derived from its finished builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// It has no finished build.
    NotBuilt,
    /// It has finished builds, but all of them were skipped. There is nothing that a dependent
    /// could use.
    OnlySkipped,
    /// It has finished builds that were not skipped, but none of them succeeded.
    Failed,
    /// A build succeeded, and dependents still use it, but the newest finished build that was not
    /// skipped failed.
    Failing {
        /// The build that failed.
        build: u64,
        /// Why the job would otherwise be outdated, if it would.
        outdated: Vec<String>,
    },
    /// Its last successful build used something that has changed since. These are the reasons.
    Outdated(Vec<String>),
    /// Its last successful build is still what a build would produce today.
    Success,
}

impl JobStatus {
    /// Returns the name that programs read.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotBuilt | Self::OnlySkipped => "not_built",
            Self::Failed => "failed",
            Self::Failing { .. } => "failing",
            Self::Outdated(_) => "outdated",
            Self::Success => "success",
        }
    }

    /// Returns what has changed since the build that its dependents use, or since a later one that
    /// was skipped.
    pub fn outdated_because(&self) -> &[String] {
        match self {
            Self::Failing { outdated, .. } | Self::Outdated(outdated) => outdated,
            Self::NotBuilt | Self::OnlySkipped | Self::Failed | Self::Success => &[],
        }
    }

    /// Returns whether dependents would use a build although the job should be built again.
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

/// What the store knows about a job. Builds have no return value and traceback here. Builds with
/// arguments that were given by hand count only for `newest`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobHistory {
    /// Its newest finished build that was not skipped.
    pub ended: Option<Arc<Build>>,
    /// Its newest build, regardless of its status.
    pub newest: Option<Arc<Build>>,
    /// Its latest successful build that was not skipped. Dependents are pinned to it.
    pub latest: Option<Arc<Build>>,
    /// Its latest build that was successful or skipped. It determines whether the job is outdated.
    pub last_good: Option<Arc<Build>>,
}

/// Returns the status of `job`, whose plugin has `digest` today. `latest` returns the latest
/// successful build of a dependency.
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

/// Describes in words how what a job would use today differs from what its build `used` did.
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
                reasons
                    .push(format!("`{dependency}` has returned a different value since: build {was} -> build {now}"));
            }
        } else if now > was {
            // There is no value that shows a change, and the dependency may have written a file.
            reasons.push(format!(
                "`{dependency}`, an order-only dependency, has been built since: build {was} -> build {now}"
            ));
        }
    }
    reasons
}

/// Returns enough of a digest to distinguish it from the others in a folder.
fn start_of(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
