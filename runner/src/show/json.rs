//! The shapes of `--format json`, which programs rely on.

use std::collections::BTreeMap;
use std::time::Duration;

use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::build::Pin;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Example;
use jobcontrol_core::diagnostic::Label;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::usage::Traffic;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::Json;
use serde::Serialize;
use serde::ser::SerializeMap;
use utoipa::ToSchema;

use crate::show::aftermath::Aftermath;
use crate::show::moment::Moment;
use crate::show::schema::Failed;
use crate::show::schema::Framed;
use crate::show::schema::Named;
use crate::show::schema::Progressed;

/// A complete build.
#[derive(Serialize, ToSchema)]
pub(crate) struct BuildJson<'a> {
    #[serde(flatten)]
    state: StateJson<'a>,
    #[schema(value_type = Option<Failed>)]
    exception: Option<FailureJson<'a>>,
    owner: Option<&'a str>,
    pins: BTreeMap<&'a str, PinJson<'a>>,
    #[schema(value_type = serde_json::Value)]
    config: Json<'a>,
    #[schema(value_type = Option<serde_json::Value>)]
    retval: Option<Json<'a>>,
    retval_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repr: Option<String>,
    #[schema(value_type = Vec<Framed>)]
    exception_tb: &'a [Frame],
    #[serde(flatten)]
    details: Option<DetailsJson<'a>>,
    /// `args`, `kwargs` and `overrides` of the config, with return values in the place of
    /// references; for a failed build.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, serde_json::Value>>)]
    resolved_args: Option<BTreeMap<&'a str, Json<'a>>>,
    /// Its newest log records; for a failed build.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_tail: Option<Vec<RecordJson<'a>>>,
}

/// A build whose return value another uses, by its job.
#[derive(Serialize, ToSchema)]
struct PinJson<'a> {
    build: u64,
    retval_digest: Option<&'a str>,
}

impl<'a> PinJson<'a> {
    fn new(pin: &'a Pin) -> Self {
        Self { build: pin.build, retval_digest: pin.retval_digest.as_deref() }
    }
}

/// What a build has besides its own row.
pub(crate) struct Details<'a> {
    pub(crate) attempts: &'a [Attempt],
    pub(crate) progress: &'a [Progress],
    /// The run that it belongs to.
    pub(crate) run: Option<&'a Run>,
}

#[derive(Serialize, ToSchema)]
struct DetailsJson<'a> {
    #[schema(value_type = Option<String>)]
    requested_by: Option<&'a Requester>,
    attempts: Vec<AttemptJson<'a>>,
    #[schema(value_type = Vec<Progressed>)]
    progress: &'a [Progress],
}

/// One try of a build.
#[derive(Serialize, ToSchema)]
struct AttemptJson<'a> {
    attempt: u32,
    #[schema(value_type = String, format = DateTime)]
    start_time: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    end_time: Option<Timestamp>,
    /// The worker that ran it; left out if the service itself did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    worker: Option<&'a str>,
    #[schema(value_type = Option<Failed>)]
    exception: Option<FailureJson<'a>>,
    #[schema(value_type = Vec<Framed>)]
    exception_tb: &'a [Frame],
}

impl<'a> AttemptJson<'a> {
    fn new(attempt: &'a Attempt) -> Self {
        let failure = attempt.failure.as_ref();
        Self {
            attempt: attempt.number,
            start_time: attempt.start_time,
            end_time: attempt.end_time,
            worker: attempt.worker.as_deref(),
            exception: failure.map(FailureJson),
            exception_tb: failure.map(|failure| failure.frames.as_slice()).unwrap_or_default(),
        }
    }
}

impl<'a> BuildJson<'a> {
    pub(crate) fn new(build: &'a Build, moment: &Moment, details: Option<Details<'a>>) -> Self {
        Self {
            state: StateJson::new(build, moment),
            pins: build.pins.iter().map(|pin| (pin.job.as_str(), PinJson::new(pin))).collect(),
            exception: build.exception.as_ref().map(FailureJson),
            owner: build.owner.as_deref(),
            config: Json(&build.config),
            retval: build.retval.as_ref().map(Json),
            retval_type: build.retval_type.as_deref(),
            repr: None,
            exception_tb: &build.exception_tb,
            details: details.map(|details| DetailsJson {
                requested_by: details.run.map(|run| &run.requester),
                attempts: details.attempts.iter().map(AttemptJson::new).collect(),
                progress: details.progress,
            }),
            resolved_args: None,
            log_tail: None,
        }
    }

    /// Adds what helps to understand why it failed.
    pub(crate) fn with_aftermath(self, aftermath: Option<&'a Aftermath>) -> Self {
        let args = |of: &'a Aftermath| of.args.iter().map(|(name, value)| (*name, Json(value))).collect();
        let log = |of: &'a Aftermath| of.log.iter().map(RecordJson::new).collect();
        Self { resolved_args: aftermath.map(args), log_tail: aftermath.map(log), ..self }
    }

