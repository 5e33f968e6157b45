//! Rules of failures: they come back whole, and nothing that cannot be packed loses a build.

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::failure::Cause;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::MAX_LOCAL;
use jobcontrol_core::failure::MAX_TRACEBACK;
use jobcontrol_core::failure::Repeated;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::unpack_failure;
use jobcontrol_core::storage::unpack_frames;
use jobcontrol_core::value::Value;

use super::NOON;
use super::config;
use super::create;
use super::logs::info;
use super::nested;
use super::records;
use super::rules;

rules! {
    a_failure_comes_back_whole
    a_failure_comes_back_whole_from_a_record
    a_failure_of_nothing_comes_back
    a_return_value_that_cannot_be_packed_fails_the_build
    a_failure_is_kept_beside_a_return_value_that_cannot_be_packed
    a_value_that_cannot_be_packed_leaves_kind_and_message
    a_record_with_such_a_value_keeps_its_message
    locals_are_cut_at_10000_characters
    a_traceback_is_cut_from_the_outside
    causes_share_the_room_of_the_traceback
    exceptions_are_packed_apart_from_their_frames
}

/// Values that MessagePack, or the store, cannot hold, each with a part of the reason.
fn unpackable() -> [(Value, &'static str); 4] {
    let beyond = Value::Int(i128::from(u64::MAX) + 1);
    let below = Value::Int(i128::from(i64::MIN) - 1);
    [
        (nested(129), "nests deeper than 128 levels"),
        (Value::entry("x", nested(128)), "nests deeper than 128 levels"),
        (beyond, "an integer is below -2^63 or above 2^64 - 1"),
        (Value::List(vec![Value::entry("x", below)]), "an integer is below -2^63 or above 2^64 - 1"),
    ]
}

fn frame(function: &str) -> Frame {
    Frame {
        file: "src/ünï.rs".to_owned(),
        line: 12,
        column: 5,
        function: function.to_owned(),
        context: vec!["fn main() {".to_owned(), "    panic!(\"\t\0\");".to_owned()],
        context_start: 11,
        locals: vec![("orders".to_owned(), "[1, 2]".to_owned()), (String::new(), String::new())],
        raw: None,
        repeated: Some(Repeated { calls: 2, times: 9_990, at_least: true }),
    }
}

fn whole() -> Failure {
    Failure {
        kind: FailureKind::Error,
        message: "no orders for ünï\0cødé 🦀\n".to_owned(),
        value: Some(config()),
        causes: vec![
            Cause { kind: "io".to_owned(), message: "the disk is full".to_owned(), frames: vec![frame("write")] },
            Cause::default(),
        ],
        frames: vec![frame("outer"), frame("inner")],
        from_stderr: true,
    }
}

fn a_failure_comes_back_whole(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    store.start_build(id).unwrap();
    store.finish_build_with_exception(id, whole()).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.status(), build.retval), (BuildStatus::Failed, None));
    assert_eq!(build.exception_tb, whole().frames);
    assert_eq!(build.exception, Some(Failure { frames: Vec::new(), ..whole() }));
}

fn a_failure_comes_back_whole_from_a_record(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    let mut record = info(NOON, "caught");
    record.failure = Some(whole());
    store.log_message(id, record.clone()).unwrap();
    assert_eq!(records(store, &LogFilter::default())[0].record, record);
}

fn a_failure_of_nothing_comes_back(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    store.finish_build_with_exception(id, Failure::default()).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.exception, build.exception_tb), (Some(Failure::default()), Vec::new()));
}

fn a_return_value_that_cannot_be_packed_fails_the_build(store: &dyn Storage, _: &ManualClock) {
    for (value, reason) in unpackable() {
        let id = create(store, "a");
        store.start_build(id).unwrap();
        store.finish_build(id, Finish { retval: Some(value), ..Finish::default() }).unwrap();
        let build = store.get_build(id).unwrap();
        assert_eq!((build.status(), build.retval, build.retval_digest), (BuildStatus::Failed, None, None));
        let failure = build.exception.expect("it says why");
        assert!(failure.message.contains(reason), "{failure:?}");
    }
}

fn a_failure_is_kept_beside_a_return_value_that_cannot_be_packed(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    let exception = Some(Failure::new(FailureKind::Error, "no orders"));
    let finish = Finish { success: Some(false), retval: Some(nested(129)), exception, ..Finish::default() };
    store.finish_build(id, finish).unwrap();
    let build = store.get_build(id).unwrap();
    assert_eq!((build.exception, build.retval), (Some(Failure::new(FailureKind::Error, "no orders")), None));
}

fn a_value_that_cannot_be_packed_leaves_kind_and_message(store: &dyn Storage, _: &ManualClock) {
    for (value, reason) in unpackable() {
        let id = create(store, "a");
        store.finish_build_with_exception(id, Failure { value: Some(value), ..whole() }).unwrap();
        let build = store.get_build(id).unwrap();
        let failure = build.exception.expect("the failure");
        let Some(Value::String(placeholder)) = &failure.value else { panic!("{failure:?}") };
        assert!(placeholder.contains(reason), "{placeholder}");
        let value = failure.value.clone();
        assert_eq!(failure, Failure { value, frames: Vec::new(), ..whole() });
        assert_eq!(build.exception_tb, whole().frames);
    }
}

