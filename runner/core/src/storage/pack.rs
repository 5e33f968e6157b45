//! Converts runs, failures, ends of builds and log records to their stored form and back.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Display;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::Visitor;

use crate::clock::Timestamp;
use crate::event::NewRecord;
use crate::failure::Failure;
use crate::failure::FailureKind;
use crate::failure::Frame;
use crate::failure::are_raw;
use crate::failure::cut;
use crate::failure::cut_failure;
use crate::plan::Plan;
use crate::request::BuildRequest;
use crate::usage::Usage;
use crate::value;
use crate::value::Name;
use crate::value::PackError;
use crate::value::Value;

use super::write::FinishBuild;
use super::write::Guard;
use super::write::LogRow;
use super::write::PackedFailure;

/// The end of a build, before it is packed. The defaults are those of a success without a return
/// value.
#[derive(Clone, Debug, Default)]
pub struct Finish {
    /// Whether the build succeeded; `None` means true.
    pub success: Option<bool>,
    /// Whether there was nothing to do.
    pub skipped: bool,
    /// What the function returned.
    pub retval: Option<Value>,
    /// Why there was nothing to do.
    pub skip_reason: Option<String>,
    /// The resources that the last attempt used.
    pub usage: Option<Usage>,
    /// The reason why the build failed.
    pub exception: Option<Failure>,
}

/// Packs the end of a build. If the return value cannot be packed, the build fails with that
/// reason.
pub fn pack_finish(id: u64, guard: Option<Guard>, time: Timestamp, mut finish: Finish) -> FinishBuild {
    match finish.retval.take().as_ref().map(value::pack).transpose() {
        Ok(packed) => pack_finish_with(id, guard, time, finish, packed),
        Err(error) => {
            finish.success = Some(false);
            let message = format!("the return value could not be packed: {error}");
            finish.exception.get_or_insert_with(|| Failure::new(FailureKind::Limit, message));
            pack_finish_with(id, guard, time, finish, None)
        }
    }
}

/// Packs the end of a build as [`pack_finish`] does, with an already packed return value instead of
/// the one in `finish`.
pub fn pack_finish_with(
    id: u64,
    guard: Option<Guard>,
    time: Timestamp,
    finish: Finish,
    retval: Option<Vec<u8>>,
) -> FinishBuild {
    FinishBuild {
        id,
        guard,
        time,
        success: finish.success.unwrap_or(true),
        skipped: finish.skipped,
        skip_reason: finish.skip_reason,
        usage: finish.usage,
        ends_run: false,
        retval_digest: retval.as_deref().map(value::digest),
        retval,
        exception: finish.exception.map(|failure| Box::new(pack_failure(failure))),
    }
}

/// Length of the start of a message that lists and views show, in characters.
const SHOWN_MESSAGE: usize = 1_000;

/// Packs a failure. Never fails: what cannot be packed is left out, and the message says so.
pub fn pack_failure(failure: Failure) -> PackedFailure {
    let (failure, exception_tb) = packable(failure);
    let packed = rmp_serde::to_vec_named(&failure).or_else(|error| {
        let placeholder =
            Failure::new(failure.kind.clone(), format!("{} (the rest could not be packed: {error})", failure.message));
        rmp_serde::to_vec_named(&placeholder)
    });
    let mut message = failure.message;
    cut(&mut message, SHOWN_MESSAGE);
    PackedFailure { kind: failure.kind.to_string(), message, exception: packed.unwrap_or_default(), exception_tb }
}

/// Cuts a failure to its limits, and replaces a value that cannot be packed with a placeholder.
/// Returns the failure and its packed frames.
fn packable(mut failure: Failure) -> (Failure, Option<Vec<u8>>) {
    cut_failure(&mut failure);
    if let Some(error) = failure.value.as_ref().and_then(|v| value::pack(v).err()) {
        failure.value = Some(Value::String(format!("could not be packed: {error}")));
    }
    let frames = std::mem::take(&mut failure.frames);
    let packed = if frames.is_empty() { None } else { rmp_serde::to_vec_named(&frames).ok() };
    (failure, packed)
}

/// Packs a traceback, cut to its limits. Returns `None` if it has no calls.
pub fn pack_frames(frames: &[Frame]) -> Option<Vec<u8>> {
    packable(Failure { frames: frames.to_vec(), ..Failure::default() }).1
}

/// Returns whether the names and lines of a stored traceback have yet to be looked up.
pub fn is_raw(exception_tb: &[u8]) -> bool {
    are_raw(&unpack_frames(exception_tb))
}

/// Reads a packed failure. If it cannot be read, returns a failure that says so.
pub fn unpack_failure(bytes: &[u8]) -> Failure {
    rmp_serde::from_slice(bytes).unwrap_or_else(|error| unreadable(&error))
}

/// Reads the kind and the message of a packed failure. The rest, which can be large, is neither
/// read nor kept in memory.
pub fn unpack_brief_failure(bytes: &[u8]) -> Failure {
    let mut head = Head::default();
    let read = rmp_serde::Deserializer::from_read_ref(bytes).deserialize_map(&mut head);
    match (head.kind, head.message, read) {
        // Once both are found, the rest stays unread, which the deserializer reports as an error.
        (Some(kind), Some(message), _) => Failure::new(kind, message),
        (_, _, Err(error)) => unreadable(&error),
        (_, _, Ok(())) => unreadable(&"kind or message is missing"),
    }
}

fn unreadable(error: &dyn Display) -> Failure {
    Failure::new(FailureKind::Storage, format!("the stored failure could not be read: {error}"))
}

/// The first parts of a failure.
#[derive(Default)]
struct Head {
    kind: Option<FailureKind>,
    message: Option<String>,
}

