//! Disks that are full, that cannot be written, and files that are damaged: a clear error, exit 5,
//! and nothing lost that was acknowledged. The file systems are real and seen by one process tree
//! alone, which takes `unshare` and `mount`.

use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;

use super::jobs;
use crate::harness::Folder;

fn folder() -> Folder {
    jobs(&["id: quick, function: attempts:flaky, args: [1]"])
        .file("jobs/log_raw.wat", std::fs::read(crate::harness::root().join("tests/guests/log_raw.wat")).unwrap())
        .file("jobs/talks.yaml", "id: talks\nfunction: log_raw:write\nargs: [1, 0, 60000, 0, 0, 40]\n")
}

/// Runs a script in the folder, in which `jc NAME ARGS..` runs the program and keeps its answer
/// under that name. It may mount what it likes.
pub(super) fn mounted(folder: &Folder, script: &str) {
    let program = folder.command(&[]);
    let helper = "jc() { name=$1; shift; code=0; \"$PROGRAM\" --store sqlite:small/jobcontrol.db \"$@\" \
                  >$name.out 2>$name.err || code=$?; echo $code >$name.code; }";
    let mut command = Command::new("unshare");
    // Root mounts as itself, others in a name space of their own.
    let own = ["--user", "--map-root-user"];
    command.args(own.iter().filter(|_| !rustix::process::geteuid().is_root()));
    command.args(["--mount", "sh", "-euc", &format!("{helper}\nmkdir -p small\n{script}")]);
    command.current_dir(folder.path("")).env("PROGRAM", program.get_program());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().expect("`unshare` is there");
    assert!(output.status.success(), "this test mounts a file system of its own: {output:?}");
}

#[track_caller]
pub(super) fn answered(folder: &Folder, name: &str, code: i32, says: &str) {
    let read = |part: &str| std::fs::read_to_string(folder.path(&format!("{name}.{part}"))).unwrap();
    let (found, said) = (read("code"), read("err"));
    assert_eq!(found.trim(), code.to_string(), "{name}: {said}");
    assert!(said.contains(says), "{name}: `{says}` is not in {said}");
    assert!(!said.contains("locked") && !said.contains("bug"), "{said}");
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let folder = folder();
    mounted(
        &folder,
        "mount -t tmpfs -o size=2560k none small
         jc first run quick
         # More can be freed than the store can take: with less room than its log has, the log cannot get into its file.
         dd if=/dev/zero of=small/reserve bs=1k count=1300 2>/dev/null
         jc talks run talks
         rm -f fill; dd if=/dev/zero of=small/fill bs=1k count=4096 2>/dev/null || true
         jc full run talks quick
         jc read builds --format json
         rm small/fill small/reserve
         jc again run quick
         jc after builds --format json
         jc copy store backup copy.db",
    );
    answered(&folder, "first", 0, "build 1 SUCCESSFUL");
    // More than the whole disk holds: whatever finds room, the log does not.
    answered(&folder, "talks", 5, "jobcontrol.db");
    answered(&folder, "full", 5, "jobcontrol.db");
    answered(&folder, "again", 0, "SUCCESSFUL");
    answered(&folder, "copy", 0, "");
    let after: Value = serde_json::from_str(&std::fs::read_to_string(folder.path("after.out")).unwrap()).unwrap();
    let status = |id: usize| after[id - 1]["status"].as_str().unwrap().to_owned();
    assert_eq!(status(1), "SUCCESSFUL", "{after:#}");
    let said: String = ["first", "talks", "full", "again"]
        .iter()
        .map(|name| std::fs::read_to_string(folder.path(&format!("{name}.err"))).unwrap())
        .collect();
    for line in said.lines().filter(|line| line.contains(" SUCCESSFUL in ")) {
        let id = line.split(": build ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        assert_eq!(status(id.parse().unwrap()), "SUCCESSFUL", "{line}: {after:#}");
    }
    let unfinished = after.as_array().unwrap().iter().filter(|build| build["finished"] == false).count();
    assert_eq!(unfinished, 0, "{after:#}");
}

#[test]
fn a_store_that_cannot_be_written_says_so() {
    let folder = folder();
    mounted(
        &folder,
        "jc first run quick
         mount --bind small small
         mount -o remount,ro,bind small
         jc run run quick
         jc prune logs prune --level info
         jc delete build delete 1
         jc list builds
         jc show build show 1
         jc log logs 1
         jc jobs jobs
         jc copy store backup copy.db
         umount small
         jc after builds",
    );
    answered(&folder, "first", 0, "SUCCESSFUL");
    for name in ["run", "prune", "delete"] {
        answered(&folder, name, 5, "the store");
    }
    answered(&folder, "run", 5, "its file system is read-only");
    for name in ["list", "show", "log", "jobs", "copy", "after"] {
        answered(&folder, name, 0, "");
    }
    let told = |name: &str| std::fs::read_to_string(folder.path(&format!("{name}.out"))).unwrap();
    let after = told("after");
    assert!(after.contains("SUCCESSFUL") && after.lines().count() == 2, "{after}");
    assert_eq!(told("list"), after);
    assert!(told("show").contains("SUCCESSFUL") && told("jobs").contains("success"));
    assert_eq!(folder.json(&["--store", "sqlite:copy.db", "builds"])[0]["status"], "SUCCESSFUL");
}

#[test]
fn changes_beside_a_store_that_cannot_be_written_are_not_passed_over() {
    let folder = folder();
    mounted(&folder, "jc first run quick");
    answered(&folder, "first", 0, "SUCCESSFUL");
    let open = Connection::open(folder.path("small/jobcontrol.db")).unwrap();
    open.execute("UPDATE build SET owner = 'newer'", []).unwrap();
    std::fs::create_dir(folder.path("copied")).unwrap();
    for file in ["jobcontrol.db", "jobcontrol.db-wal"] {
        std::fs::copy(folder.path(&format!("small/{file}")), folder.path(&format!("copied/{file}"))).unwrap();
    }
    drop(open);
    mounted(
        &folder,
        "mount --bind copied small
         mount -o remount,ro,bind small
         jc list builds
         jc run run quick
         umount small
         mount --bind copied small
         jc after build show 1 --format json",
    );
    for name in ["list", "run"] {
        answered(&folder, name, 5, "jobcontrol.db-wal` has changes that belong in it; copy both files");
    }
    answered(&folder, "after", 0, "");
    assert!(std::fs::read_to_string(folder.path("after.out")).unwrap().contains("newer"));
}

#[test]
fn a_damaged_store_says_so_and_is_left_as_it_is() {
    let folder = folder();
    folder.run(&["run", "quick"]).code(0);
    let path = folder.path("jobcontrol.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let page = 4_096;
    bytes[page..].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    for command in
        [&["run", "quick"][..], &["builds"], &["build", "show", "1"], &["logs", "1"], &["build", "cancel", "1"]]
    {
        folder.run(command).code(5).says("jobcontrol.db").says("it is damaged; restore a backup");
    }
    let now = std::fs::read(&path).unwrap();
    assert_eq!(now[page..], bytes[page..], "nothing was written over it");
}
