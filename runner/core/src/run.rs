//! A run: what was requested, by whom, which jobs were planned, and what came of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::Serializer;

use crate::build::Build;
use crate::build::BuildStatus;
use crate::clock::Timestamp;
use crate::failure::FailureKind;
use crate::plan::Plan;
use crate::request::BuildRequest;
use crate::request::RunRequest;

/// A run, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Ids increase and are never reused.
    pub id: u64,
    /// When it was requested.
    pub created: Timestamp,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// How it ended; `None` while it is open.
    pub status: Option<RunStatus>,
    /// Who or what requested it.
    pub requester: Requester,
    /// Higher numbers come first; 0 by default.
    pub priority: i64,
    /// Whether any service may continue it if its process is gone or it has none.
    pub service: bool,
    /// Whether it waits until a person starts it.
    pub held: bool,
    /// Why there was nothing to run, for a run that was missed or skipped.
    pub missed: Option<Missed>,
    /// The process that executes it.
    pub owner: Option<String>,
    /// Who requested its cancellation, if anyone did.
    pub cancel: Option<String>,
    /// What was requested.
    pub request: RunRequest,
    /// The planned jobs; `None` for a run of an old store that did not keep plans.
    pub plan: Option<Plan>,
    /// What was asked of single builds, by job. A job without an entry is built as it is.
    pub requests: BTreeMap<String, BuildRequest>,
    /// Why jobs of the plan have no build, if this does not follow from the plan and the builds.
    pub refused: BTreeMap<String, String>,
    /// The builds of other runs that were used for a job, because they were the same and made at
    /// the same time. Known once the run has ended.
    pub shared: BTreeMap<String, u64>,
}

/// Consecutive scheduled runs that were not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// `Skipped` or `Missed`.
    pub status: RunStatus,
    /// Why, in words.
    pub reason: String,
    /// When the first of them was due.
    pub first: Timestamp,
    /// When the last of them was due.
    pub last: Timestamp,
    /// How many there are.
    pub count: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// Every job of its plan was built, or had nothing to do.
    Successful,
    /// Some job was not built, or its build failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its process died before it ended.
    Interrupted,
    /// It was due, and not made, since another run of its schedule was not over.
    Skipped,
    /// It was due while no service was running, and was not caught up.
    Missed,
}

impl RunStatus {
    const ALL: [Self; 6] =
        [Self::Successful, Self::Failed, Self::Cancelled, Self::Interrupted, Self::Skipped, Self::Missed];

