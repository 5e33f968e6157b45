//! Work on values that are too large for a thread that guests run on.

use jobcontrol_core::value::Value;

/// Values with more parts than this are worked on elsewhere: packing or dropping so many takes
/// about as long as handing them to another thread.
const PARTS: usize = 1_000;

/// As many bytes of text or binary count as one part.
const BYTES: usize = 64;

/// Returns whether work on these values belongs on another thread. Looks at no more than it has to.
pub(crate) fn is_large<'a>(values: impl IntoIterator<Item = &'a Value>) -> bool {
    let mut left = PARTS;
    values.into_iter().any(|value| !fits(value, &mut left))
}

fn fits(value: &Value, left: &mut usize) -> bool {
    let own = 1 + match value {
        Value::String(text) => text.len() / BYTES,
        Value::Bytes(bytes) => bytes.len() / BYTES,
        _ => 0,
    };
    match left.checked_sub(own) {
        Some(rest) => *left = rest,
        None => return false,
    }
    match value {
        Value::List(items) => items.iter().all(|item| fits(item, left)),
        Value::Map(entries) => entries.iter().all(|(_, value)| fits(value, left)),
        _ => true,
    }
}

/// Returns whether unpacking so many bytes of a value belongs on another thread.
pub(crate) fn is_large_packed(bytes: usize) -> bool {
    bytes > PARTS
}

/// Runs `work` at once, or on a thread where it may block if it is `large`.
pub(crate) async fn apart_if<T: Send + 'static>(large: bool, work: impl FnOnce() -> T + Send + 'static) -> T {
    if !large {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_told_by_its_parts() {
        let list = |n: usize| Value::List(vec![Value::Int(1); n]);
        assert!(!is_large(&[]));
        assert!(!is_large(&[list(PARTS - 1)]));
        assert!(is_large(&[list(PARTS)]));
        assert!(is_large(&[list(PARTS / 2), list(PARTS / 2)]));
        assert!(is_large(&[Value::Bytes(vec![0; PARTS * BYTES])]));
        assert!(is_large(&[Value::entry("a", Value::string("x".repeat(PARTS * BYTES)))]));
    }
}
