//! A process that builds, and another that prunes: no build is without its plugin's bytes.

use std::sync::Arc;

use jobcontrol::app::App;
use jobcontrol::catalog::load::Catalog;
use jobcontrol::execute::executor::Wish;
use jobcontrol::execute::slots::Slots;
use jobcontrol::service::engine::guest_runtime;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Ledger;

use crate::harness::Folder;

#[test]
fn a_plugin_that_was_pruned_in_between_is_kept_again() {
    let folder = Folder::new().guest("add.wat").file("jobs/add.yaml", "function: add:add\nargs: [40, 2]\n");
    let settings = folder.settings();
    let checked = Catalog::load(&settings.workspace).unwrap().graph.jobs["add"].clone();
    let app = App::new(settings, Arc::new(|_: &str| {}));
    let storage = app.storage(true).unwrap();
    let executor = app.engine(1).unwrap().executor(&storage).unwrap();
    let prepared = executor.prepare(&checked, Granted::default(), &Cancel::pair().1).unwrap();
    let runtime = guest_runtime().unwrap();
    let (_switch, cancel) = Cancel::pair();
    let build = || {
        let created = runtime
            .block_on(executor.create(&prepared, &BuildRequest::default(), &Wish { start: true, ..Wish::default() }))
            .unwrap();
        let id = created.id;
        let slot = runtime.block_on(Slots::new(1, Ledger::unbounded()).take());
        runtime.block_on(executor.execute(&prepared, created, slot, cancel.clone())).unwrap();
        id
    };
    let first = build();
    folder.run(&["build", "delete", &first.to_string()]).code(0);
    std::fs::remove_file(folder.path("jobs/add.yaml")).unwrap();
    assert_eq!(folder.json(&["store", "prune"])["plugins"], 1);
    assert_eq!(storage.get_plugin(&checked.plugin.digest), Ok(None));
    let second = build();
    assert!(second > first);
    assert_eq!(storage.get_plugin(&checked.plugin.digest), Ok(Some(checked.plugin.bytes.to_vec())));
    assert_eq!(folder.json(&["store", "prune"])["plugins"], 0, "a process that builds is no reason to keep or to take");
    folder.run(&["build", "rerun", &second.to_string()]).code(0).stdout("42\n");
}
