//! What services keep: who works on which run, reloads, schedules, what `on: change` has tried, and
//! who leads.

use std::sync::Arc;

use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::reload::Reload;
use jobcontrol_core::run::Missed;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunState;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::ClaimRun;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::NewReload;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::ScheduleState;
use jobcontrol_core::storage::StepSchedule;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Tried;
use jobcontrol_core::storage::Write;

use super::NOON;
use super::noon_plus;
use super::open;
use super::rules;

rules! {
    runs_of_schedules_that_ended_badly_are_told_of_once
    runs_wait_by_priority_and_then_by_age
    who_asked_for_runs_is_told_of_those_that_are_there
    one_service_takes_a_run_with_what_has_not_started
    a_service_that_stops_leaves_a_run_to_the_others
    a_run_that_somebody_wants_to_end_is_not_taken
    a_schedule_goes_on_once
    misses_without_a_run_between_them_are_one_row
    reloads_are_kept_until_they_are_pruned
    what_was_tried_last_counts
    one_owner_leads_until_it_is_gone
}

fn waiting(priority: i64) -> NewRun {
    NewRun { priority, service: true, requested_by: "api:me".to_owned(), created: NOON, ..NewRun::default() }
}

fn create(store: &dyn Storage, run: NewRun) -> u64 {
    store.write(Write::CreateRun(run)).unwrap()
}

fn claim(store: &dyn Storage, id: u64, from: Option<&str>, owner: &str) -> u64 {
    store.write(Write::ClaimRun(ClaimRun { id, from: from.map(Arc::from), owner: owner.into() })).unwrap()
}

fn runs_wait_by_priority_and_then_by_age(store: &dyn Storage, _: &ManualClock) {
    let [low, first, high, second] = [-1, 0, 9, 0].map(|priority| create(store, waiting(priority)));
    let held = create(store, NewRun { held: true, ..waiting(99) });
    create(store, NewRun { service: false, ..waiting(0) });
    create(store, NewRun { owner: Some("me".into()), ..waiting(0) });
    assert_eq!(store.get_waiting_runs(9), Ok(vec![high, first, second, low]));
    assert_eq!(store.get_open_owners(), Ok(vec!["me".to_owned()]));
    let listed = |filter| store.get_runs(&filter).unwrap().iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(listed(RunFilter { held: Some(true), ..RunFilter::default() }), [held]);
    assert_eq!(listed(RunFilter { owner: Some("me".to_owned()), ..RunFilter::default() }), [held + 2]);
    assert_eq!(store.get_waiting_runs(2), Ok(vec![high, first]));
    store.write(Write::StartRun(held)).unwrap();
    assert_eq!(store.get_waiting_runs(1), Ok(vec![held]));
    let (run, ended) =
        (store.get_run(held).unwrap(), EndRun { id: held, time: NOON, status: RunStatus::Failed, refused: None });
    assert_eq!((run.held, run.service, run.state(false)), (false, true, RunState::Waiting));
    store.write(Write::EndRun(ended)).unwrap();
    assert_eq!(store.get_waiting_runs(1), Ok(vec![high]));
    assert_eq!(store.write(Write::StartRun(99)), Err(StorageError::NoRun(99)));
}

/// A build of that run, started or not.
fn build(store: &dyn Storage, run: u64, owner: Option<&str>, start: bool) -> u64 {
    let owner = owner.map(Arc::from);
    let new = NewBuild {
        job_id: "a".into(),
        config: Arc::from(&b"\xc0"[..]),
        run: RunOf::Run(run),
        owner,
        start,
        ..NewBuild::default()
    };
    store.write(Write::CreateBuild(new)).unwrap()
}

fn owners(store: &dyn Storage) -> Vec<Option<String>> {
    store.get_job_builds(&BuildFilter::default()).unwrap().into_iter().map(|build| build.owner).collect()
}

fn one_service_takes_a_run_with_what_has_not_started(store: &dyn Storage, _: &ManualClock) {
    let (run, other) = (create(store, waiting(0)), create(store, waiting(0)));
    assert_eq!([claim(store, run, None, "me"), claim(store, run, None, "you")], [1, 0]);
    build(store, run, Some("me"), false);
    build(store, other, None, false);
    build(store, run, Some("me"), true);
    assert_eq!(owners(store), [Some("me".to_owned()), None, Some("me".to_owned())]);
    assert_eq!([claim(store, run, Some("me"), "you"), claim(store, run, Some("me"), "she")], [2, 0]);
    let you = Some("you".to_owned());
    assert_eq!(owners(store), [you.clone(), None, Some("me".to_owned())], "what has started is ended by other rules");
    assert_eq!((store.get_run(run).unwrap().owner, store.get_waiting_runs(9)), (you, Ok(vec![other])));
    assert_eq!(
        store.write(Write::ClaimRun(ClaimRun { id: 99, from: None, owner: "me".into() })),
        Err(StorageError::NoRun(99))
    );
}

