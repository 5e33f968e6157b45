//! Whatever is written, every backend gives the answers of the one in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::Raw;
use jobcontrol_core::memory::MemoryStorage;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::pool::PoolUse;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::request::RunRequest;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Traceback;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;
use jobcontrol_core::storage::pack_frames;
use jobcontrol_core::storage::pack_plan;
use jobcontrol_core::storage::pack_refused;
use jobcontrol_core::usage::Traffic;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::Value;
use proptest::option;
use proptest::prelude::*;

use super::NOON;
use super::open;
use super::pin_to;
use super::records;

/// Few of each, so that writes meet each other.
const JOBS: [&str; 3] = ["a", "b", "ünï"];
const OWNERS: [&str; 2] = ["me", "you"];
const GROUPS: [&[&str]; 5] = [&[], &["rows"], &["shop", "rows"], &["shop::rows"], &["Rows"]];

/// A write, and how many seconds pass before it.
#[derive(Clone, Debug)]
enum Step {
    Create(usize, Option<usize>, Option<u64>, In),
    CreateRun(usize),
    EndRun(u64, bool),
    CancelRun(u64),
    PruneRuns(i64),
    Claim(usize),
    Release(usize),
    Start(u64, Option<usize>),
    Next(u64, usize, u32),
    Retry(u64, usize, u32, usize),
    Cancel(u64),
    Trace(u64, u32),
    Finish(u64, bool, bool, Option<i64>),
    Guarded(u64, usize, u32),
    Fail(u64, String),
    Progress(u64, usize, u64, u64),
    Log(u64, i64, i64, String),
    Delete(u64),
    Deleting(u64, bool),
    Prune(Option<usize>, Option<u64>, Option<u64>, Option<i64>),
}

fn build_id() -> impl Strategy<Value = u64> {
    0_u64..9
}

fn level() -> impl Strategy<Value = i64> {
    prop_oneof![Just(10), Just(20), Just(30), Just(40), Just(50), any::<i64>()]
}

fn step() -> impl Strategy<Value = Step> {
    let (job, owner) = (0..JOBS.len(), 0..OWNERS.len());
    prop_oneof![
        3 => (job.clone(), option::of(owner.clone()), option::weighted(0.3, build_id()), place())
            .prop_map(|(job, owner, pin, place)| Step::Create(job, owner, pin, place)),
        1 => owner.clone().prop_map(Step::CreateRun),
        1 => (0_u64..4, any::<bool>()).prop_map(|(run, good)| Step::EndRun(run, good)),
        1 => (0_u64..4).prop_map(Step::CancelRun),
        1 => (-9_i64..9).prop_map(Step::PruneRuns),
        1 => owner.clone().prop_map(Step::Claim),
        1 => owner.clone().prop_map(Step::Release),
        2 => (build_id(), option::of(owner.clone())).prop_map(|(id, owner)| Step::Start(id, owner)),
        2 => (build_id(), any::<bool>(), any::<bool>(), option::of(any::<i64>()))
            .prop_map(|(id, success, skipped, retval)| Step::Finish(id, success, skipped, retval)),
        2 => (build_id(), owner.clone(), 0_u32..3).prop_map(|(id, owner, attempt)| Step::Guarded(id, owner, attempt)),
        3 => (build_id(), owner.clone(), 0_u32..3).prop_map(|(id, owner, attempt)| Step::Next(id, owner, attempt)),
        3 => (build_id(), owner.clone(), 0_u32..3, owner).prop_map(|(id, of, attempt, to)| Step::Retry(id, of, attempt, to)),
        1 => build_id().prop_map(Step::Cancel),
        2 => (build_id(), 0_u32..3).prop_map(|(id, attempt)| Step::Trace(id, attempt)),
        1 => (build_id(), any::<String>()).prop_map(|(id, message)| Step::Fail(id, message)),
        3 => (build_id(), 0..GROUPS.len(), any::<u64>(), 0_u64..9)
            .prop_map(|(id, group, current, total)| Step::Progress(id, group, current, total)),
        4 => (build_id(), -9_i64..9, level(), any::<String>())
            .prop_map(|(id, ago, level, message)| Step::Log(id, ago, level, message)),
        1 => build_id().prop_map(Step::Delete),
        1 => (build_id(), any::<bool>()).prop_map(|(id, deleting)| Step::Deleting(id, deleting)),
        1 => (option::of(job), option::of(build_id()), option::of(0_u64..9), option::of(level()))
            .prop_map(|(job, id, age, level)| Step::Prune(job, id, age, level)),
    ]
}