impl<'de> Visitor<'de> for &mut Head {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a failure")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while self.kind.is_none() || self.message.is_none() {
            match map.next_key::<&str>()? {
                Some("kind") => self.kind = Some(map.next_value()?),
                Some("message") => self.message = Some(map.next_value()?),
                Some(_) => drop(map.next_value::<IgnoredAny>()?),
                None => break,
            }
        }
        Ok(())
    }
}

/// Reads a packed traceback. If it cannot be read, returns one frame that says so.
pub fn unpack_frames(bytes: &[u8]) -> Vec<Frame> {
    rmp_serde::from_slice(bytes).unwrap_or_else(|error| {
        vec![Frame { function: format!("the stored traceback could not be read: {error}"), ..Frame::default() }]
    })
}

/// The parts of a log record that have no columns.
#[derive(Default, Serialize, Deserialize)]
struct PackedRecord {
    #[serde(default)]
    fields: Vec<(String, String)>,
    #[serde(default)]
    exception: Option<Failure>,
}

/// Packs a log record for the store.
pub fn pack_record(record: NewRecord) -> LogRow {
    let NewRecord { created, level, message, target, fields, failure } = record;
    let (exception, exception_tb) = failure.map(packable).unzip();
    let is_plain = fields.is_empty() && exception.is_none();
    // Only a failure's value could fail to be packed, and `packable` has replaced such a value.
    let packed = || rmp_serde::to_vec_named(&PackedRecord { fields, exception }).unwrap_or_default();
    let record = if is_plain { None } else { Some(packed()) };
    LogRow { created, level, attempt: None, message, target, record, exception_tb: exception_tb.flatten() }
}

/// Reads a stored log record.
pub fn unpack_record(row: LogRow) -> NewRecord {
    let LogRow { created, level, mut message, target, record, exception_tb, .. } = row;
    let packed = record.map_or_else(|| Ok(PackedRecord::default()), |bytes| rmp_serde::from_slice(&bytes));
    let packed: PackedRecord = packed.unwrap_or_else(|error| {
        message.push_str(&format!(" (the rest of the stored record could not be read: {error})"));
        PackedRecord::default()
    });
    let mut failure = packed.exception;
    if let (Some(failure), Some(tb)) = (&mut failure, &exception_tb) {
        failure.frames = unpack_frames(tb);
    }
    NewRecord { created, level, message, target, fields: packed.fields, failure }
}

/// Packs the plan of a run, with the requests for single builds.
///
/// # Errors
///
/// Returns an error if arguments cannot be packed.
pub fn pack_plan(plan: &Plan, requests: &BTreeMap<String, BuildRequest>) -> Result<Vec<u8>, PackError> {
    let asked = requests.iter().filter(|(_, request)| **request != BuildRequest::default());
    let asked = asked.map(|(job, request)| (job, request.to_value()));
    value::pack(&Value::map([("plan", plan.to_value()), ("requests", Value::map(asked))]))
}

/// Reads what [`pack_plan`] wrote. Parts that cannot be read are left out.
pub fn unpack_plan(bytes: &[u8]) -> (Option<Plan>, BTreeMap<String, BuildRequest>) {
    let packed = value::unpack(bytes).unwrap_or(Value::Null);
    let requests = match packed.get("requests") {
        Some(Value::Map(requests)) => {
            requests.iter().map(|(job, request)| (job.to_string(), BuildRequest::from_value(request))).collect()
        }
        _ => BTreeMap::new(),
    };
    (packed.get("plan").map(Plan::from_value), requests)
}

/// Packs why jobs of a run have no build, by job: the reason, or the build of another run that was
/// used. Returns `None` if there is nothing to pack.
pub fn pack_refused(refused: &BTreeMap<String, String>, shared: &BTreeMap<String, u64>) -> Option<Vec<u8>> {
    let reasons = refused.iter().map(|(job, reason)| (Name::from(job), Value::string(reason)));
    let entries = reasons.chain(shared.iter().map(|(job, build)| (Name::from(job), Value::Int((*build).into()))));
    let entries: Vec<_> = entries.collect();
    if entries.is_empty() { None } else { value::pack(&Value::Map(entries)).ok() }
}

/// Reads what [`pack_refused`] wrote: the reasons, and the builds of other runs.
pub fn unpack_refused(bytes: &[u8]) -> (BTreeMap<String, String>, BTreeMap<String, u64>) {
    let (mut refused, mut shared) = (BTreeMap::new(), BTreeMap::new());
    if let Ok(Value::Map(entries)) = value::unpack(bytes) {
        for (job, value) in entries {
            match value {
                Value::String(reason) => drop(refused.insert(job.into(), reason)),
                Value::Int(build) => drop(u64::try_from(build).ok().map(|build| shared.insert(job.into(), build))),
                _ => {}
            }
        }
    }
    (refused, shared)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_start_of_a_failure_is_read_whatever_follows_it() {
        let failure =
            Failure { value: Some(Value::List(vec![Value::Int(1); 9])), ..Failure::new(FailureKind::Error, "no") };
        let packed = pack_failure(failure).exception;
        let head = Failure::new(FailureKind::Error, "no");
        assert_eq!(unpack_brief_failure(&packed), head);
        assert_eq!(unpack_brief_failure(&packed[..packed.len() - 8]), head);
        let unknown = unpack_brief_failure(&packed[..8]);
        assert_eq!(unknown.kind, FailureKind::Storage);
        assert!(unknown.message.starts_with("the stored failure could not be read: "), "{unknown:?}");
        let nothing = rmp_serde::to_vec_named(&Value::entry("value", Value::Null)).unwrap();
        assert!(unpack_brief_failure(&nothing).message.ends_with("kind or message is missing"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            let _ = unpack_brief_failure(&bytes);
        }
    }
}