fn a_record_with_such_a_value_keeps_its_message(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    for (value, reason) in unpackable() {
        let mut record = info(NOON, "caught");
        record.failure = Some(Failure { value: Some(value), ..whole() });
        store.log_message(id, record).unwrap();
        let stored = records(store, &LogFilter::default()).pop().expect("the record").record;
        assert_eq!(stored.message, "caught");
        let failure = stored.failure.expect("its failure");
        let Some(Value::String(placeholder)) = &failure.value else { panic!("{failure:?}") };
        assert!(placeholder.contains(reason), "{placeholder}");
        assert_eq!((failure.message, failure.frames), (whole().message, whole().frames));
    }
}

fn with_locals(function: &str, locals: usize, characters: usize) -> Frame {
    let locals = (0..locals).map(|i| (format!("x{i}"), "ä".repeat(characters)));
    Frame { function: function.to_owned(), locals: locals.collect(), ..Frame::default() }
}

fn locals_are_cut_at_10000_characters(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    let frames = vec![with_locals("exact", 1, MAX_LOCAL), with_locals("over", 1, MAX_LOCAL + 1)];
    store.finish_build_with_exception(id, Failure { frames, ..whole() }).unwrap();
    let stored = store.get_build(id).unwrap().exception_tb;
    assert_eq!(stored[0], with_locals("exact", 1, MAX_LOCAL));
    let text = &stored[1].locals[0].1;
    assert_eq!(text.strip_suffix(".. (cut)"), Some("ä".repeat(MAX_LOCAL).as_str()), "the cut is told");
}

/// All texts of a traceback together, in bytes.
fn size(frames: &[Frame]) -> usize {
    let of = |frame: &Frame| {
        let locals = frame.locals.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>();
        frame.file.len() + frame.function.len() + frame.context.iter().map(String::len).sum::<usize>() + locals
    };
    frames.iter().map(of).sum()
}

fn a_traceback_is_cut_from_the_outside(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    let frames: Vec<_> = (0..400).map(|i| with_locals(&format!("f{i}"), 3, MAX_LOCAL)).collect();
    store.finish_build_with_exception(id, Failure { frames: frames.clone(), ..whole() }).unwrap();
    let stored = store.get_build(id).unwrap().exception_tb;
    assert!(size(&stored) <= MAX_TRACEBACK, "{}", size(&stored));
    assert!(size(&stored) > MAX_TRACEBACK / 2, "no more is cut than has to be");
    assert_eq!(stored.last(), frames.last(), "the innermost is whole");
    let kept = stored.len();
    let functions = |frames: &[Frame]| frames.iter().map(|frame| frame.function.clone()).collect::<Vec<_>>();
    assert_eq!(functions(&stored), functions(&frames[frames.len() - kept..]));
}

fn causes_share_the_room_of_the_traceback(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    let frames: Vec<_> = (0..30).map(|i| with_locals(&format!("f{i}"), 1, MAX_LOCAL)).collect();
    let cause = |i| Cause { kind: "io".to_owned(), message: format!("cause {i}"), frames: frames.clone() };
    let failure = Failure { causes: (0..10).map(cause).collect(), frames: frames.clone(), ..whole() };
    store.finish_build_with_exception(id, failure).unwrap();
    let build = store.get_build(id).unwrap();
    let causes = build.exception.expect("the failure").causes;
    assert_eq!(build.exception_tb, frames, "the failure's own frames come first");
    assert_eq!(causes.iter().map(|cause| cause.message.as_str()).collect::<Vec<_>>()[..2], ["cause 0", "cause 1"]);
    assert_eq!(causes.len(), 10);
    let all = size(&build.exception_tb) + causes.iter().map(|cause| size(&cause.frames)).sum::<usize>();
    assert!(all <= MAX_TRACEBACK, "{all} bytes of traceback");
}

fn exceptions_are_packed_apart_from_their_frames(store: &dyn Storage, _: &ManualClock) {
    let packed = store.pack_exception(whole());
    let (exception, traceback) = (packed.exception, packed.exception_tb);
    assert_eq!(unpack_failure(&exception), Failure { frames: Vec::new(), ..whole() });
    assert_eq!(traceback.map(|bytes| unpack_frames(&bytes)), Some(whole().frames));
    let packed = store.pack_exception(Failure::new(FailureKind::Trap, "unreachable"));
    let (exception, traceback) = (packed.exception, packed.exception_tb);
    assert_eq!((unpack_failure(&exception), traceback), (Failure::new(FailureKind::Trap, "unreachable"), None));
    assert_eq!(unpack_failure(b"\xc1").kind, FailureKind::Storage);
    assert!(unpack_frames(b"\xc1")[0].function.contains("could not be read"));
}
