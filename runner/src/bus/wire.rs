//! What a service and its workers say to each other, as MessagePack.

use bytes::Bytes;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::remote::AttemptKey;
use jobcontrol_core::storage::LogRow;
use jobcontrol_core::storage::PackedFailure;
use jobcontrol_core::storage::pack_failure;
use jobcontrol_core::storage::pack_record;
use jobcontrol_core::storage::unpack_failure;
use jobcontrol_core::storage::unpack_frames;
use jobcontrol_core::storage::unpack_record;
use jobcontrol_core::usage::Traffic;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::pack;
use jobcontrol_core::value::unpack;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of these messages. A worker of another version gets no attempts.
pub const PROTOCOL: u32 = 2;

/// An attempt of a service, with the service that wants to hear of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The service's name on the bus.
    pub service: String,
    /// Which attempt.
    pub key: AttemptKey,
}

/// An attempt that a service offers to any worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// [`PROTOCOL`] of the service.
    pub protocol: u32,
    /// Which attempt, and whose.
    pub address: Address,
    /// The job.
    pub job_id: String,
    /// The id of the store, for the keys of builds.
    pub store_id: String,
    /// The digest of the plugin.
    pub plugin: String,
    /// The name of the plugin's file, for messages.
    pub plugin_name: String,
    /// The build config, packed: function, grants and limits.
    pub config: Bytes,
    /// The arguments, packed as one list. Empty if they are encrypted with the secrets.
    pub args: Body,
    /// Until the build has to end, in milliseconds from the offer.
    pub build_time: Option<u64>,
    /// The labels that a worker must have for it.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// Bytes in a message, or the name of the object that has them because they are too many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// In this message.
    Here(Bytes),
    /// In an object of the bus.
    Object(String),
}

/// A worker asks for an attempt that it was offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// [`PROTOCOL`] of the worker.
    pub protocol: u32,
    /// The name of this life of the worker.
    pub worker: String,
    /// Which attempt.
    pub key: AttemptKey,
    /// The worker's public key, if it has one and needs what is encrypted to it.
    #[serde(default)]
    pub public: Option<String>,
}

/// The service's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The worker has the attempt.
    Granted,
    /// It has it, and this is encrypted to its key.
    Sealed(Body),
    /// It does not get it.
    Refused,
    /// It does not get it, because its key is not listed; another worker may.
    Unlisted,
}

/// A numbered report of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The name of this life of the worker.
    pub worker: String,
    /// Which attempt.
    pub key: AttemptKey,
    /// Its number, from 0.
    pub number: u64,
    /// When it was sent, by the worker's clock, in microseconds since 1970.
    pub sent: i64,
    /// What it says.
    pub said: Said,
}

/// What a guest said since the report before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Log records, in order.
    pub records: Vec<Record>,
    /// The newest report of each progress group that changed: name, current, total, status line.
    pub progress: Vec<(String, u64, u64, String)>,
    /// How the attempt ended, in the last report.
    pub end: Option<End>,
}

/// A log record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    created: i64,
    level: i64,
    message: String,
    target: String,
    rest: Option<Bytes>,
    frames: Option<Bytes>,
}

/// How an attempt ended, and what it used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// How.
    pub how: How,
    /// Bytes of memory at most, and microseconds that the guest ran.
    pub used: (u64, u64),
    /// HTTP requests, bytes sent and bytes received.
    pub traffic: (u64, u64, u64),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum How {
    /// The function returned this value, packed.
    Returned(Option<Body>),
    /// There was nothing to do, for this reason.
    Skipped(String),
    /// It failed: the failure and its frames, packed.
    Failed(Bytes, Option<Bytes>),
    /// The worker stops, and gives the attempt back.
    HandedBack,
}

/// A worker is alive, and works on these attempts. All services hear it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    /// [`PROTOCOL`] of the worker.
    pub protocol: u32,
    /// The version of its program.
    pub version: String,
    /// The name of this life of the worker.
    pub worker: String,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// Its labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Whether it is stopping, and takes no more attempts.
    #[serde(default)]
    pub stops: bool,
    /// Its public key, if it has one.
    #[serde(default)]
    pub public: Option<String>,
    /// What it works on, for all services.
    pub works_on: Vec<Address>,
}

