//! A guest that makes a file larger than any may be (`ulimit -f`): it is told, and nobody dies of
//! SIGXFSZ.

use std::process::Command;

use crate::harness::Answer;
use crate::harness::Folder;

/// Runs the program in a shell that limits the size of files, in KiB.
fn limited(folder: &Folder, kib: u32, arguments: &str) -> Answer {
    let program = folder.command(&[]);
    let mut command = Command::new("bash");
    command.args(["-c", &format!("ulimit -f {kib} && exec \"$PROGRAM\" {arguments}")]).current_dir(folder.path(""));
    command.env("PROGRAM", program.get_program());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.output().expect("`bash` is there").into()
}

fn folder() -> Folder {
    let folder = Folder::new()
        .guest("files_large.wat")
        .guest("log_raw.wat")
        .guest("add.wat")
        .file(
            "jobs/evil.yaml",
            "id: evil\nfunction: files_large\ngrants: { files: [{ host: ../rw, guest: /rw, mode: write }] }\n",
        )
        .file("jobs/good.yaml", "id: good\nfunction: add:add\nargs: [1, 2]\n")
        .file("jobs/talks.yaml", "id: talks\nfunction: log_raw:write\nargs: [1, 0, 60000, 0, 0, 40]\n");
    std::fs::create_dir(folder.path("rw")).expect("a folder");
    folder
}

#[test]
fn a_guest_is_told_that_a_file_may_not_be_so_large() {
    let folder = folder();
    let answer = limited(&folder, 50_000, "run evil good").code(1).says(": build 1").says(": build 2");
    // 22 is the errno `fbig` of preview1.
    answer.says("exit: the plugin exited with code 22").stdout("3\n");
    folder.run(&["run", "evil"]).code(0);
    assert_eq!(std::fs::metadata(folder.path("rw/big")).expect("the file").len(), 1_000_000_000);
}

#[test]
fn a_store_that_may_not_grow_says_so_and_loses_nothing() {
    let folder = folder();
    let says = "no file may be larger than 20 KiB (`ulimit -f`)";
    limited(&folder, 20, "run good --store sqlite:small.db").code(5).says("small.db`: disk I/O error").says(says);
    folder.run(&["run", "good"]).code(0);
    limited(&folder, 400, "run talks")
        .code(5)
        .says("jobcontrol.db`: disk I/O error")
        .says("than 400 KiB (`ulimit -f`)");
    let builds = folder.json(&["builds"]);
    assert_eq!(builds[0]["status"], "SUCCESSFUL", "{builds:#}");
    folder.run(&["run", "good"]).code(0);
    folder.run(&["run", "good", "--store", "sqlite:small.db"]).code(0);
}
