//! Tests that SQLite uses an index for the program's queries, whatever the store holds.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Mutex;

use jobcontrol_core::build::Pin;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::pool::PoolUse;
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
use jobcontrol_core::storage::PruneLog;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;
use jobcontrol_core::token::NewToken;
use jobcontrol_core::token::Plain;
use jobcontrol_core::token::Scopes;
use jobcontrol_core::value::Value;
use rusqlite::Connection;
use rusqlite::trace::TraceEvent;
use rusqlite::trace::TraceEventCodes;

use super::SqliteStorage;

/// The statements that ran, as the program wrote them.
static RAN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn listen(db: &mut Connection) -> rusqlite::Result<()> {
    let each = |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            RAN.lock().unwrap().push(sql.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    };
    db.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(each))
}

/// Statements that may look at each row of a table or sort what they find, with the reason.
const MAY: &[(&str, &str)] = &[
    ("WHERE 1 ORDER BY id", "a list of everything ends after its first rows"),
    ("WHERE finished = 1 ORDER BY id", "nearly every build has finished, so the first rows are enough"),
    ("success = 1 ORDER BY id", "few builds are without success, too"),
    ("FROM build_progress", "a build has some groups, 1,000 by default"),
    ("build_id IN (SELECT", "the log of a job is put together from those of its builds"),
    ("WHERE finished = 1 AND id < ", "pruning looks at every finished build, a page at a time"),
    ("WHERE digest NOT IN", "pruning looks for plugins of no build"),
    ("count(*) FROM log WHERE", "a dry run counts what would go"),
    ("FROM build WHERE run = ?1 AND id >=", "a run is counted build by build"),
    ("DELETE FROM run WHERE id IN (SELECT id FROM run", "pruning looks at every run, some at a time"),
    ("FROM token ORDER BY id", "a store has some tokens"),
    ("EXPLAIN", "this test"),
    ("FROM schedule ORDER BY job_id", "all of them are asked for"),
];

fn write_everything(store: &SqliteStorage) -> u64 {
    let id = store.create_build("j", &Value::Null).unwrap();
    let now = store.clock().now();
    let owner = Some(Arc::from("me"));
    store.write(Write::Plugin("digest".into(), Arc::from(&b"bytes"[..]))).unwrap();
    let new = NewBuild {
        job_id: "k".into(),
        config: Arc::from(&b"\x80"[..]),
        plugin: Some("digest".into()),
        run: RunOf::New(Arc::new(NewRun { owner: Some("me".into()), ..NewRun::default() })),
        pool: Some(Arc::new(PoolUse { name: "db".to_owned(), slots: 1 })),
        pins: Arc::from([Pin { job: "j".to_owned(), build: id, retval_digest: None }]),
        ..NewBuild::default()
    };
    let same = new.clone();
    let second = store.write(Write::CreateBuild(new)).unwrap();
    let guard = |attempt| Guard { owner: if attempt == 0 { None } else { owner.clone() }, attempt };
    let start = |attempt| StartBuild {
        id: second,
        guard: Some(guard(attempt)),
        owner: owner.clone(),
        pool_size: Some(1),
        time: now,
    };
    store.write(Write::StartBuild(start(0))).unwrap();
    store
        .write(Write::RetryBuild(RetryBuild {
            id: second,
            guard: guard(1),
            time: now,
            exception: store.pack_exception(Failure::new(FailureKind::Trap, "")),
            due: now,
            owner: "me".into(),
            run: RunOf::Nothing,
            usage: None,
        }))
        .unwrap();
    store.write(Write::StartBuild(start(1))).unwrap();
    store.write(Write::CancelBuild(second, "me".into())).unwrap();
    store.report_build_progress(second, &["group"], 1, 2, "").unwrap();
    store.log_message(second, NewRecord::new(now, Level::Info, "x", "x".to_owned())).unwrap();
    let finish = pack_finish(second, Some(guard(2)), now, Finish::default());
    store.write(Write::FinishBuild(FinishBuild { ends_run: true, ..finish })).unwrap();
    let run = store.write(Write::CreateRun(NewRun::default())).unwrap();
    let new = NewBuild { shared_after: Some(0), run: RunOf::Run(run), ..same };
    store.write(Write::CreateBuild(new)).unwrap_err();
    let third = store.create_build("k", &Value::Null).unwrap();
    store.write(Write::PrepareDelete(third)).unwrap();
    store.write(Write::AbandonDelete(third)).unwrap();
    store.delete_build(third).unwrap();
    store.prune_log_messages(Some("j"), None, Some(1), None).unwrap();
    let step =
        PruneLog { before: Some(now), level: Some(10), above: Some(0), ids: Some((0, 9)), ..PruneLog::default() };
    store.write(Write::PruneLog(step)).unwrap();
    store.write(Write::PrunePlugin("other".into(), 0)).unwrap();
    let run = store.write(Write::CreateRun(NewRun::default())).unwrap();
    store.write(Write::CancelRun(run, "me".into())).unwrap();
    let end = EndRun { id: run, time: now, status: RunStatus::Failed, refused: None };
    store.write(Write::EndRun(end)).unwrap();
    store.write(Write::PruneRuns(now)).unwrap();
    let hash = Plain::from_random(&[1; 32]).hash();
    let token = NewToken { name: "ci".to_owned(), hash, scopes: Scopes::everything(), created: now, expires: None };
    let token = store.write(Write::CreateToken(token)).unwrap();
    store.write(Write::RevokeToken(token, now)).unwrap();
    second
}

