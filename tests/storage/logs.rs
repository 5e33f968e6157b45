//! Rules of the log: records come back whole, filters combine, and pruning takes what it is told.

use std::ops::ControlFlow;

use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::LogCounts;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogMap;
use jobcontrol_core::storage::Storage;

use super::NOON;
use super::create;
use super::list;
use super::noon_plus;
use super::records;
use super::rules;

rules! {
    a_record_comes_back_whole
    records_come_in_the_order_of_writing
    filters_combine
    the_lower_bound_is_inclusive_and_the_upper_exclusive
    reading_stops_where_it_is_told
    reading_goes_on_after_a_record
    the_newest_records_come_in_their_order
    the_store_can_be_asked_while_the_log_is_read
    the_ids_of_a_log_are_those_of_its_records
    a_map_counts_records_by_time_and_level
    pruning_by_level_takes_the_level_and_all_below
    pruning_by_age_takes_what_is_older
    pruning_by_job_and_build_takes_only_theirs
    pruning_combines_and_counts
    record_ids_never_return
}

pub(super) fn info(created: Timestamp, message: &str) -> NewRecord {
    at(created, Level::Info, message)
}

fn at(created: Timestamp, level: Level, message: &str) -> NewRecord {
    NewRecord {
        created,
        level: level as i64,
        message: message.to_owned(),
        target: String::new(),
        fields: Vec::new(),
        failure: None,
    }
}

fn messages(store: &dyn Storage, filter: &LogFilter) -> Vec<String> {
    records(store, filter).into_iter().map(|record| record.record.message).collect()
}

fn a_record_comes_back_whole(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    let field = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let record = NewRecord {
        created: Timestamp(-1),
        level: 37,
        message: "ünï\0cødé 🦀\nsecond line\u{202e}".to_owned(),
        target: "shop::north".to_owned(),
        fields: vec![field("z", "1"), field("a", "ä"), field("z", "2"), field("", "")],
        failure: None,
    };
    store.log_message(id, record.clone()).unwrap();
    let stored = records(store, &LogFilter::default());
    assert_eq!((stored.len(), stored[0].build_id), (1, id));
    assert_eq!(stored[0].record, record);
}