fn build_filter() -> impl Strategy<Value = BuildFilter> {
    let flag = || option::of(any::<bool>());
    let limit = prop_oneof![Just(100), 0_u64..5, any::<u64>()];
    let within = (option::of(0..OWNERS.len()), option::of(0_u64..4), option::of(build_id()), option::of(build_id()));
    let flags = (flag(), flag(), flag(), flag(), flag(), flag());
    let ids = option::of(proptest::collection::vec(0..JOBS.len(), 0..3));
    (option::of(0..JOBS.len()), ids, flags, within, any::<bool>(), limit, any::<bool>()).prop_map(
        |(
            job,
            ids,
            (started, finished, success, skipped, deleting, edited),
            (owner, run, before, after),
            newest,
            limit,
            brief,
        )| {
            BuildFilter {
                job_id: job.map(|job| JOBS[job].to_owned()),
                job_ids: ids.map(|ids| ids.into_iter().map(|job| JOBS[job].to_owned()).collect()),
                started,
                finished,
                success,
                skipped,
                deleting,
                edited,
                owner: owner.map(|owner| OWNERS[owner].to_owned()),
                run,
                before,
                after,
                order: if newest { Order::Desc } else { Order::Asc },
                limit,
                brief,
            }
        },
    )
}

fn log_filter() -> impl Strategy<Value = LogFilter> {
    let date = || option::of((-9_i64..30).prop_map(super::noon_plus));
    let after = option::of(prop_oneof![0_u64..30, any::<u64>()]);
    let last = option::of(0_u64..9);
    (option::of(0..JOBS.len()), option::of(build_id()), option::of(level()), date(), date(), after, last).prop_map(
        |(job, build_id, min_level, min_date, max_date, after, last)| LogFilter {
            job_id: job.map(|job| JOBS[job].to_owned()),
            build_id,
            min_level,
            min_date,
            max_date,
            after,
            last,
        },
    )
}

/// The run of a new build.
#[derive(Clone, Debug)]
enum In {
    Nothing,
    Run(u64),
    New,
}

fn place() -> impl Strategy<Value = In> {
    prop_oneof![Just(In::Nothing), (0_u64..4).prop_map(In::Run), Just(In::New)]
}

/// A build begins in a run that has not ended, or in none.
fn open_run(store: &dyn Storage, id: u64) -> RunOf {
    store.get_run(id).ok().filter(|run| run.status.is_none()).map_or(RunOf::Nothing, |run| RunOf::Run(run.id))
}

fn new_run(store: &dyn Storage, owner: usize) -> NewRun {
    let request = RunRequest { targets: vec!["a".to_owned()], deps: true, ..RunRequest::default() };
    let asked = BuildRequest { rerun_of: Some(3), ..BuildRequest::default() };
    NewRun {
        created: store.clock().now(),
        requested_by: "cli:ada".to_owned(),
        priority: 2,
        owner: Some(Arc::from(OWNERS[owner])),
        targets: "a".to_owned(),
        request: store.pack(&request.to_value()).unwrap(),
        plan: pack_plan(&Plan::of_one("a"), &BTreeMap::from([("a".to_owned(), asked)])).unwrap(),
        ..NewRun::default()
    }
}

fn guard(owner: usize, attempt: u32) -> Guard {
    Guard { owner: Some(Arc::from(OWNERS[owner])), attempt }
}