fn a_service_that_stops_leaves_a_run_to_the_others(store: &dyn Storage, _: &ManualClock) {
    let run = create(store, NewRun { owner: Some("me".into()), ..waiting(0) });
    build(store, run, Some("me"), false);
    store.write(Write::ReleaseRun(run, "you".into())).unwrap();
    assert_eq!(store.get_waiting_runs(9), Ok(Vec::new()));
    store.write(Write::ReleaseRun(run, "me".into())).unwrap();
    assert_eq!((store.get_waiting_runs(9), owners(store)), (Ok(vec![run]), vec![None]));
    assert_eq!((claim(store, run, None, "you"), owners(store)), (2, vec![Some("you".to_owned())]));
}

fn a_run_that_somebody_wants_to_end_is_not_taken(store: &dyn Storage, _: &ManualClock) {
    let (cancelled, held) = (create(store, waiting(0)), create(store, NewRun { held: true, ..waiting(0) }));
    store.write(Write::CancelRun(cancelled, "me".into())).unwrap();
    assert_eq!([claim(store, cancelled, None, "me"), claim(store, held, None, "me")], [0, 0]);
}

fn state(last: i64) -> ScheduleState {
    ScheduleState { job: "a".to_owned(), rule: "@daily UTC".to_owned(), last: noon_plus(last) }
}

fn step(before: Option<i64>, last: i64) -> StepSchedule {
    StepSchedule {
        job: "a".into(),
        before: before.map(noon_plus),
        state: state(last),
        runs: Vec::new(),
        missed: Vec::new(),
    }
}

fn scheduled() -> NewRun {
    NewRun { requested_by: Requester::Schedule("a".to_owned()).to_string(), ..waiting(0) }
}

fn a_schedule_goes_on_once(store: &dyn Storage, _: &ManualClock) {
    let go = |step: StepSchedule| store.write(Write::StepSchedule(step)).unwrap();
    assert_eq!(store.get_schedules(), Ok(Vec::new()));
    assert_eq!([go(step(None, 0)), go(step(None, 0))], [1, 0]);
    let due = || StepSchedule { runs: vec![scheduled(), scheduled()], ..step(Some(0), 60) };
    assert_eq!([go(due()), go(due())], [1, 0]);
    assert_eq!((store.get_schedules(), store.get_waiting_runs(9)), (Ok(vec![state(60)]), Ok(vec![1, 2])));
    let by = |text: &str| RunFilter {
        requested_by: Some(text.to_owned()),
        open: Some(true),
        service: Some(true),
        ..RunFilter::default()
    };
    assert_eq!(store.get_runs(&by("schedule:a")).unwrap().len(), 2);
    assert_eq!(store.get_runs(&by("schedule:b")).unwrap().len(), 0);
}

fn missed(reason: &str, first: i64, last: i64, count: u64) -> NewRun {
    let (first, last, reason) = (noon_plus(first), noon_plus(last), reason.to_owned());
    NewRun { missed: Some(Missed { status: RunStatus::Missed, reason, first, last, count }), ..scheduled() }
}

fn misses_without_a_run_between_them_are_one_row(store: &dyn Storage, _: &ManualClock) {
    let go = |step: StepSchedule| assert_eq!(store.write(Write::StepSchedule(step)), Ok(1));
    go(step(None, 0));
    go(StepSchedule { missed: vec![missed("asleep", 10, 20, 2)], ..step(Some(0), 20) });
    go(step(Some(20), 25));
    go(StepSchedule { missed: vec![missed("asleep", 30, 40, 3)], ..step(Some(25), 40) });
    go(StepSchedule { missed: vec![missed("busy", 50, 50, 1)], ..step(Some(40), 50) });
    go(StepSchedule { runs: vec![scheduled()], ..step(Some(50), 60) });
    go(StepSchedule { missed: vec![missed("busy", 70, 70, 1)], ..step(Some(60), 70) });
    let told = |run: Run| {
        let Missed { status, reason, first, last, count } = run.missed?;
        assert_eq!((run.status, run.end_time.is_some()), (Some(status), true));
        Some((reason, (first.0 - NOON.0) / 1_000_000, (last.0 - NOON.0) / 1_000_000, count))
    };
    let rows: Vec<_> = store.get_runs(&RunFilter::default()).unwrap().into_iter().filter_map(told).collect();
    let row = |reason: &str, first, last, count| (reason.to_owned(), first, last, count);
    assert_eq!(rows, [row("busy", 70, 70, 1), row("busy", 50, 50, 1), row("asleep", 10, 40, 5)]);
    assert_eq!(store.get_waiting_runs(9).unwrap().len(), 1);
    let both = vec![missed("asleep", 71, 72, 2), missed("busy", 73, 73, 1)];
    go(StepSchedule { missed: both, ..step(Some(70), 73) });
    assert_eq!(store.get_runs(&RunFilter::default()).unwrap().len(), 6);
}

