//! One store under several names: links to it, and links on the way to it.

use std::os::unix::fs::symlink;

use super::rescue::Endless;
use super::rescue::endless;
use crate::harness::Folder;

/// A folder in which a build runs without end in `jobcontrol.db`, or another store.
fn running(folder: Folder, store: &str) -> (Folder, Endless) {
    let endless = Endless::start_in(&folder, store);
    (folder, endless)
}

/// Asserts that nobody takes the running build 1 for one of the dead, under that name of the store.
#[track_caller]
fn lives(folder: &Folder, name: &str) {
    let store = format!("sqlite:{name}");
    let on = |arguments: &[&str]| {
        let arguments: Vec<_> = ["--store", &store].iter().chain(arguments).copied().collect();
        folder.run(&arguments)
    };
    let answer = on(&["run", "quick"]).code(0);
    assert!(!answer.stderr.contains("interrupted"), "{answer:?}");
    on(&["build", "delete", "1"]).code(2).says("build 1 is running");
    on(&["store", "uninstall", "--yes"]).code(2).says("build 1 is running; nothing was removed");
    on(&["store", "restore", "copy.db"]).code(2).says("is in use by process");
    assert_eq!(folder.json(&["--store", &store, "build", "show", "1"])["status"], "RUNNING");
}

fn with_copy() -> Folder {
    let folder = endless();
    folder.run(&["--store", "sqlite:other.db", "run", "quick"]).code(0);
    folder.run(&["--store", "sqlite:other.db", "store", "backup", "copy.db"]).code(0);
    folder
}

#[test]
fn a_link_is_the_store_it_leads_to() {
    let (folder, _endless) = running(with_copy(), "sqlite:jobcontrol.db");
    symlink("jobcontrol.db", folder.path("link.db")).unwrap();
    symlink("link.db", folder.path("link-to-link.db")).unwrap();
    symlink(".", folder.path("here")).unwrap();
    let absolute = folder.path("jobcontrol.db");
    for name in ["link.db", "link-to-link.db", "here/jobcontrol.db", "here/link.db", absolute.to_str().unwrap()] {
        lives(&folder, name);
    }
    assert!(!folder.path("link.db.owners").exists(), "it lies beside the store");
}

#[test]
fn a_link_to_a_store_that_is_made_later() {
    let folder = with_copy();
    std::fs::create_dir(folder.path("kept")).unwrap();
    symlink("kept/store.db", folder.path("link.db")).unwrap();
    let (folder, _endless) = running(folder, "sqlite:link.db");
    assert!(folder.path("kept/store.db.owners").exists(), "it lies beside the store");
    lives(&folder, "kept/store.db");
    lives(&folder, "link.db");
}

#[test]
fn restoring_through_a_link_replaces_what_it_leads_to() {
    let folder = with_copy();
    std::fs::create_dir(folder.path("kept")).unwrap();
    symlink("kept/store.db", folder.path("link.db")).unwrap();
    let link = ["--store", "sqlite:link.db"];
    let on = |arguments: &[&str]| folder.run(&[&link, arguments].concat());
    on(&["run", "quick"]).code(0);
    on(&["run", "quick"]).code(0);
    on(&["store", "restore", "copy.db"]).code(0);
    assert!(folder.path("link.db").is_symlink());
    assert!(folder.path("kept/store.db.replaced").exists());
    for store in ["sqlite:link.db", "sqlite:kept/store.db"] {
        assert_eq!(folder.json(&["--store", store, "builds"]).as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn what_lies_beside_a_linked_store_is_not_granted() {
    let folder = Folder::new().guest("add.wat").file(
        "jobs/x.yaml",
        "jobs: [{ id: a, function: add:add, args: [1, 2], grants: { files: [{ host: ../kept, guest: /k }] } }]",
    );
    std::fs::create_dir(folder.path("kept")).unwrap();
    symlink("kept/store.db", folder.path("link.db")).unwrap();
    let answer = folder.run(&["--store", "sqlite:link.db", "check"]).code(3);
    assert!(answer.stdout.contains("it overlaps the store `link.db`"), "{answer:?}");
}

#[test]
fn a_second_name_without_a_link_is_refused() {
    let folder = with_copy();
    folder.run(&["run", "quick"]).code(0);
    std::fs::hard_link(folder.path("jobcontrol.db"), folder.path("hard.db")).unwrap();
    for name in ["jobcontrol.db", "hard.db"] {
        let store = format!("sqlite:{name}");
        for command in [&["run", "quick"][..], &["builds"]] {
            let answer = folder.run(&[&["--store", &store], command].concat()).code(5).stdout("");
            let answer = answer.says(&format!("the store `{name}` has 2 names (hard links)"));
            answer.says("keep one of them, or make the others symbolic links");
        }
    }
    std::fs::remove_file(folder.path("hard.db")).unwrap();
    folder.run(&["run", "quick"]).code(0);
}