    /// Adds the text that its `repr_function` made.
    pub(crate) fn with_repr(self, repr: Option<String>) -> Self {
        Self { repr, ..self }
    }
}

/// A build in a list, without its large parts.
#[derive(Serialize, ToSchema)]
pub(crate) struct BriefJson<'a> {
    #[serde(flatten)]
    state: StateJson<'a>,
    exception: Option<HeadJson<'a>>,
}

impl<'a> BriefJson<'a> {
    pub(crate) fn new(build: &'a Build, moment: &Moment) -> Self {
        let head = |failure: &'a Failure| HeadJson { kind: &failure.kind, message: &failure.message };
        Self { state: StateJson::new(build, moment), exception: build.exception.as_ref().map(head) }
    }
}

/// A failure in a list.
#[derive(Serialize, ToSchema)]
struct HeadJson<'a> {
    #[schema(value_type = String)]
    kind: &'a FailureKind,
    message: &'a str,
}

/// What every view of a build has.
#[derive(Serialize, ToSchema)]
struct StateJson<'a> {
    id: u64,
    job_id: &'a str,
    #[schema(value_type = Named)]
    status: BuildStatus,
    /// Whether its process died before it ended.
    interrupted: bool,
    run: Option<u64>,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    start_time: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    end_time: Option<Timestamp>,
    started: bool,
    finished: bool,
    success: bool,
    skipped: bool,
    attempt: u32,
    /// The worker of the newest attempt; left out if the service itself runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    worker: Option<&'a str>,
    #[schema(value_type = Option<String>, format = DateTime)]
    retry_time: Option<Timestamp>,
    cancel: Option<&'a str>,
    deleting: bool,
    plugin: Option<&'a str>,
    rerun_of: Option<u64>,
    skip_reason: Option<&'a str>,
    pool: Option<&'a str>,
    /// What it waits for, in words; left out if it does not wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    waits_for: Option<String>,
    /// Bytes.
    peak_memory: Option<u64>,
    /// Seconds.
    guest_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<TrafficJson>,
}

/// What a build did over HTTP, if it did anything.
#[derive(Serialize, ToSchema)]
struct TrafficJson {
    requests: u64,
    /// Bytes.
    sent: u64,
    /// Bytes.
    received: u64,
}

impl TrafficJson {
    fn of(usage: Usage) -> Option<Self> {
        let Traffic { requests, sent, received } = usage.traffic;
        (requests > 0).then_some(Self { requests, sent, received })
    }
}

impl<'a> StateJson<'a> {
    fn new(build: &'a Build, moment: &Moment) -> Self {
        Self {
            id: build.id,
            job_id: &build.job_id,
            status: build.status(),
            interrupted: moment.is_interrupted(build),
            run: build.run,
            created: build.created,
            start_time: build.start_time,
            end_time: build.end_time,
            started: build.started,
            finished: build.finished,
            success: build.success,
            skipped: build.skipped,
            attempt: build.attempt,
            worker: build.worker.as_deref(),
            retry_time: build.retry_time,
            cancel: build.cancel.as_deref(),
            deleting: build.deleting,
            plugin: build.plugin.as_deref(),
            rerun_of: build.rerun_of,
            skip_reason: build.skip_reason.as_deref(),
            pool: build.pool.as_ref().map(|pool| pool.name.as_str()),
            waits_for: moment.waits.get(&build.id).cloned(),
            peak_memory: build.usage.map(|usage| usage.peak_memory),
            guest_time: build.usage.map(|usage| Duration::from_micros(usage.guest_time).as_secs_f64()),
            http: build.usage.and_then(TrafficJson::of),
        }
    }
}

/// A failure, written as `{kind, message, value}`. `causes` follow if there are any, and
/// `read_from` if the plugin did not report the failure itself.
pub(crate) struct FailureJson<'a>(pub(crate) &'a Failure);

impl Serialize for FailureJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", &self.0.kind)?;
        map.serialize_entry("message", &self.0.message)?;
        map.serialize_entry("value", &self.0.value.as_ref().map(Json))?;
        if !self.0.causes.is_empty() {
            map.serialize_entry("causes", &self.0.causes)?;
        }
        if self.0.from_stderr {
            map.serialize_entry("read_from", "stderr")?;
        }
        map.end()
    }
}

/// A log record.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordJson<'a> {
    id: u64,
    build_id: u64,
    attempt: u32,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    level: i64,
    message: &'a str,
    target: &'a str,
    /// A mapping of texts; a name that was given several times has a list.
    #[schema(value_type = serde_json::Value)]
    fields: Fields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Failed>)]
    exception: Option<FailureJson<'a>>,
    #[schema(value_type = Vec<Framed>)]
    exception_tb: &'a [Frame],
}

