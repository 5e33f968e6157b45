//! What a call used: memory and time.

use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::limits::MIB;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Called;
use tokio::runtime::Builder;

use super::direct;
use super::direct::call_with;

/// Bytes of a page of linear memory.
const PAGE: u64 = 64 << 10;

#[track_caller]
fn called(guest: &str, function: &str, call: Call) -> Called {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    direct::called(&runtime, guest, function, call)
}

/// Arguments for `grow` of `limit_memory.wat`, whose three memories begin with one page each.
fn pages(first: u64, second: u64, other: u64) -> Vec<Value> {
    [first, second, other].map(|pages| Value::Int(pages.into())).to_vec()
}

#[test]
fn memory_is_the_sum_of_all_memories() {
    for (grown, expected) in [(pages(0, 0, 0), 3), (pages(5, 0, 0), 8), (pages(1, 2, 4), 10)] {
        let called = called("limit_memory.wat", "grow", call_with(grown));
        assert!(matches!(called.outcome, Outcome::Returned(_)), "{called:?}");
        assert_eq!(called.usage.peak_memory, expected * PAGE);
    }
}

#[test]
fn memory_that_was_refused_does_not_count() {
    let limits = Limits { memory: MIB, ..Limits::default() };
    let called = called("limit_memory.wat", "grow", Call { limits, ..call_with(pages(5, 100, 0)) });
    assert!(matches!(&called.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Limit), "{called:?}");
    assert_eq!(called.usage.peak_memory, 8 * PAGE);
}

/// The engine refuses such a growth without asking, in the same way in which it reports one that
/// failed.
#[test]
fn growth_beyond_the_type_of_a_memory_changes_nothing() {
    let called = called("limit_memory64.wat", "of-narrow-memory", call_with(vec![Value::Int(-1)]));
    assert_eq!(called.outcome, Outcome::Returned(Some(Value::Int(100))));
    assert_eq!(called.usage.peak_memory, 102 * PAGE, "one memory of a page, and one that grew 100 times from a page");
}

#[test]
fn a_guest_without_memory_has_none() {
    let called = called("loop_endless.wat", "quick", call_with(Vec::new()));
    assert_eq!(called.usage.peak_memory, 0);
}

#[test]
fn a_loop_that_is_stopped_has_taken_time() {
    let timeout = Duration::from_millis(200);
    let limits = Limits { timeout, ..Limits::default() };
    let since = Instant::now();
    let called = called("loop_endless.wat", "spin", Call { limits, ..call_with(Vec::new()) });
    let (took, time) = (since.elapsed(), Duration::from_micros(called.usage.guest_time));
    assert!(matches!(&called.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Timeout), "{called:?}");
    assert!(!time.is_zero() && time <= took, "{time:?} of {took:?}");
}

#[test]
fn arguments_that_are_refused_use_nothing() {
    let limits = Limits { retval: 1, ..Limits::default() };
    let called = called("limit_memory.wat", "grow", Call { limits, ..call_with(pages(0, 0, 0)) });
    assert_eq!((called.usage.peak_memory, called.usage.guest_time), (0, 0), "{called:?}");
}
