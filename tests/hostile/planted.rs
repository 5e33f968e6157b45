//! Compiled code that another user put into the cache while the folder was open to others: it never
//! runs, whatever the folder's mode is now, and a folder of another user is not used at all.

use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::value::digest;

use crate::harness::Folder;

/// Another user than the one who runs the tests.
const STRANGER: u32 = 1_000;

/// Plugins that look alike from outside, and do not return the same.
fn plugin(returned: u32) -> String {
    format!("(module (func (export \"f\") (result i32) (i32.const {returned})))")
}

/// A folder whose job returns 7.
fn folder() -> Folder {
    Folder::new().file("jobs/p.wat", plugin(7)).file("jobs/j.yaml", "id: j\nfunction: p:f\n")
}

fn entry(folder: &Folder) -> PathBuf {
    let files = std::fs::read_dir(folder.path("cache")).expect("a cache").map(|file| file.expect("a file").path());
    let mut entries: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "cwasm")).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

/// Puts other code in the place of the job's, with a seal that is right.
fn planted() -> (Folder, PathBuf) {
    let (folder, other) = (folder(), folder().file("jobs/p.wat", plugin(666)));
    for folder in [&folder, &other] {
        folder.run(&["run", "j", "--cache", "cache"]).code(0);
    }
    let (entry, code) = (entry(&folder), std::fs::read(entry(&other)).expect("compiled code"));
    let seal = entry.with_extension("seal");
    let said = std::fs::read_to_string(&seal).expect("a seal");
    let key = said.split(' ').next().expect("the name of the plugin");
    std::fs::remove_file(&entry).expect("it was there");
    std::fs::remove_file(&seal).expect("it was there");
    std::fs::write(&entry, &code).expect("other code");
    let file = std::fs::metadata(&entry).expect("a file");
    let state = format!("{} {} {}.{:09}", file.len(), file.ino(), file.ctime(), file.ctime_nsec());
    std::fs::write(&seal, format!("{key} {} {state}\n", digest(&code))).expect("a seal for it");
    (folder, entry)
}

/// Gives a file to the other user, if the user of the tests may do that.
fn given_away(path: &Path) -> bool {
    chown(path, Some(STRANGER), Some(STRANGER)).is_ok()
}

#[test]
fn code_of_another_user_does_not_run() {
    let (control, _) = planted();
    control.run(&["run", "j", "--cache", "cache"]).code(0).stdout("666\n");
    let (folder, entry) = planted();
    let seal = entry.with_extension("seal");
    if !(given_away(&entry) && given_away(&seal)) {
        // A second name is all that a user can make of a file that is another's.
        std::fs::hard_link(&entry, folder.path("theirs")).expect("a second name");
    }
    folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
    folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
}

#[test]
fn code_that_others_may_write_does_not_run() {
    for mode in [0o666, 0o620, 0o602] {
        let (folder, entry) = planted();
        std::fs::set_permissions(&entry, PermissionsExt::from_mode(mode)).expect("a mode");
        folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
    }
}

#[test]
fn code_behind_a_link_does_not_run() {
    let (folder, entry) = planted();
    std::fs::rename(&entry, folder.path("theirs")).expect("it is moved");
    std::os::unix::fs::symlink(folder.path("theirs"), &entry).expect("a link");
    folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
}

#[test]
fn a_folder_of_another_user_is_not_used() {
    let (folder, _) = planted();
    if !given_away(&folder.path("cache")) {
        return;
    }
    let answer = folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("7\n");
    answer.says("the cache folder belongs to another user, so it is not used");
    let before = std::fs::read_dir(folder.path("cache")).expect("a cache").count();
    folder.write("jobs/p.wat", plugin(8));
    folder.run(&["run", "j", "--cache", "cache"]).code(0).stdout("8\n");
    assert_eq!(std::fs::read_dir(folder.path("cache")).expect("a cache").count(), before, "nothing is put there");
}