fn create(
    store: &dyn Storage,
    (job, owner): (usize, Option<usize>),
    pin: Option<u64>,
    place: &In,
) -> Result<u64, StorageError> {
    store.write(Write::CreateBuild(NewBuild {
        job_id: Arc::from(JOBS[job]),
        config: store.pack(&Value::string(JOBS[job])).unwrap().into(),
        pins: pin.iter().map(|pin| pin_to(*pin)).collect(),
        run: match place {
            In::Nothing => RunOf::Nothing,
            // A store does not have to know of a run that was never recorded.
            In::Run(run) => open_run(store, *run),
            In::New => RunOf::New(Arc::new(new_run(store, owner.unwrap_or(0)))),
        },
        rerun_of: pin,
        pool: matches!(place, In::New).then(|| Arc::new(PoolUse { name: "db".to_owned(), slots: 2 })),
        created: store.clock().now(),
        shared_after: matches!(place, In::Run(_)).then_some(2),
        owner: owner.map(|owner| Arc::from(OWNERS[owner])),
        start: owner.is_some(),
        ..NewBuild::default()
    }))
}

/// What a store answers to a write; only the numbers that the contract speaks of.
fn apply(store: &dyn Storage, step: &Step) -> Result<u64, StorageError> {
    let now = store.clock().now();
    let none = |()| 0;
    match step {
        Step::Create(job, owner, pin, place) => create(store, (*job, *owner), *pin, place),
        Step::CreateRun(owner) => store.write(Write::CreateRun(new_run(store, *owner))),
        Step::EndRun(id, good) => {
            let status = if *good { RunStatus::Successful } else { RunStatus::Failed };
            let refused = pack_refused(
                &BTreeMap::from([("a".to_owned(), "no".to_owned())]),
                &BTreeMap::from([("b".to_owned(), 1)]),
            );
            store.write(Write::EndRun(EndRun { id: *id, time: now, status, refused }))
        }
        Step::CancelRun(run) => store.write(Write::CancelRun(*run, Arc::from("ada"))),
        Step::PruneRuns(ago) => store.write(Write::PruneRuns(Timestamp(now.0 + ago * 1_000_000))),
        Step::Claim(owner) => Ok(u64::from(store.claim(OWNERS[*owner]).is_ok())),
        Step::Release(owner) => {
            store.release(OWNERS[*owner]);
            Ok(0)
        }
        Step::Start(id, owner) => {
            let owner = owner.map(|owner| Arc::from(OWNERS[owner]));
            store
                .write(Write::StartBuild(StartBuild { id: *id, guard: None, owner, pool_size: None, time: now }))
                .map(|_| 0)
        }
        Step::Finish(id, success, skipped, retval) => {
            let retval = retval.map(|int| Value::Int(int.into()));
            let skip_reason = skipped.then(|| "nothing to do".to_owned());
            let usage = success.then_some(Usage { peak_memory: *id, guest_time: 3, traffic: Traffic::default() });
            let finish =
                Finish { success: Some(*success), skipped: *skipped, retval, skip_reason, usage, exception: None };
            store.finish_build(*id, finish).map(none)
        }
        Step::Next(id, of, attempt) => {
            let (guard, owner) = (Some(guard(*of, *attempt)), Some(Arc::from(OWNERS[*of])));
            store
                .write(Write::StartBuild(StartBuild { id: *id, guard, owner, pool_size: Some(3), time: now }))
                .map(|_| 0)
        }
        Step::Retry(id, of, attempt, to) => {
            let raw = Some(Raw { offset: *id, why: String::new() });
            let frames = vec![Frame { raw, ..Frame::default() }];
            let exception = store.pack_exception(Failure { frames, ..Failure::new(FailureKind::Trap, "unreachable") });
            let (guard, due, owner) = (guard(*of, *attempt), super::noon_plus(30), Arc::from(OWNERS[*to]));
            let usage =
                Some(Usage { peak_memory: 5, guest_time: 7, traffic: Traffic { requests: 2, sent: *id, received: 9 } });
            let run = RunOf::Nothing;
            let retry = RetryBuild { id: *id, guard, time: now, exception, due, owner, run, usage };
            store.write(Write::RetryBuild(retry)).map(|_| 0)
        }
        Step::Trace(id, attempt) => {
            let exception_tb = pack_frames(&[Frame { line: 7, ..Frame::default() }]).unwrap_or_default();
            store.write(Write::Traceback(Traceback { id: *id, attempt: *attempt, exception_tb }))
        }
        Step::Cancel(id) => store.write(Write::CancelBuild(*id, Arc::from("ada"))).map(|_| 0),
        Step::Guarded(id, owner, attempt) => {
            let guard = guard(*owner, *attempt);
            let finish = pack_finish(*id, Some(guard), now, Finish::default());
            store.write(Write::FinishBuild(FinishBuild { ends_run: true, ..finish })).map(|_| 0)
        }
        Step::Fail(id, message) => {
            store.finish_build_with_exception(*id, Failure::new(FailureKind::Error, message)).map(none)
        }
        Step::Progress(id, group, current, total) => {
            store.report_build_progress(*id, GROUPS[*group], *current, *total, "").map(none)
        }
        Step::Log(id, ago, level, message) => {
            let mut record = NewRecord { level: *level, ..super::logs::info(now, message) };
            record.created = Timestamp(now.0 + ago * 1_000_000);
            store.log_message(*id, record).map(none)
        }
        Step::Delete(id) => store.delete_build(*id).map(none),
        Step::Deleting(id, true) => store.write(Write::PrepareDelete(*id)),
        Step::Deleting(id, false) => store.write(Write::AbandonDelete(*id)),
        Step::Prune(job, id, age, level) => store.prune_log_messages(job.map(|job| JOBS[job]), *id, *age, *level),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_stores_answer_alike(
        steps in prop::collection::vec((0_i64..3, step()), 1..60),
        build_filters in prop::collection::vec(build_filter(), 8),
        log_filters in prop::collection::vec(log_filter(), 8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        let memory = MemoryStorage::new(Arc::clone(&clock) as _);
        let sqlite = open(&folder.path().join("store.db"), &clock);
        let mut now = NOON;
        for (pass, step) in &steps {
            now = Timestamp(now.0 + pass * 1_000_000);
            clock.set(now);
            prop_assert_eq!(apply(&sqlite, step), apply(&memory, step), "{:?}", step);
        }
        for filter in &build_filters {
            prop_assert_eq!(sqlite.get_job_builds(filter), memory.get_job_builds(filter), "{:?}", filter);
            prop_assert_eq!(sqlite.count_job_builds(filter), memory.count_job_builds(filter), "{:?}", filter);
        }
        for filter in log_filters.iter().chain([&LogFilter::default()]) {
            prop_assert_eq!(records(&sqlite, filter), records(&memory, filter), "{:?}", filter);
        }
        for id in 0..9 {
            prop_assert_eq!(sqlite.get_build(id), memory.get_build(id));
            prop_assert_eq!(sqlite.get_build_progress_info(id), memory.get_build_progress_info(id));
            prop_assert_eq!(sqlite.get_ended_attempts(id), memory.get_ended_attempts(id));
            prop_assert_eq!(sqlite.get_unfinished_users(id), memory.get_unfinished_users(id));
            prop_assert_eq!(sqlite.get_run(id), memory.get_run(id));
            prop_assert_eq!(sqlite.get_run_counts(&[id]), memory.get_run_counts(&[id]));
        }
        for (open, before, limit) in [(None, None, None), (Some(true), Some(3), None), (Some(false), None, Some(1))] {
            let filter = RunFilter { open, before, limit, ..RunFilter::default() };
            prop_assert_eq!(sqlite.get_runs(&filter), memory.get_runs(&filter));
        }
        for job in JOBS {
            let latest = |store: &dyn Storage| store.get_latest_successful_build(job);
            prop_assert_eq!(latest(&sqlite), latest(&memory));
        }
        prop_assert_eq!(sqlite.get_job_histories(&JOBS), memory.get_job_histories(&JOBS));
        for owner in OWNERS {
            prop_assert_eq!(sqlite.get_cancel_requests(owner), memory.get_cancel_requests(owner));
            prop_assert_eq!(sqlite.is_alive(owner), memory.is_alive(owner));
        }
        prop_assert_eq!(sqlite.get_running_builds(), memory.get_running_builds());
    }
}
