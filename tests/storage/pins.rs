//! Which builds of its dependencies a build uses, and what makes a job outdated.

use std::sync::Arc;

use jobcontrol::app::App;
use jobcontrol::catalog::load::Catalog;
use jobcontrol::execute::error::ExecuteError;
use jobcontrol::execute::executor::Executor;
use jobcontrol::execute::executor::Wish;
use jobcontrol::execute::prepared::Created;
use jobcontrol::execute::prepared::Prepared;
use jobcontrol::execute::slots::Slots;
use jobcontrol::service::engine::guest_runtime;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::event::Ending;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::value;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Ledger;
use tokio::runtime::Runtime;

use crate::harness::Folder;

/// `same` returns its argument; `scaled` returns it times `factor`.
fn guest(factor: u32) -> String {
    format!(
        r#"(component
             (core module $m
               (func (export "same") (param i32) (result i32) (local.get 0))
               (func (export "scaled") (param i32) (result i32) (i32.mul (local.get 0) (i32.const {factor})))
               (func (export "broken") (result i32) unreachable))
             (core instance $i (instantiate $m))
             (func (export "same") (param "n" u32) (result u32) (canon lift (core func $i "same")))
             (func (export "scaled") (param "n" u32) (result u32) (canon lift (core func $i "scaled")))
             (func (export "broken") (result u32) (canon lift (core func $i "broken"))))"#
    )
}

/// `double` is twice what `source` returned, which is `n`; `dependent` needs what always fails.
fn jobs(n: u32) -> String {
    format!(
        "
jobs:
  - id: source
    function: guest:same
    args: [{n}]
  - id: double
    function: guest:scaled
    args: [!retval source]
  - id: broken
    function: guest:broken
  - id: dependent
    function: guest:scaled
    args: [!retval broken]
"
    )
}

fn folder() -> Folder {
    Folder::new().file("jobs/guest.wat", guest(2)).file("jobs/jobs.yaml", jobs(7))
}

/// The parts that a test drives by hand.
struct Parts {
    app: App,
    storage: Arc<dyn Storage>,
    executor: Arc<Executor>,
    runtime: Runtime,
}

impl Parts {
    fn new(folder: &Folder) -> Self {
        let settings = folder.settings();
        let app = App::new(settings, Arc::new(|_: &str| {}));
        let storage = app.storage(true).unwrap();
        let executor = app.engine(1).unwrap().executor(&storage).unwrap();
        Self { app, storage, executor, runtime: guest_runtime().unwrap() }
    }

    /// A job as its manifest and its plugin are now.
    fn prepare(&self, job: &str) -> Prepared {
        let catalog = Catalog::load(&self.app.settings.workspace).unwrap();
        self.executor
            .prepare(&catalog.graph.jobs[job], catalog.granted.get(job).cloned().unwrap_or_default(), &Cancel::pair().1)
            .unwrap()
    }

    fn queue(&self, job: &Prepared) -> Result<u64, ExecuteError> {
        self.runtime
            .block_on(self.executor.create(job, &BuildRequest::default(), &Wish::default()))
            .map(|created| created.id)
    }

    /// Builds a job as it is now, and answers the build with what it returned.
    fn build(&self, job: &str) -> (u64, Value) {
        let (_switch, cancel) = Cancel::pair();
        let prepared = self.prepare(job);
        self.runtime.block_on(async {
            let created = self
                .executor
                .create(&prepared, &BuildRequest::default(), &Wish { start: true, ..Wish::default() })
                .await
                .unwrap();
            let id = created.id;
            self.execute(&prepared, created, cancel).await;
            (id, self.storage.get_build(id).unwrap().retval.unwrap())
        })
    }

    /// Runs a build that returns something.
    async fn execute(&self, job: &Prepared, created: Created, cancel: Cancel) {
        let slot = Slots::new(1, Ledger::unbounded()).take().await;
        assert_eq!(self.executor.execute(job, created, slot, cancel).await.unwrap(), Ending::Returned);
    }
}

#[test]
fn a_queued_build_uses_the_values_of_its_moment() {
    let folder = folder();
    let parts = Parts::new(&folder);
    let (first, seven) = parts.build("source");
    assert_eq!(seven, Value::Int(7));
    let double = parts.prepare("double");
    let queued =
        parts.runtime.block_on(parts.executor.create(&double, &BuildRequest::default(), &Wish::default())).unwrap();
    let id = queued.id;
    assert_eq!(parts.storage.get_build(id).unwrap().status(), BuildStatus::Created);

    // The dependency is built again with another value, and the plugin is replaced.
    folder.write("jobs/jobs.yaml", jobs(8));
    folder.write("jobs/guest.wat", guest(100));
    let (second, eight) = parts.build("source");
    assert_eq!((second > first, eight), (true, Value::Int(8)));

    let (_switch, cancel) = Cancel::pair();
    parts.runtime.block_on(parts.execute(&double, queued, cancel));
    let build = parts.storage.get_build(id).unwrap();
    assert_eq!((build.status(), build.retval.clone()), (BuildStatus::Successful, Some(Value::Int(14))));
    assert_eq!((build.owner.as_deref(), build.attempt), (Some(&**parts.executor.owner()), 1));
    let pins: Vec<_> = build.pins.into_iter().map(|pin| (pin.job, pin.build, pin.retval_digest)).collect();
    let digest = value::digest(&value::pack(&Value::Int(7)).unwrap());
    assert_eq!(pins, [("source".to_owned(), first, Some(digest))]);

    let (latest, scaled) = parts.build("double");
    assert_eq!((scaled, parts.storage.get_build(latest).unwrap().pins[0].build), (Value::Int(800), second));
}

