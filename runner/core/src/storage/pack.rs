//! Failures, ends of builds and log records as they are stored, and back.

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
use crate::failure::cut_failure;
use crate::value;
use crate::value::Value;

use super::Finish;
use super::FinishBuild;
use super::Guard;
use super::LogRow;

/// Packs the end of a build. A return value or a failure that cannot be packed fails it, with the reason kept.
pub fn pack_finish(id: u64, guard: Option<Guard>, time: Timestamp, finish: Finish) -> FinishBuild {
    let mut success = finish.success.unwrap_or(true);
    let mut exception = finish.exception;
    let retval = match finish.retval.as_ref().map(value::pack).transpose() {
        Ok(packed) => packed,
        Err(error) => {
            success = false;
            let message = format!("the return value could not be packed: {error}");
            exception.get_or_insert_with(|| Failure::new(FailureKind::Limit, message));
            None
        }
    };
    let (exception, exception_tb) = match exception.map(pack_failure) {
        Some((exception, tb)) => (Some(exception), tb),
        None => (None, None),
    };
    FinishBuild {
        id,
        guard,
        time,
        success,
        skipped: finish.skipped,
        retval_digest: retval.as_deref().map(value::digest),
        retval,
        exception,
        exception_tb,
    }
}

/// As [`Storage::pack_exception`].
pub(super) fn pack_failure(failure: Failure) -> (Vec<u8>, Option<Vec<u8>>) {
    let (failure, frames) = packable(failure);
    let packed = rmp_serde::to_vec_named(&failure).or_else(|error| {
        let placeholder =
            Failure::new(failure.kind.clone(), format!("{} (the rest could not be packed: {error})", failure.message));
        rmp_serde::to_vec_named(&placeholder)
    });
    (packed.unwrap_or_default(), frames)
}

/// A failure cut to its limits, with a placeholder for a value that cannot be packed, and its packed frames.
fn packable(mut failure: Failure) -> (Failure, Option<Vec<u8>>) {
    cut_failure(&mut failure);
    if let Some(error) = failure.value.as_ref().and_then(|v| value::pack(v).err()) {
        failure.value = Some(Value::String(format!("could not be packed: {error}")));
    }
    let frames = std::mem::take(&mut failure.frames);
    let packed = if frames.is_empty() { None } else { rmp_serde::to_vec_named(&frames).ok() };
    (failure, packed)
}

/// Reads a packed failure; where that fails, one that says so.
pub fn unpack_failure(bytes: &[u8]) -> Failure {
    rmp_serde::from_slice(bytes).unwrap_or_else(|error| unreadable(&error))
}

/// Reads kind and message of a packed failure. What follows them, which can be large, is neither read nor held.
pub fn unpack_brief_failure(bytes: &[u8]) -> Failure {
    let mut head = Head::default();
    let read = rmp_serde::Deserializer::from_read_ref(bytes).deserialize_map(&mut head);
    match (head.kind, head.message, read) {
        // With both of them found, the rest was left where it was, which the reader takes for a mistake.
        (Some(kind), Some(message), _) => Failure::new(kind, message),
        (_, _, Err(error)) => unreadable(&error),
        (_, _, Ok(())) => unreadable(&"kind or message is missing"),
    }
}

fn unreadable(error: &dyn Display) -> Failure {
    Failure::new(FailureKind::Storage, format!("the stored failure could not be read: {error}"))
}

/// What a failure begins with.
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

/// Reads a packed traceback; where that fails, one frame that says so.
pub fn unpack_frames(bytes: &[u8]) -> Vec<Frame> {
    rmp_serde::from_slice(bytes).unwrap_or_else(|error| {
        vec![Frame { function: format!("the stored traceback could not be read: {error}"), ..Frame::default() }]
    })
}

#[derive(Serialize, Deserialize)]
struct PackedRecord {
    message: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    fields: Vec<(String, String)>,
    #[serde(default)]
    exception: Option<Failure>,
}

/// Packs a log record as it is stored.
pub fn pack_record(record: NewRecord) -> LogRow {
    let NewRecord { created, level, message, target, fields, failure } = record;
    let (exception, exception_tb) = failure.map(packable).unzip();
    let packed = PackedRecord { message, target, fields, exception };
    // Only a failure's value could refuse to be packed, and that has its placeholder by now.
    let record = rmp_serde::to_vec_named(&packed).unwrap_or_default();
    LogRow { created, level, attempt: None, record, exception_tb: exception_tb.flatten() }
}

/// Reads a stored log record.
pub fn unpack_record(row: &LogRow) -> NewRecord {
    let packed: PackedRecord = rmp_serde::from_slice(&row.record).unwrap_or_else(|error| PackedRecord {
        message: format!("the stored record could not be read: {error}"),
        target: String::new(),
        fields: Vec::new(),
        exception: None,
    });
    let mut failure = packed.exception;
    if let (Some(failure), Some(tb)) = (&mut failure, &row.exception_tb) {
        failure.frames = unpack_frames(tb);
    }
    let PackedRecord { message, target, fields, .. } = packed;
    NewRecord { created: row.created, level: row.level, message, target, fields, failure }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_start_of_a_failure_is_read_whatever_follows_it() {
        let failure =
            Failure { value: Some(Value::List(vec![Value::Int(1); 9])), ..Failure::new(FailureKind::Error, "no") };
        let (packed, _) = pack_failure(failure);
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
