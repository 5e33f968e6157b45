//! What a process that dies leaves behind, and that nobody touches what a living one runs.

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;

use crate::harness::Folder;

const GUEST: &str = r#"
(component
  (core module $m
    (func (export "spin") (loop $again (br $again)))
    (func (export "one") (result i32) (i32.const 1)))
  (core instance $i (instantiate $m))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "one") (result u32) (canon lift (core func $i "one"))))
"#;

const JOBS: &str = "
jobs:
  - id: endless
    function: guest:spin
  - id: quick
    function: guest:one
";

/// A folder with a job `endless` and a job `quick`.
pub(super) fn endless() -> Folder {
    Folder::new().file("jobs/guest.wat", GUEST).file("jobs/jobs.yaml", JOBS)
}

/// A process in which a build runs without end; killed at the latest with the test.
pub(super) struct Endless(Child);

impl Endless {
    fn start(folder: &Folder) -> Self {
        Self::start_in(folder, "sqlite:jobcontrol.db")
    }

    /// Comes back when the build has started, in that store.
    pub(super) fn start_in(folder: &Folder, store: &str) -> Self {
        let mut child = folder.start(&["--store", store, "run", "endless"]);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let started = stderr.lines().map(Result::unwrap).find(|line| line.contains("started"));
        assert!(started.is_some(), "{:?}", child.wait_with_output());
        Self(child)
    }

    pub(super) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_build_of_a_dead_process_ends_interrupted() {
    let folder = endless();
    Endless::start(&folder).kill();
    assert_eq!(folder.json(&["build", "show", "1"])["status"], "RUNNING");
    folder
        .run(&["run", "quick"])
        .code(0)
        .stdout("1\n")
        .says("build 1 was interrupted: the process that ran it is gone");
    let build = folder.json(&["build", "show", "1"]);
    assert_eq!((&build["status"], &build["finished"]), (&"FAILED".into(), &true.into()));
    assert_eq!(build["exception"]["kind"], "interrupted");
    assert_eq!(folder.json(&["build", "show", "2"])["status"], "SUCCESSFUL");
    assert!(!folder.path("jobcontrol.db.owners").exists(), "what the dead owner left is removed");
    let again = folder.run(&["run", "quick"]).code(0);
    assert!(!again.stderr.contains("interrupted"), "it is told once: {again:?}");
}

#[test]
fn a_build_of_a_living_process_is_left_alone() {
    let folder = endless();
    let mut living = Endless::start(&folder);
    let answer = folder.run(&["run", "quick"]).code(0);
    assert!(!answer.stderr.contains("interrupted"), "{answer:?}");
    assert_eq!(folder.json(&["build", "show", "1"])["status"], "RUNNING");
    folder.run(&["build", "delete", "1"]).code(2).says("build 1 is running");
    living.kill();
    folder.run(&["run", "quick"]).code(0).says("build 1 was interrupted");
    assert_eq!(folder.json(&["build", "show", "1"])["status"], "FAILED");
}

#[test]
fn only_the_dead_among_several_are_ended() {
    let folder = endless();
    let mut processes = [Endless::start(&folder), Endless::start(&folder), Endless::start(&folder)];
    processes[1].kill();
    folder.run(&["run", "quick"]).code(0).says("build 2 was interrupted");
    let statuses = ["1", "2", "3"].map(|id| folder.json(&["build", "show", id])["status"].clone());
    assert_eq!(statuses, ["RUNNING", "FAILED", "RUNNING"]);
}
