//! Estimates how much host memory values and log records take, without asking the allocator. The
//! memory that all builds hold together is counted in these bytes.

use crate::event::NewRecord;
use crate::failure::Cause;
use crate::failure::Failure;
use crate::failure::FailureKind;
use crate::failure::Frame;
use crate::value::Name;
use crate::value::Value;

/// Bytes of a value as an item of a list.
pub const VALUE: u64 = size_of::<Value>() as u64;

/// Bytes of a value as an entry of a mapping, including its key, but not what the key points to.
pub const ENTRY: u64 = size_of::<(Name, Value)>() as u64;

/// Bytes of the two counters that precede the text of a key.
const COUNTERS: u64 = 2 * size_of::<usize>() as u64;

/// Minimum overhead of an allocation, in bytes.
pub const ALLOCATION: u64 = 16;

/// Returns the bytes of a value, including the value itself.
pub fn of(value: &Value) -> u64 {
    VALUE + behind(value)
}

/// Returns the bytes of a text value of this length.
pub fn of_text(length: usize) -> u64 {
    VALUE + bytes(length)
}

/// Returns the bytes of what a key of this length points to. Entries may share it; [`of`] counts it
/// for each of them.
pub fn name(length: usize) -> u64 {
    COUNTERS + length as u64 + ALLOCATION
}

/// Returns the bytes of what a value points to.
fn behind(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
        Value::String(text) => bytes(text.len()),
        Value::Bytes(data) => bytes(data.len()),
        Value::List(items) => sequence(VALUE, items.len()) + items.iter().map(behind).sum::<u64>(),
        Value::Map(entries) => {
            let parts = entries.iter().map(|(key, value)| name(key.len()) + behind(value));
            sequence(ENTRY, entries.len()) + parts.sum::<u64>()
        }
    }
}

/// Returns the bytes of a sequence of `items` items of `item` bytes each.
pub fn sequence(item: u64, items: usize) -> u64 {
    if items == 0 { 0 } else { item.saturating_mul(items as u64).saturating_add(ALLOCATION) }
}

/// Returns the bytes of a text or binary of this length.
fn bytes(len: usize) -> u64 {
    sequence(1, len)
}

/// Returns the bytes of what a log record points to. The record itself is not counted, because the
/// number of records is limited.
pub fn record(record: &NewRecord) -> u64 {
    let failure = record.failure.as_ref().map_or(0, failure);
    (record.message.len() + record.target.len()) as u64 + pairs(&record.fields) + failure
}

/// Returns the bytes of a log record that waits for the store: the record that watchers receive,
/// and its stored form.
pub fn queued(said: &NewRecord) -> u64 {
    2 * (size_of::<NewRecord>() as u64 + record(said))
}

fn failure(failure: &Failure) -> u64 {
    let kind = match &failure.kind {
        FailureKind::Plugin(name) => bytes(name.len()),
        _ => 0,
    };
    let cause = |cause: &Cause| bytes(cause.kind.len()) + bytes(cause.message.len()) + frames(&cause.frames);
    let causes = sequence(size_of::<Cause>() as u64, failure.causes.len());
    let causes = causes + failure.causes.iter().map(cause).sum::<u64>();
    let value = failure.value.as_ref().map_or(0, behind);
    kind + bytes(failure.message.len()) + causes + frames(&failure.frames) + value
}

fn frames(frames: &[Frame]) -> u64 {
    let frame = |frame: &Frame| {
        let context = sequence(size_of::<String>() as u64, frame.context.len());
        let context = context + frame.context.iter().map(|line| bytes(line.len())).sum::<u64>();
        bytes(frame.file.len()) + bytes(frame.function.len()) + context + pairs(&frame.locals)
    };
    sequence(size_of::<Frame>() as u64, frames.len()) + frames.iter().map(frame).sum::<u64>()
}

fn pairs(pairs: &[(String, String)]) -> u64 {
    let texts = pairs.iter().map(|(name, value)| bytes(name.len()) + bytes(value.len()));
    sequence(size_of::<(String, String)>() as u64, pairs.len()) + texts.sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::Level;

    #[test]
    fn what_is_empty_is_not_free() {
        let mut said = NewRecord::new(Timestamp(0), Level::Info, "", "");
        assert_eq!(record(&said), 0);
        said.fields = vec![Default::default(); 1_000];
        assert_eq!(record(&said), 48_000 + ALLOCATION);
        said.fields = Vec::new();
        said.failure = Some(Failure { frames: vec![Frame::default(); 1_000], ..Failure::default() });
        assert!(record(&said) >= 1_000 * size_of::<Frame>() as u64);
    }

    #[test]
    fn a_value_counts_with_all_that_it_points_to() {
        assert_eq!(of(&Value::Bool(true)), VALUE);
        assert_eq!(of(&Value::List(vec![Value::Null; 1_000])), VALUE + 1_000 * VALUE + ALLOCATION);
        let entry = Value::entry("key", Value::Bytes(vec![0; 100]));
        assert_eq!(of(&entry), VALUE + ENTRY + ALLOCATION + COUNTERS + 3 + ALLOCATION + 100 + ALLOCATION);
    }
}
