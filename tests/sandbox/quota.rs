//! What may be written to a folder that is granted.

use crate::harness::Answer;
use crate::harness::Folder;

const MESSAGE: &str = "limit: what the build writes to `/out` is above 50000 bytes; raise it with `quota` of its grant";

/// A folder with one job that may write to `out`.
fn folder(guest: &str, function: &str, args: &str, quota: &str) -> Folder {
    let grant = format!("{{ host: ../out, guest: /out, mode: write{quota} }}");
    let job = format!("{{ id: j, function: {function}, args: {args}, grants: {{ files: [{grant}] }} }}");
    let folder = Folder::new().guest(guest).file("jobs/j.yaml", job);
    std::fs::create_dir(folder.path("out")).expect("a folder");
    folder
}

fn length(folder: &Folder, file: &str) -> u64 {
    std::fs::metadata(folder.path(file)).expect("the file").len()
}

fn run(folder: &Folder) -> Answer {
    folder.run(&["run", "j"])
}

#[test]
fn what_is_above_the_quota_is_not_written() {
    let within = folder("sdk.wasm", "sdk:writes", "[/out/a, 50]", ", quota: 50 KB");
    run(&within).code(0).tells("50");
    assert_eq!(length(&within, "out/a"), 50_000);
    let above = folder("sdk.wasm", "sdk:writes", "[/out/a, 51]", ", quota: 50 KB");
    run(&above).code(1).says(MESSAGE);
    assert_eq!(length(&above, "out/a"), 50_000);
    run(&folder("sdk.wasm", "sdk:writes", "[/out/a, 51]", "")).code(0);
}

#[test]
fn what_a_file_grows_by_counts_as_written() {
    let above = folder("sdk.wasm", "sdk:grows", "[/out/a, 50001]", ", quota: 50 KB");
    run(&above).code(1).says(MESSAGE);
    assert_eq!(length(&above, "out/a"), 0);
    run(&folder("sdk.wasm", "sdk:grows", "[/out/a, 50000]", ", quota: 50 KB")).code(0);
}

#[test]
fn a_module_of_preview1_is_counted_too() {
    let above = folder("files_write.wat", "files_write", "[]", ", quota: 50 KB");
    run(&above).code(1).says(MESSAGE);
    assert_eq!(length(&above, "out/made"), 50_000);
    for quota in ["", ", quota: 100 KB"] {
        let within = folder("files_write.wat", "files_write", "[]", quota);
        run(&within).code(0);
        assert_eq!(length(&within, "out/made"), 100_000);
    }
    run(&folder("files_large.wat", "files_large", "[]", ", quota: 50 KB")).code(1).says(MESSAGE);
    run(&folder("files_large.wat", "files_large", "[]", ", quota: 1 GiB")).code(0);
}

#[test]
fn each_folder_has_its_own_quota() {
    let folder = folder("sdk.wasm", "sdk:writes", "[/more/a, 60]", "");
    std::fs::create_dir(folder.path("more")).expect("a folder");
    let grants = "[{ host: ../out, guest: /out, mode: write, quota: 50 KB }, { host: ../more, guest: /more, mode: write, quota: 1 MiB }]";
    let job =
        |path: &str| format!("{{ id: j, function: sdk:writes, args: [{path}, 60], grants: {{ files: {grants} }} }}");
    folder.write("jobs/j.yaml", job("/more/a"));
    run(&folder).code(0);
    folder.write("jobs/j.yaml", job("/out/a"));
    run(&folder).code(1).says(MESSAGE);
}

#[test]
fn a_quota_needs_a_grant_for_writing() {
    let folder = Folder::new().guest("sdk.wasm");
    folder.write(
        "jobs/j.yaml",
        "{ id: j, function: sdk:counts, args: [1], grants: { files: [{ host: .., guest: /x, quota: 1 MiB }] } }",
    );
    folder.run(&["check"]).code(3).tells("`quota` limits what is written, but the grant is read-only");
}