#[test]
fn the_store_keeps_the_plugins_that_builds_were_made_with() {
    let folder = folder();
    let parts = Parts::new(&folder);
    let (old, _) = parts.build("source");
    folder.write("jobs/guest.wat", guest(3));
    let (new, _) = parts.build("source");
    let digests = [old, new].map(|id| parts.storage.get_build(id).unwrap().plugin.unwrap());
    assert_ne!(digests[0], digests[1]);
    for digest in digests {
        let bytes = parts.storage.get_plugin(&digest).unwrap().expect("its bytes");
        assert_eq!(value::digest(&bytes), digest);
    }
}

#[test]
fn a_build_that_an_unfinished_one_uses_is_not_deleted() {
    let folder = folder();
    let parts = Parts::new(&folder);
    let (source, _) = parts.build("source");
    let double = parts.prepare("double");
    let queued =
        parts.runtime.block_on(parts.executor.create(&double, &BuildRequest::default(), &Wish::default())).unwrap();
    let refused = StorageError::Refused("build 1 is used by build 2, which has not finished".to_owned());
    assert_eq!(parts.storage.delete_build(source), Err(refused));
    let says = "build 1 is used by build 2, which has not finished; nothing was deleted";
    folder.run(&["build", "delete", "1"]).code(2).says(says);
    let (_switch, cancel) = Cancel::pair();
    parts.runtime.block_on(parts.execute(&double, queued, cancel));
    parts.storage.delete_build(source).unwrap();
    assert!(matches!(parts.queue(&double), Err(ExecuteError::MissingDependencies(_))));
}

#[test]
fn a_user_that_goes_with_what_it_uses_is_in_nobodys_way() {
    let folder = folder();
    let parts = Parts::new(&folder);
    parts.build("source");
    parts.queue(&parts.prepare("double")).unwrap();
    folder.run(&["build", "delete", "1", "2"]).code(0).stdout("deleted 1, 2\n");
}

#[test]
fn a_job_without_built_dependencies_is_not_built() {
    let folder = folder();
    let refused = "double: missing dependencies: `source` has no successful build; build them first with `--deps`";
    folder.run(&["run", "double"]).code(1).stdout("").says(refused);
    assert_eq!(folder.json(&["builds"]), serde_json::json!([]));
    folder.run(&["run", "broken"]).code(1);
    folder.run(&["run", "dependent"]).code(1).says("`broken` has no successful build");
    folder.run(&["run", "double", "--deps"]).code(0).stdout("14\n");
    folder.run(&["run", "dependent", "--deps"]).code(1).says("not built, because `broken` did not succeed");
}

/// The status of each job, in the order of their ids.
fn statuses(folder: &Folder) -> [String; 4] {
    let jobs = folder.json(&["jobs"]);
    let status = |id: &str| {
        let job = jobs.as_array().unwrap().iter().find(|job| job["id"] == id);
        job.and_then(|job| job["status"].as_str()).unwrap_or_else(|| panic!("{id} is not in {jobs:#}")).to_owned()
    };
    ["broken", "dependent", "double", "source"].map(status)
}

#[test]
fn a_job_is_outdated_when_what_it_used_has_changed() {
    let folder = folder();
    assert_eq!(statuses(&folder), ["not_built"; 4]);
    folder.run(&["run", "broken"]).code(1);
    folder.run(&["run", "double", "--deps"]).code(0).stdout("14\n");
    assert_eq!(statuses(&folder), ["failed", "not_built", "success", "success"]);

    folder.write("jobs/jobs.yaml", jobs(8));
    assert_eq!(statuses(&folder)[2..], ["success", "outdated"]);
    assert!(folder.run(&["job", "source"]).code(0).stdout.contains("`args` has changed: [7] -> [8]"));
    folder.run(&["run", "source"]).code(0).stdout("8\n");
    assert_eq!(statuses(&folder)[2..], ["outdated", "success"]);
    assert!(
        folder
            .run(&["job", "double"])
            .code(0)
            .stdout
            .contains("`source` has returned a different value since: build 2 -> build 4")
    );
    folder.run(&["run", "double"]).code(0).stdout("16\n");
    folder.run(&["run", "source"]).code(0).stdout("8\n");
    assert_eq!(statuses(&folder)[2..], ["success", "success"], "the same value again changes nothing");

    folder.write("jobs/guest.wat", guest(3));
    assert_eq!(statuses(&folder), ["failed", "not_built", "outdated", "outdated"]);
    assert!(folder.run(&["job", "double"]).code(0).stdout.contains("the plugin has changed: sha256:"));
    folder.run(&["run", "double", "--deps"]).code(0).stdout("24\n").says("source: build");
    assert_eq!(statuses(&folder)[2..], ["success", "success"]);
    let before = folder.json(&["builds"]).as_array().map(Vec::len).unwrap();
    folder.run(&["run", "double", "--deps"]).code(0).stdout("24\n");
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(before + 1), "only the target is built again");
}
