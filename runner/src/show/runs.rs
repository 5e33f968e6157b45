//! The shapes of runs.

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::cut;
use jobcontrol_core::run::JobBecame;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunCounts;
use jobcontrol_core::run::RunJob;
use jobcontrol_core::run::RunState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::show::moment::Moment;
use crate::show::schema::Counted;
use crate::show::schema::Named;

/// A run.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunJson<'a> {
    id: u64,
    status: &'static str,
    targets: &'a [String],
    deps: bool,
    force: bool,
    revdeps: bool,
    rest_of: Option<u64>,
    #[schema(value_type = String)]
    requested_by: &'a Requester,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    end_time: Option<Timestamp>,
    priority: i64,
    owner: Option<&'a str>,
    cancel: Option<&'a str>,
    /// Whether it waits until somebody starts it.
    held: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<MissedJson<'a>>,
    #[schema(value_type = Counted)]
    builds: RunCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<Vec<RunJobJson<'a>>>,
}

/// A failed run, for the receivers of notifications.
#[derive(Serialize)]
pub(crate) struct FailedRunJson<'a> {
    #[serde(flatten)]
    run: RunJson<'a>,
    /// The first of its builds that failed.
    failures: Vec<FailureOfRunJson<'a>>,
}

/// A build of a run that failed.
#[derive(Serialize)]
struct FailureOfRunJson<'a> {
    build: u64,
    job_id: &'a str,
    kind: Option<&'a FailureKind>,
    message: String,
}

/// How many failures one message lists. A run may have as many builds as there are jobs.
const FAILURES: usize = 100;
/// The most characters of the message of each failure.
const MESSAGE: usize = 2_000;

/// Scheduled runs that were not made, one after the other.
#[derive(Serialize, ToSchema)]
struct MissedJson<'a> {
    reason: &'a str,
    #[schema(value_type = String, format = DateTime)]
    first_due: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_due: Timestamp,
    count: u64,
}

/// A job of a run.
#[derive(Serialize, ToSchema)]
struct RunJobJson<'a> {
    job_id: &'a str,
    build: Option<u64>,
    /// The build of another run that was used.
    shared_build: Option<u64>,
    #[schema(value_type = Option<Named>)]
    status: Option<BuildStatus>,
    interrupted: bool,
    waits_for: Vec<&'a str>,
    not_built_because: Option<&'a str>,
}

/// Returns the name of a run's state.
pub(crate) fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Waiting => "WAITING",
        RunState::Running => "RUNNING",
        RunState::Ended(status) => status.name(),
    }
}

impl<'a> RunJson<'a> {
    pub(crate) fn new(run: &'a Run, state: RunState, builds: RunCounts) -> Self {
        Self {
            id: run.id,
            status: state_name(state),
            targets: &run.request.targets,
            deps: run.request.deps,
            force: run.request.force,
            revdeps: run.request.revdeps,
            rest_of: run.request.rest_of,
            requested_by: &run.requester,
            created: run.created,
            end_time: run.end_time,
            priority: run.priority,
            owner: run.owner.as_deref(),
            cancel: run.cancel.as_deref(),
            held: run.held,
            missed: run.missed.as_ref().map(|missed| MissedJson {
                reason: &missed.reason,
                first_due: missed.first,
                last_due: missed.last,
                count: missed.count,
            }),
            builds,
            jobs: None,
        }
    }

    /// Adds the failures of its builds, as many as one message lists.
    pub(crate) fn with_failures(self, builds: &'a [Build]) -> FailedRunJson<'a> {
        let failed = builds.iter().filter(|build| build.status() == BuildStatus::Failed).take(FAILURES);
        FailedRunJson { run: self, failures: failed.map(FailureOfRunJson::new).collect() }
    }

    /// Adds what became of each job.
    pub(crate) fn with_jobs(self, jobs: &'a [RunJob<'a>], moment: &Moment) -> Self {
        Self { jobs: Some(jobs.iter().map(|job| RunJobJson::new(job, moment)).collect()), ..self }
    }
}

impl<'a> FailureOfRunJson<'a> {
    fn new(build: &'a Build) -> Self {
        let failure = build.exception.as_ref();
        let mut message = failure.map(|failure| failure.message.clone()).unwrap_or_default();
        cut(&mut message, MESSAGE);
        Self { build: build.id, job_id: &build.job_id, kind: failure.map(|failure| &failure.kind), message }
    }
}

impl<'a> RunJobJson<'a> {
    fn new(job: &'a RunJob<'a>, moment: &Moment) -> Self {
        let nothing = Self {
            job_id: job.id,
            build: None,
            shared_build: None,
            status: None,
            interrupted: false,
            waits_for: Vec::new(),
            not_built_because: None,
        };
        match &job.became {
            JobBecame::Built(build) => Self {
                build: Some(build.id),
                status: Some(build.status()),
                interrupted: moment.is_interrupted(build),
                ..nothing
            },
            JobBecame::Shared(build) => Self { shared_build: Some(*build), ..nothing },
            JobBecame::Waits(needs) => Self { waits_for: needs.clone(), ..nothing },
            JobBecame::NotBuilt(reason) => Self { not_built_because: Some(reason), ..nothing },
        }
    }
}
