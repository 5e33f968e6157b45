//! Work on large values happens apart from guests: a guest whose time is up ends, whatever else is
//! being packed.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;

use jobcontrol::app::App;
use jobcontrol::catalog::load::Catalog;
use jobcontrol::execute::executor::Wish;
use jobcontrol::execute::slots::Slots;
use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Clock;
use jobcontrol_core::event::Ending;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunCounts;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::CancelRequests;
use jobcontrol_core::storage::Completion;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::PruneLog;
use jobcontrol_core::storage::ReloadRow;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::ScheduleState;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::token::Token;
use jobcontrol_core::value::PackError;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Ledger;

use crate::harness::Folder;

/// A store whose packing waits until it is let go on.
struct Slow {
    store: Arc<dyn Storage>,
    began: mpsc::Sender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

macro_rules! as_the_store {
    ($(fn $name:ident(&self $(, $arg:ident: $ty:ty)*) $(-> $ret:ty)?;)*) => {
        $(fn $name(&self $(, $arg: $ty)*) $(-> $ret)? { self.store.$name($($arg),*) })*
    };
}

impl Storage for Slow {
    fn pack(&self, value: &Value) -> std::result::Result<Vec<u8>, PackError> {
        self.began.send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        self.store.pack(value)
    }

    as_the_store! {
        fn clock(&self) -> &dyn Clock;
        fn install(&self) -> Result<()>;
        fn uninstall(&self) -> Result<()>;
        fn submit(&self, write: Write, done: Completion);
        fn try_submit(&self, write: Write, done: Completion) -> std::result::Result<(), (Write, Completion)>;
        fn store_id(&self) -> Result<String>;
        fn backup(&self, file: &Path) -> Result<()>;
        fn claim(&self, owner: &str) -> Result<()>;
        fn renew(&self, owner: &str) -> Result<()>;
        fn is_alive(&self, owner: &str) -> Result<bool>;
        fn release(&self, owner: &str);
        fn data_version(&self) -> Result<u64>;
        fn get_run(&self, id: u64) -> Result<Run>;
        fn get_runs(&self, filter: &RunFilter) -> Result<Vec<Run>>;
        fn get_waiting_runs(&self, limit: u64) -> Result<Vec<u64>>;
        fn get_untold_runs(&self) -> Result<Vec<u64>>;
        fn get_open_owners(&self) -> Result<Vec<String>>;
        fn get_reloads(&self, before: Option<u64>, limit: u64) -> Result<Vec<ReloadRow>>;
        fn get_schedules(&self) -> Result<Vec<ScheduleState>>;
        fn get_tried(&self, jobs: &[&str]) -> Result<Vec<Option<String>>>;
        fn lead(&self, owner: &str) -> Result<bool>;
        fn get_run_counts(&self, runs: &[u64]) -> Result<Vec<RunCounts>>;
        fn get_unfinished_users(&self, id: u64) -> Result<Vec<u64>>;
        fn get_job_builds(&self, filter: &BuildFilter) -> Result<Vec<Build>>;
        fn count_job_builds(&self, filter: &BuildFilter) -> Result<u64>;
        fn get_build(&self, id: u64) -> Result<Build>;
        fn get_ended_attempts(&self, id: u64) -> Result<Vec<Attempt>>;
        fn get_cancel_requests(&self, owner: &str) -> Result<CancelRequests>;
        fn get_build_progress_info(&self, id: u64) -> Result<Vec<Progress>>;
        fn iter_log_messages(&self, filter: &LogFilter, each: &mut dyn FnMut(LogRecord) -> ControlFlow<()>) -> Result<()>;
        fn count_prunable(&self, prune: &PruneLog) -> Result<u64>;
        fn get_last_log_id(&self) -> Result<u64>;
        fn get_orphaned_plugins(&self, besides: &[u64]) -> Result<(Vec<String>, u64)>;
        fn get_plugin(&self, digest: &str) -> Result<Option<Vec<u8>>>;
        fn get_tokens(&self) -> Result<Vec<Token>>;
    }
}

/// `large` returns a list of 4,096 zeros.
const GUEST: &str = r#"
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "large") (result i32) (i32.store (i32.const 20_004) (i32.const 4_096)) (i32.const 20_000))
    (func (export "spin") (loop $again (br $again))))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (func (export "large") (result (list u32)) (canon lift (core func $i "large") (memory $memory)))
  (func (export "spin") (canon lift (core func $i "spin"))))
"#;

const JOBS: &str = "
jobs:
  - { id: large, function: guest:large }
  - { id: spins, function: guest:spin, timeout: 100ms }
";

#[test]
fn a_loop_ends_by_its_timeout_while_every_return_value_waits_to_be_packed() {
    let folder = Folder::new().file("jobs/guest.wat", GUEST).file("jobs/jobs.yaml", JOBS);
    let settings = folder.settings();
    let catalog = Catalog::load(&settings.workspace).unwrap();
    let app = App::new(settings, Arc::new(|_: &str| {}));
    let (began, begins) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel();
    let slow = Slow { store: app.storage(true).unwrap(), began, go_on: Mutex::new(go_on) };
    let storage: Arc<dyn Storage> = Arc::new(slow);
    // As many as there are threads for guests, and one more.
    let count = std::thread::available_parallelism().map_or(2, |cores| cores.get() + 1);
    let engine = app.engine(count + 1).unwrap();
    let executor = engine.executor(&storage).unwrap();
    let slots = Slots::new(count + 1, Ledger::unbounded());
    let start = |job: &str| {
        let prepared = executor.prepare(&catalog.graph.jobs[job], Granted::default(), &Cancel::pair().1).unwrap();
        let (executor, slots) = (Arc::clone(&executor), slots.clone());
        engine.guests().spawn(async move {
            let (_switch, cancel) = Cancel::pair();
            let created = executor
                .create(&prepared, &BuildRequest::default(), &Wish { start: true, ..Wish::default() })
                .await
                .unwrap();
            executor.execute(&prepared, created, slots.take().await, cancel).await.unwrap()
        })
    };
    let large: Vec<_> = (0..count).map(|_| start("large")).collect();
    // The first has begun to pack, and so will the others, each where it may wait.
    begins.recv().unwrap();
    let spun = engine.guests().block_on(start("spins")).unwrap();
    let Ending::Failed(failure) = spun else { panic!("{spun:?}") };
    assert_eq!(failure.kind, FailureKind::Timeout);
    (0..count).for_each(|_| let_go.send(()).unwrap());
    for build in large {
        assert_eq!(engine.guests().block_on(build).unwrap(), Ending::Returned);
    }
}