fn reloads_are_kept_until_they_are_pruned(store: &dyn Storage, _: &ManualClock) {
    let reload = |file: &str| Reload { files: vec![file.to_owned()], jobs: 3, ..Reload::default() };
    for (at, file) in [(0, "a"), (1, "b"), (2, "c")] {
        store.write(Write::Reload(NewReload { created: noon_plus(at), reload: reload(file) })).unwrap();
    }
    let ids = |before, limit| -> Vec<u64> {
        store.get_reloads(before, limit).unwrap().into_iter().map(|row| row.id).collect()
    };
    assert_eq!((ids(None, 2), ids(Some(2), 9)), (vec![3, 2], vec![1]));
    assert_eq!(store.get_reloads(None, 1).unwrap()[0].reload, reload("c"));
    store.write(Write::PruneRuns(noon_plus(2))).unwrap();
    assert_eq!(ids(None, 9), [3]);
}

fn what_was_tried_last_counts(store: &dyn Storage, _: &ManualClock) {
    let tried = |job: &str, fingerprint: &str| Tried { job: job.into(), fingerprint: fingerprint.to_owned() };
    store.write(Write::Tried(vec![tried("a", "1"), tried("b", "2")])).unwrap();
    store.write(Write::Tried(vec![tried("a", "3")])).unwrap();
    let found = store.get_tried(&["b", "c", "a"]).unwrap();
    assert_eq!(found, [Some("2".to_owned()), None, Some("3".to_owned())]);
}

fn one_owner_leads_until_it_is_gone(store: &dyn Storage, _: &ManualClock) {
    assert_eq!(store.lead("me"), Ok(false), "only an owner can lead");
    store.claim("me").unwrap();
    assert_eq!([store.lead("me"), store.lead("me")], [Ok(true), Ok(true)]);
    store.release("me");
    assert_eq!(store.lead("me"), Ok(false));
}

#[test]
fn of_two_processes_one_leads_and_the_other_follows_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("store.db"), Arc::new(ManualClock::new(NOON)));
    let (mine, yours) = (open(&path, &clock), open(&path, &clock));
    mine.claim("me").unwrap();
    yours.claim("you").unwrap();
    assert_eq!([mine.lead("me"), yours.lead("you"), mine.lead("me")], [Ok(true), Ok(false), Ok(true)]);
    // Whoever removes the folder makes room for another leader, which the first one sees.
    std::fs::remove_dir_all(folder.path().join("store.db.owners")).unwrap();
    yours.renew("you").unwrap();
    assert_eq!([yours.lead("you"), mine.lead("me")], [Ok(true), Ok(false)]);
    drop(yours);
    assert_eq!(mine.lead("me"), Ok(true));
    drop(mine);
    assert!(!folder.path().join("store.db.owners").exists());
}

fn runs_of_schedules_that_ended_badly_are_told_of_once(store: &dyn Storage, _: &ManualClock) {
    let by = |requested_by: &str| create(store, NewRun { requested_by: requested_by.to_owned(), ..waiting(0) });
    let [failed, good, by_hand, cancelled, open] =
        ["schedule:a", "schedule:a", "cli:ada", "schedule:b", "schedule:b"].map(by);
    let end = |id, status| store.write(Write::EndRun(EndRun { id, time: NOON, status, refused: None })).unwrap();
    end(failed, RunStatus::Failed);
    end(good, RunStatus::Successful);
    end(by_hand, RunStatus::Failed);
    end(cancelled, RunStatus::Cancelled);
    assert_eq!(store.get_untold_runs(), Ok(vec![failed, cancelled]), "and not the open run {open}");
    store.write(Write::Told(failed)).unwrap();
    store.write(Write::Told(failed)).unwrap();
    assert_eq!(store.get_untold_runs(), Ok(vec![cancelled]));
}

fn who_asked_for_runs_is_told_of_those_that_are_there(store: &dyn Storage, _: &ManualClock) {
    let one = create(store, waiting(0));
    let other = create(store, NewRun { requested_by: "schedule:a".to_owned(), ..waiting(0) });
    let by = store.get_requesters(&[other, 99, one, one]).unwrap();
    let told: Vec<(u64, String)> = by.iter().map(|(id, requester)| (*id, requester.to_string())).collect();
    assert_eq!(told, [(one, "api:me".to_owned()), (other, "schedule:a".to_owned())]);
}
