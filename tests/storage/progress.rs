//! Rules of progress: the newest report of each group, in the order of first reports.

use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;

use super::create;
use super::rules;

rules! {
    the_newest_report_of_a_group_is_kept
    groups_come_in_the_order_of_their_first_report
    levels_and_a_joined_name_are_the_same_group
    the_whole_build_is_a_group_without_a_name
    builds_do_not_share_groups
    what_the_columns_cannot_hold_is_refused
    a_report_after_the_end_is_kept
}

fn report(group: &str, current: u64, total: u64, status: &str) -> Progress {
    Progress { group_name: group.to_owned(), current, total, status_line: status.to_owned() }
}

fn the_newest_report_of_a_group_is_kept(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    store.report_build_progress(id, &["rows"], 1, 10, "reading").unwrap();
    store.report_build_progress(id, &["rows"], 4, 12, "ünï\0cødé 🦀").unwrap();
    assert_eq!(store.get_build_progress_info(id).unwrap(), [report("rows", 4, 12, "ünï\0cødé 🦀")]);
    store.report_build_progress(id, &["rows"], 0, 0, "").unwrap();
    assert_eq!(store.get_build_progress_info(id).unwrap(), [report("rows", 0, 0, "")], "it may go back");
}

fn groups_come_in_the_order_of_their_first_report(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    for group in ["zebra", "", "apple", "zebra::leg", "apple", "zebra"] {
        store.report_build_progress(id, &[group], 1, 1, "").unwrap();
    }
    let names: Vec<_> = store.get_build_progress_info(id).unwrap().into_iter().map(|p| p.group_name).collect();
    assert_eq!(names, ["zebra", "", "apple", "zebra::leg"]);
}

fn levels_and_a_joined_name_are_the_same_group(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    store.report_build_progress(id, &["shop", "north", "rows"], 1, 9, "").unwrap();
    store.report_build_progress(id, &["shop::north::rows"], 2, 9, "").unwrap();
    store.report_build_progress(id, &["shop", "north::rows"], 3, 9, "").unwrap();
    assert_eq!(store.get_build_progress_info(id).unwrap(), [report("shop::north::rows", 3, 9, "")]);
}

fn the_whole_build_is_a_group_without_a_name(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    store.report_build_progress(id, &["rows"], 1, 1, "").unwrap();
    store.report_build_progress(id, &[], 1, 5, "begun").unwrap();
    store.update_build_progress(id, 3, 5).unwrap();
    assert_eq!(store.get_build_progress_info(id).unwrap(), [report("rows", 1, 1, ""), report("", 3, 5, "")]);
}

fn builds_do_not_share_groups(store: &dyn Storage, _: &ManualClock) {
    let (first, second) = (create(store, "a"), create(store, "a"));
    store.report_build_progress(first, &["rows"], 1, 2, "").unwrap();
    store.report_build_progress(second, &["rows"], 2, 2, "").unwrap();
    assert_eq!(store.get_build_progress_info(first).unwrap(), [report("rows", 1, 2, "")]);
    assert_eq!(store.get_build_progress_info(second).unwrap(), [report("rows", 2, 2, "")]);
}

fn what_the_columns_cannot_hold_is_refused(store: &dyn Storage, _: &ManualClock) {
    const MOST: u64 = i64::MAX as u64;
    let id = create(store, "a");
    let longest = "ü".repeat(128);
    store.report_build_progress(id, &[&longest], MOST, MOST, "").unwrap();
    let joined = ["a".repeat(64), "b".repeat(63)];
    let refused = [
        store.report_build_progress(id, &[&"ü".repeat(129)], 1, 1, ""),
        store.report_build_progress(id, &[&joined[0], &joined[1]], 1, 1, ""),
        store.report_build_progress(id, &["rows"], MOST + 1, 1, ""),
        store.report_build_progress(id, &["rows"], 1, u64::MAX, ""),
        store.update_build_progress(id, MOST + 1, 1),
    ];
    for answer in refused {
        assert!(matches!(&answer, Err(StorageError::Refused(reason)) if !reason.is_empty()), "{answer:?}");
    }
    assert_eq!(store.get_build_progress_info(id).unwrap(), [report(&longest, MOST, MOST, "")]);
}

fn a_report_after_the_end_is_kept(store: &dyn Storage, _: &ManualClock) {
    let id = create(store, "a");
    store.finish_build(id, jobcontrol_core::storage::Finish::default()).unwrap();
    store.update_build_progress(id, 5, 5).unwrap();
    assert_eq!(store.get_build_progress_info(id).unwrap(), [report("", 5, 5, "")]);
}