fn records_come_in_the_order_of_writing(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    for (seconds, message) in [(2, "first"), (0, "second"), (1, "third"), (1, "fourth")] {
        store.log_message(id, info(noon_plus(seconds), message)).unwrap();
    }
    let stored = records(store, &LogFilter::default());
    assert!(stored.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(messages(store, &LogFilter::default()), ["first", "second", "third", "fourth"]);
}

/// Two builds of `a` and one of `b`, each with a record of every level; the messages are `BUILD
/// LEVEL`.
fn three_logs(store: &dyn Storage) -> [u64; 3] {
    let builds = ["a", "a", "b"].map(|job| create(store, job));
    for (n, build) in builds.iter().enumerate() {
        for level in Level::ALL {
            let created = noon_plus(level as i64);
            store.log_message(*build, at(created, level, &format!("{n} {}", level.name()))).unwrap();
        }
    }
    builds
}

fn filters_combine(store: &dyn Storage, _: &ManualClock) {
    let [first, _, other] = three_logs(store);
    let found = |filter: LogFilter| messages(store, &filter);
    let all = LogFilter::default;
    let a = || LogFilter { job_id: Some("a".to_owned()), ..all() };
    assert_eq!(found(all()).len(), 15);
    assert_eq!(found(a()).len(), 10);
    assert_eq!(found(LogFilter { job_id: Some("c".to_owned()), ..all() }).len(), 0);
    let critical = LogFilter { min_level: Some(50), ..all() };
    assert_eq!(found(critical.clone()), ["0 CRITICAL", "1 CRITICAL", "2 CRITICAL"]);
    assert_eq!(found(LogFilter { min_level: Some(41), ..all() }), found(critical));
    let errors = LogFilter { min_level: Some(40), build_id: Some(first), ..all() };
    assert_eq!(found(errors.clone()), ["0 ERROR", "0 CRITICAL"]);
    assert_eq!(found(LogFilter { max_date: Some(noon_plus(50)), ..errors.clone() }), ["0 ERROR"]);
    assert_eq!(found(LogFilter { job_id: Some("b".to_owned()), ..errors }).len(), 0, "the build is another job's");
    let warnings = LogFilter { min_date: Some(noon_plus(30)), max_date: Some(noon_plus(31)), ..a() };
    assert_eq!(found(warnings), ["0 WARNING", "1 WARNING"]);
    assert_eq!(found(LogFilter { build_id: Some(other), ..a() }).len(), 0);
}

fn the_lower_bound_is_inclusive_and_the_upper_exclusive(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    for micros in -1..=1 {
        store.log_message(id, info(Timestamp(NOON.0 + micros), &micros.to_string())).unwrap();
    }
    let min = LogFilter { min_date: Some(NOON), ..LogFilter::default() };
    let max = LogFilter { max_date: Some(NOON), ..LogFilter::default() };
    assert_eq!(messages(store, &min), ["0", "1"]);
    assert_eq!(messages(store, &max), ["-1"]);
    assert_eq!(messages(store, &LogFilter { max_date: Some(NOON), ..min.clone() }).len(), 0);
    assert_eq!(messages(store, &LogFilter { max_date: Some(Timestamp(NOON.0 + 1)), ..min }), ["0"]);
}

fn reading_stops_where_it_is_told(store: &dyn Storage, _: &ManualClock) {
    three_logs(store);
    let mut seen = 0;
    let read = store.iter_log_messages(&LogFilter::default(), &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((read, seen), (Ok(()), 3));
}

fn reading_goes_on_after_a_record(store: &dyn Storage, _: &ManualClock) {
    let [first, second, _] = three_logs(store);
    let of = |build_id, after| LogFilter { build_id: Some(build_id), after, ..LogFilter::default() };
    let third = records(store, &of(first, None))[2].id;
    assert_eq!(messages(store, &of(first, Some(third))), ["0 ERROR", "0 CRITICAL"]);
    assert_eq!(messages(store, &of(second, Some(third))).len(), 5);
    assert_eq!(messages(store, &of(first, Some(u64::MAX))).len(), 0);
    assert_eq!(messages(store, &of(first, Some(0))).len(), 5);
}

fn the_newest_records_come_in_their_order(store: &dyn Storage, _: &ManualClock) {
    let [first, ..] = three_logs(store);
    let newest = |last| LogFilter { build_id: Some(first), last: Some(last), ..LogFilter::default() };
    assert_eq!(messages(store, &newest(2)), ["0 ERROR", "0 CRITICAL"]);
    assert_eq!(messages(store, &newest(100)).len(), 5);
    assert_eq!(messages(store, &newest(0)).len(), 0);
    assert_eq!(messages(store, &LogFilter { min_level: Some(40), ..newest(1) }), ["0 CRITICAL"]);
    assert_eq!(messages(store, &LogFilter { max_date: Some(NOON), ..newest(5) }).len(), 0);
    assert_eq!(messages(store, &newest(u64::MAX)).len(), 5);
}

fn the_store_can_be_asked_while_the_log_is_read(store: &dyn Storage, _: &ManualClock) {
    let [_, second, _] = three_logs(store);
    let mut levels = Vec::new();
    let read = store.iter_log_messages(&LogFilter::default(), &mut |record| {
        let build = store.get_build(record.build_id).unwrap();
        if build.id == second && levels.is_empty() {
            store.update_build_progress(second, 1, 2).unwrap();
        }
        levels.push(build.job_id);
        ControlFlow::Continue(())
    });
    assert_eq!((read, levels.len()), (Ok(()), 15));
    assert_eq!(levels.iter().filter(|job| *job == "b").count(), 5);
}

fn pruning_by_level_takes_the_level_and_all_below(store: &dyn Storage, _: &ManualClock) {
    three_logs(store);
    assert_eq!(store.prune_log_messages(None, None, None, Some(9)), Ok(0));
    assert_eq!(store.prune_log_messages(None, None, None, Some(20)), Ok(6));
    assert_eq!(records(store, &LogFilter::default()).iter().map(|r| r.record.level).min(), Some(30));
    assert_eq!(store.prune_log_messages(None, None, None, Some(20)), Ok(0));
}

fn pruning_by_age_takes_what_is_older(store: &dyn Storage, clock: &ManualClock) {
    let id = create(store, "a");
    for seconds in [0, 60, 120] {
        store.log_message(id, info(noon_plus(seconds), &seconds.to_string())).unwrap();
    }
    clock.set(noon_plus(120));
    assert_eq!(store.prune_log_messages(None, None, Some(u64::MAX), None), Ok(0));
    assert_eq!(store.prune_log_messages(None, None, Some(120), None), Ok(0), "exactly that old is not older");
    clock.set(Timestamp(noon_plus(120).0 + 1));
    assert_eq!(store.prune_log_messages(None, None, Some(120), None), Ok(1));
    assert_eq!(messages(store, &LogFilter::default()), ["60", "120"]);
    assert_eq!(store.prune_log_messages(None, None, Some(0), None), Ok(2));
}

fn pruning_by_job_and_build_takes_only_theirs(store: &dyn Storage, _: &ManualClock) {
    let [first, second, other] = three_logs(store);
    let left = |id| records(store, &LogFilter { build_id: Some(id), ..LogFilter::default() }).len();
    assert_eq!(store.prune_log_messages(None, Some(first), None, None), Ok(5));
    assert_eq!((left(first), left(second), left(other)), (0, 5, 5));
    assert_eq!(store.prune_log_messages(Some("b"), Some(second), None, None), Ok(0));
    assert_eq!(store.prune_log_messages(Some("a"), None, None, None), Ok(5));
    assert_eq!((left(second), left(other)), (0, 5));
    assert_eq!(list(store, &BuildFilter::default()), [first, second, other], "the builds stay");
}

fn pruning_combines_and_counts(store: &dyn Storage, clock: &ManualClock) {
    let [first, second, other] = three_logs(store);
    clock.set(noon_plus(100));
    // Of `a`, at or below WARNING, and older than 75 seconds: DEBUG and INFO of both builds.
    assert_eq!(store.prune_log_messages(Some("a"), None, Some(75), Some(30)), Ok(4));
    assert_eq!(store.prune_log_messages(None, Some(second), Some(65), Some(50)), Ok(1));
    let left = |id| messages(store, &LogFilter { build_id: Some(id), ..LogFilter::default() });
    assert_eq!(left(first), ["0 WARNING", "0 ERROR", "0 CRITICAL"]);
    assert_eq!(left(second), ["1 ERROR", "1 CRITICAL"]);
    assert_eq!(left(other).len(), 5);
    assert_eq!(store.prune_log_messages(None, None, None, None), Ok(10), "without a filter everything goes");
}

fn record_ids_never_return(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    store.log_message(id, info(NOON, "one")).unwrap();
    let last = records(store, &LogFilter::default())[0].id;
    store.prune_log_messages(None, None, None, None).unwrap();
    store.log_message(id, info(NOON, "two")).unwrap();
    // Whoever follows the log reads on after the last record that was there.
    assert_eq!(messages(store, &LogFilter { after: Some(last), ..LogFilter::default() }), ["two"]);
}

fn the_ids_of_a_log_are_those_of_its_records(store: &dyn Storage, _: &ManualClock) {
    let (one, other) = (create(store, "a"), create(store, "b"));
    for (build, level) in [(one, Level::Info), (other, Level::Error), (one, Level::Error), (one, Level::Debug)] {
        store.log_message(build, NewRecord::new(NOON, level, "t", "m")).unwrap();
    }
    let of = |filter: LogFilter| {
        let mut read = Vec::new();
        store
            .iter_log_messages(&filter, &mut |record| {
                read.push(record.id);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(store.get_log_ids(&filter).unwrap(), read, "{filter:?}");
        read.len()
    };
    let of_one = LogFilter { build_id: Some(one), ..LogFilter::default() };
    assert_eq!(of(of_one.clone()), 3);
    assert_eq!(of(LogFilter { min_level: Some(20), ..of_one.clone() }), 2);
    assert_eq!(of(LogFilter { last: Some(1), ..of_one.clone() }), 1);
    let first = store.get_log_ids(&of_one).unwrap()[0];
    assert_eq!(of(LogFilter { after: Some(first), ..of_one }), 2);
    assert_eq!(of(LogFilter::default()), 4);
}

fn a_map_counts_records_by_time_and_level(store: &dyn Storage, _: &ManualClock) {
    let (build, empty) = (create(store, "a"), create(store, "a"));
    // The last one was written by a clock that had been set back.
    for (seconds, level) in [(0, Level::Info), (99, Level::Error), (50, Level::Warning), (50, Level::Debug)] {
        store.log_message(build, NewRecord::new(noon_plus(seconds), level, "t", "m")).unwrap();
    }
    let map = store.get_log_map(build).unwrap();
    assert_eq!(map.span, Some((noon_plus(0), noon_plus(99))));
    assert_eq!(map.counts(), LogCounts { debug: 1, info: 1, warning: 1, error: 1 });
    let filled: Vec<usize> = (0..map.buckets.len()).filter(|at| map.buckets[*at].total() > 0).collect();
    assert_eq!(filled, [0, 50, 99]);
    assert_eq!((map.buckets[50].warning, map.buckets[50].debug), (1, 1));
    assert_eq!(store.get_log_map(empty).unwrap(), LogMap::default());
}