    /// Returns the name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Interrupted => "INTERRUPTED",
            Self::Skipped => "SKIPPED",
            Self::Missed => "MISSED",
        }
    }

    /// Reads a stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Returns how a run of only this build ended.
    pub fn of_build(success: bool, kind: Option<&FailureKind>) -> Self {
        match kind {
            _ if success => Self::Successful,
            Some(FailureKind::Cancelled) => Self::Cancelled,
            _ => Self::Failed,
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who or what requested a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requester {
    /// A person at the command line, by name.
    Cli(String),
    /// A client of the API, by name.
    Api(String),
    /// The schedule of a job.
    Schedule(String),
    /// A change of what decides the results of jobs.
    Change,
    /// Another build.
    Build(u64),
    /// A requester that this program does not know.
    Unknown(String),
}

impl Requester {
    /// Reads a stored requester, as [`Requester`] displays it. Any text is a requester.
    pub fn from_text(text: &str) -> Self {
        match text.split_once(':') {
            Some(("cli", name)) => Self::Cli(name.to_owned()),
            Some(("api", name)) => Self::Api(name.to_owned()),
            Some(("schedule", job)) => Self::Schedule(job.to_owned()),
            None if text == "change" => Self::Change,
            Some(("build", id)) => id
                .parse()
                .ok()
                .filter(|n: &u64| n.to_string() == id)
                .map_or_else(|| Self::Unknown(text.to_owned()), Self::Build),
            _ => Self::Unknown(text.to_owned()),
        }
    }
}

impl fmt::Display for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cli(name) => write!(f, "cli:{name}"),
            Self::Api(name) => write!(f, "api:{name}"),
            Self::Schedule(job) => write!(f, "schedule:{job}"),
            Self::Change => f.write_str("change"),
            Self::Build(id) => write!(f, "build:{id}"),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl Serialize for Requester {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How many builds of a run have which status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunCounts {
    /// Created, but not started.
    pub created: u64,
    /// Started, but not ended.
    pub running: u64,
    /// Failed.
    pub failed: u64,
    /// Ended with nothing to do.
    pub skipped: u64,
    /// Successful.
    pub successful: u64,
}

impl RunCounts {
    /// Adds `more` builds of a status.
    pub fn add(&mut self, status: BuildStatus, more: u64) {
        let count = match status {
            BuildStatus::Created => &mut self.created,
            BuildStatus::Running => &mut self.running,
            BuildStatus::Failed => &mut self.failed,
            BuildStatus::Skipped => &mut self.skipped,
            BuildStatus::Successful => &mut self.successful,
        };
        *count += more;
    }
}

/// The current state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It waits for a service, or for a person to start it.
    Waiting,
    /// Its process is executing it.
    Running,
    /// It has ended.
    Ended(RunStatus),
}

impl Run {
    /// Returns the state of the run, given whether its owner is alive.
    pub fn state(&self, owner_is_alive: bool) -> RunState {
        match self.status {
            Some(status) => RunState::Ended(status),
            None if self.owner.is_none() && self.service => RunState::Waiting,
            None if owner_is_alive => RunState::Running,
            None => RunState::Ended(RunStatus::Interrupted),
        }
    }

    /// Returns the outcome of each job of the plan. If the run has no plan, returns that of each
    /// target and each job that was built. `builds` are those of the run, oldest first.
    pub fn jobs<'a>(&'a self, builds: &'a [Build], state: RunState) -> Vec<RunJob<'a>> {
        let newest: BTreeMap<&str, &Build> = builds.iter().map(|build| (build.job_id.as_str(), build)).collect();
        let mut order: Vec<&str> = match &self.plan {
            Some(plan) => plan.order.iter().map(String::as_str).collect(),
            None => self.request.targets.iter().map(String::as_str).collect(),
        };
        order.extend(self.refused.keys().map(String::as_str).filter(|id| !order.contains(id)).collect::<Vec<_>>());
        order.extend(newest.keys().filter(|id| !order.contains(*id)).copied().collect::<Vec<_>>());
        order.into_iter().map(|id| RunJob { id, became: self.became(id, &newest, state) }).collect()
    }

    fn became<'a>(&'a self, id: &str, newest: &BTreeMap<&str, &'a Build>, state: RunState) -> JobBecame<'a> {
        if let Some(build) = newest.get(id) {
            return JobBecame::Built(build);
        }
        if let Some(reason) = self.refused.get(id) {
            return JobBecame::NotBuilt(reason.clone());
        }
        if let Some(build) = self.shared.get(id) {
            return JobBecame::Shared(*build);
        }
        let needs = self.plan.as_ref().and_then(|plan| plan.waits_for.get(id)).map(Vec::as_slice).unwrap_or_default();
        let good = |need: &&String| match newest.get(need.as_str()) {
            Some(build) => build.finished && build.success,
            None => self.shared.contains_key(*need),
        };
        let bad = |need: &&String| {
            let failed = newest.get(need.as_str()).is_some_and(|build| build.finished && !build.success);
            failed || self.refused.contains_key(*need)
        };
        match state {
            _ if needs.iter().any(|need| bad(&need)) => {
                let need = needs.iter().find(bad).map_or("", String::as_str);
                JobBecame::NotBuilt(format!("`{need}` did not succeed"))
            }
            RunState::Running | RunState::Waiting => {
                JobBecame::Waits(needs.iter().filter(|need| !good(need)).map(String::as_str).collect())
            }
            RunState::Ended(RunStatus::Skipped | RunStatus::Missed) => {
                JobBecame::NotBuilt(self.missed.as_ref().map_or_else(String::new, |missed| missed.reason.clone()))
            }
            RunState::Ended(RunStatus::Cancelled) => JobBecame::NotBuilt("the run was cancelled".to_owned()),
            RunState::Ended(RunStatus::Interrupted) => JobBecame::NotBuilt("the process of the run died".to_owned()),
            // Every job of a successful run was built.
            RunState::Ended(RunStatus::Successful) => JobBecame::NotBuilt("its build was deleted".to_owned()),
            RunState::Ended(_) => match needs.iter().find(|need| !good(need)) {
                Some(need) => JobBecame::NotBuilt(format!("`{need}` was not built")),
                None => JobBecame::NotBuilt("the run ended before its turn came".to_owned()),
            },
        }
    }
}

/// A job of a run's plan, with its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct RunJob<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its outcome.
    pub became: JobBecame<'a>,
}

/// The outcome of a job of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum JobBecame<'a> {
    /// The run has this build of it: ended, running, or created and waiting for a slot.
    Built(&'a Build),
    /// Another run made this build at the same time, and this run used it.
    Shared(u64),
    /// It waits for these jobs, or for its turn if there are none.
    Waits(Vec<&'a str>),
    /// It has no build in this run and will not get one, for this reason.
    NotBuilt(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_requester_is_read_as_it_was_written(
            text in prop_oneof![any::<String>(), "(cli|api|schedule|build|x):[a-z0-9:]{0,5}"],
        ) {
            prop_assert_eq!(Requester::from_text(&text).to_string(), text);
        }
    }

    #[test]
    fn each_requester_is_told_by_its_text() {
        for requester in [
            Requester::Cli("rob".to_owned()),
            Requester::Api("ci:nightly".to_owned()),
            Requester::Schedule("report".to_owned()),
            Requester::Change,
            Requester::Build(12),
        ] {
            assert_eq!(Requester::from_text(&requester.to_string()), requester);
        }
    }

    #[test]
    fn a_status_is_read_as_it_was_written() {
        for status in RunStatus::ALL {
            assert_eq!(RunStatus::from_name(status.name()), Some(status));
        }
    }
}