impl<'a> RecordJson<'a> {
    pub(crate) fn new(record: &'a LogRecord) -> Self {
        let inner = &record.record;
        Self {
            id: record.id,
            build_id: record.build_id,
            attempt: record.attempt,
            created: inner.created,
            level: inner.level,
            message: &inner.message,
            target: &inner.target,
            fields: Fields(&inner.fields),
            exception: inner.failure.as_ref().map(FailureJson),
            exception_tb: inner.failure.as_ref().map(|f| f.frames.as_slice()).unwrap_or_default(),
        }
    }
}

struct Fields<'a>(&'a [(String, String)]);

impl Serialize for Fields<'_> {
    /// Writes a mapping. A name that was given several times has a list of its values.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (i, (name, value)) in self.0.iter().enumerate() {
            let same = || self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
            match (self.0[..i].iter().any(|(other, _)| other == name), same().count()) {
                (true, _) => {}
                (false, 1) => map.serialize_entry(name, value)?,
                (false, _) => map.serialize_entry(name, &same().collect::<Vec<_>>())?,
            }
        }
        map.end()
    }
}

/// A kind of mistake.
#[derive(Serialize)]
pub(crate) struct CodeJson {
    code: &'static str,
    title: &'static str,
    meaning: &'static str,
    wrong: Vec<ExampleJson>,
    right: Vec<ExampleJson>,
}

#[derive(Serialize)]
struct ExampleJson {
    file: Option<&'static str>,
    text: &'static str,
}

impl CodeJson {
    pub(crate) fn new(code: Code) -> Self {
        let examples = |list: Vec<Example>| {
            list.into_iter().map(|example| ExampleJson { file: example.file, text: example.text }).collect()
        };
        let explanation = code.explanation();
        Self {
            code: code.id(),
            title: code.title(),
            meaning: explanation.meaning,
            wrong: examples(explanation.wrong),
            right: examples(explanation.right),
        }
    }
}

/// What `check` found.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckJson<'a> {
    summary: SummaryJson,
    diagnostics: Vec<DiagnosticJson<'a>>,
}

#[derive(Serialize, ToSchema)]
struct SummaryJson {
    manifests: usize,
    jobs: usize,
    errors: usize,
    warnings: usize,
}

impl<'a> CheckJson<'a> {
    pub(crate) fn new(manifests: usize, jobs: usize, problems: &'a [Diagnostic]) -> Self {
        let warnings = problems.iter().filter(|problem| problem.is_warning()).count();
        Self {
            summary: SummaryJson { manifests, jobs, errors: problems.len() - warnings, warnings },
            diagnostics: problems.iter().map(DiagnosticJson::new).collect(),
        }
    }
}

/// A mistake in a file. Lines and columns count from 1, and columns count characters. An end is one
/// past the last character. For a mistake of a whole file, these are null.
#[derive(Serialize, ToSchema)]
pub(crate) struct DiagnosticJson<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    label: Option<&'a str>,
    related: Vec<PlaceJson<'a>>,
    help: &'a [String],
}

/// Another place that belongs to a mistake.
#[derive(Serialize, ToSchema)]
struct PlaceJson<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    label: &'a str,
}

impl<'a> DiagnosticJson<'a> {
    pub(crate) fn new(problem: &'a Diagnostic) -> Self {
        let place = problem.label.as_ref().map(place);
        let place = place.as_ref();
        Self {
            code: problem.code.id(),
            severity: problem.severity().name(),
            message: &problem.message,
            file: problem.path(),
            line: place.map(|p| p.line),
            column: place.map(|p| p.column),
            end_line: place.map(|p| p.end_line),
            end_column: place.map(|p| p.end_column),
            label: place.map(|p| p.label).filter(|text| !text.is_empty()),
            related: problem.related.iter().map(self::place).collect(),
            help: &problem.help,
        }
    }
}

fn place(label: &Label) -> PlaceJson<'_> {
    let (line, column) = label.source.position(label.span.start);
    let (end_line, end_column) = label.source.position(label.span.end);
    PlaceJson { file: &label.source.path, line, column, end_line, end_column, label: &label.text }
}

/// Why a command failed.
#[derive(Serialize)]
pub(crate) struct ErrorJson<'a> {
    error: ErrorPartsJson<'a>,
}

#[derive(Serialize)]
struct ErrorPartsJson<'a> {
    kind: &'static str,
    message: &'a str,
    hints: &'a [String],
    diagnostics: Vec<DiagnosticJson<'a>>,
}

impl<'a> ErrorJson<'a> {
    pub(crate) fn new(
        kind: &'static str,
        message: &'a str,
        hints: &'a [String],
        diagnostics: &'a [Diagnostic],
    ) -> Self {
        let diagnostics = diagnostics.iter().map(DiagnosticJson::new).collect();
        Self { error: ErrorPartsJson { kind, message, hints, diagnostics } }
    }
}