/// What a service tells one worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Note {
    /// End the guest of this attempt, and report how it ended.
    Cancel(Address),
    /// The worker does not have this attempt (any more): end it, and report nothing.
    Stop(Address),
    /// A service has come: send a heartbeat now.
    Greet,
}

/// Encodes a message.
///
/// # Errors
///
/// Returns an error if a text is too long for the format.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, String> {
    rmp_serde::to_vec_named(message).map_err(|error| error.to_string())
}

/// Decodes a message. Fields that this version does not know are ignored.
///
/// # Errors
///
/// Returns an error if the bytes are not such a message.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    rmp_serde::from_slice(bytes).map_err(|error| error.to_string())
}

impl From<NewRecord> for Record {
    fn from(record: NewRecord) -> Self {
        let LogRow { created, level, message, target, record, exception_tb, .. } = pack_record(record);
        Self {
            created: created.0,
            level,
            message,
            target,
            rest: record.map(Bytes::from),
            frames: exception_tb.map(Bytes::from),
        }
    }
}

impl Record {
    /// Returns the record, with its time moved by `shift` microseconds.
    pub fn shifted(self, shift: i64) -> NewRecord {
        let Self { created, level, message, target, rest, frames } = self;
        let created = Timestamp(created.saturating_add(shift));
        let (record, exception_tb) = (rest.map(Vec::from), frames.map(Vec::from));
        unpack_record(LogRow { created, level, attempt: None, message, target, record, exception_tb })
    }
}

/// Encodes progress.
pub fn progress_to_wire(report: Progress) -> (String, u64, u64, String) {
    (report.group_name, report.current, report.total, report.status_line)
}

/// Decodes progress. The worker has checked it, and may lie.
pub fn progress_of_wire((name, current, total, line): (String, u64, u64, String)) -> Option<Progress> {
    jobcontrol_core::progress::checked(&[name], current, total, &line).ok()
}

impl End {
    /// Encodes an outcome. The value of a large return is left for the caller to store.
    ///
    /// # Errors
    ///
    /// Returns an error if the return value cannot be packed.
    pub fn of(outcome: Outcome, usage: Usage) -> Self {
        let how = match outcome {
            Outcome::Returned(value) => match value.map(|value| pack(&value)).transpose() {
                Ok(packed) => How::Returned(packed.map(|packed| Body::Here(packed.into()))),
                Err(error) => {
                    let message = format!("the return value could not be packed: {error}");
                    failed(Failure::new(FailureKind::Limit, message))
                }
            },
            Outcome::Skipped(reason) => How::Skipped(reason),
            Outcome::Failed(failure) => failed(failure),
        };
        let Traffic { requests, sent, received } = usage.traffic;
        Self { how, used: (usage.peak_memory, usage.guest_time), traffic: (requests, sent, received) }
    }

    /// Returns what the attempt used.
    pub fn usage(&self) -> Usage {
        let ((peak_memory, guest_time), (requests, sent, received)) = (self.used, self.traffic);
        Usage { peak_memory, guest_time, traffic: Traffic { requests, sent, received } }
    }
}

fn failed(failure: Failure) -> How {
    let PackedFailure { exception, exception_tb, .. } = pack_failure(failure);
    How::Failed(exception.into(), exception_tb.map(Bytes::from))
}

impl How {
    /// Decodes the outcome of a call; `None` if the attempt was handed back. `value` is the packed
    /// return value.
    pub fn outcome(self, value: Option<&[u8]>) -> Option<Outcome> {
        match self {
            Self::Returned(_) => Some(match value.map(unpack).transpose() {
                Ok(value) => Outcome::Returned(value),
                Err(error) => Outcome::Failed(Failure::new(
                    FailureKind::Interrupted,
                    format!("the worker sent a return value that cannot be read: {error}"),
                )),
            }),
            Self::Skipped(reason) => Some(Outcome::Skipped(reason)),
            Self::Failed(exception, frames) => {
                let mut failure = unpack_failure(&exception);
                failure.frames = frames.map(|frames| unpack_frames(&frames)).unwrap_or_default();
                Some(Outcome::Failed(failure))
            }
            Self::HandedBack => None,
        }
    }
}