fn read_everything(store: &SqliteStorage, id: u64) {
    store.store_id().unwrap();
    store.get_build(id).unwrap();
    store.get_ended_attempts(id).unwrap();
    store.get_cancel_requests("me").unwrap();
    store.get_unfinished_users(id).unwrap();
    store.get_run(1).unwrap();
    store.get_run_counts(&[1]).unwrap();
    for open in [None, Some(true), Some(false)] {
        store.get_runs(&RunFilter { open, before: Some(9), limit: Some(9), ..RunFilter::default() }).unwrap();
    }
    let open = RunFilter { open: Some(true), service: Some(true), ..RunFilter::default() };
    store.get_runs(&RunFilter { held: Some(true), ..open.clone() }).unwrap();
    store.get_runs(&RunFilter { owner: Some("me".to_owned()), ..open.clone() }).unwrap();
    store.get_runs(&RunFilter { requested_by: Some("change".to_owned()), ..open }).unwrap();
    store.get_waiting_runs(9).unwrap();
    store.get_open_owners().unwrap();
    store.get_reloads(Some(9), 9).unwrap();
    store.get_schedules().unwrap();
    store.get_tried(&["j"]).unwrap();
    store.get_job_builds(&BuildFilter { run: Some(1), after: Some(0), ..BuildFilter::default() }).unwrap();
    store.get_build_progress_info(id).unwrap();
    store.get_running_builds().unwrap();
    store.get_latest_successful_build("k").unwrap();
    store.get_job_histories(&["j", "k", "none"]).unwrap();
    store.get_last_log_id().unwrap();
    store.get_orphaned_plugins(&[]).unwrap();
    store.get_plugin("digest").unwrap();
    store.get_tokens().unwrap();
    store.count_prunable(&PruneLog { before: Some(Timestamp(1)), ..PruneLog::default() }).unwrap();
    let some = |flag| [None, Some(true), Some(false)].into_iter().filter(move |one| flag || one.is_none());
    for job in [None, Some("k".to_owned())] {
        for order in [Order::Asc, Order::Desc] {
            for (finished, success) in some(true).flat_map(|one| some(true).map(move |other| (one, other))) {
                let filter = BuildFilter { job_id: job.clone(), order, finished, success, ..BuildFilter::default() };
                store.get_job_builds(&filter).unwrap();
            }
        }
    }
    let page = BuildFilter { finished: Some(true), before: Some(9), order: Order::Desc, ..BuildFilter::default() };
    store.get_job_builds(&page).unwrap();
    let whole = LogFilter {
        min_level: Some(10),
        min_date: Some(Timestamp(0)),
        max_date: Some(Timestamp(1)),
        after: Some(0),
        ..LogFilter::default()
    };
    let of_build = LogFilter { build_id: Some(id), ..whole.clone() };
    let of_job = LogFilter { job_id: Some("k".to_owned()), ..whole.clone() };
    for filter in [whole, of_build, of_job] {
        store.iter_log_messages(&filter, &mut |_| ControlFlow::Continue(())).unwrap();
    }
}

#[test]
fn no_question_looks_at_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStorage::open(&path, Arc::new(SystemClock), Arc::new(|_: &str| {})).unwrap();
    store.install().unwrap();
    store.writer.with(listen).unwrap();
    listen(&mut store.readers.lock().unwrap()[0]).unwrap();
    let id = write_everything(&store);
    read_everything(&store, id);
    let mut ran = RAN.lock().unwrap().clone();
    ran.sort();
    ran.dedup();
    let asked: Vec<_> =
        ran.iter().filter(|sql| !["BEGIN", "COMMIT", "--"].iter().any(|w| sql.starts_with(w))).collect();
    assert!(asked.len() > 40, "{asked:#?}");
    let db = Connection::open(&path).unwrap();
    let mut slow = Vec::new();
    for sql in asked {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan = statement.raw_query().mapped(|row| row.get::<_, String>("detail"));
        let plan: Vec<_> = plan.map(Result::unwrap).collect();
        // A partial index that is walked in its order contains nothing else.
        let harmless = ["INDEX", "json_each", "CONSTANT ROW"];
        let scans = |line: &String| line.starts_with("SCAN") && !harmless.iter().any(|word| line.contains(word));
        let sorts = |line: &String| line.contains("TEMP B-TREE");
        let excused = MAY.iter().any(|(part, _)| sql.contains(part));
        if !excused && plan.iter().any(|line| scans(line) || sorts(line)) {
            slow.push(format!("{sql}: {plan:?}"));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
