//! Every mistake in a manifest, by the whole text that `check` answers.
//!
//! A case is a file `tests/manifests/invalid/NAME.yaml`, or a folder of that name with several
//! (with `jobs` in it, the whole folder in which the program is run), beside the text it is
//! answered with, `NAME.txt`. `BLESS=1 cargo test` writes the answers anew; read them before you
//! commit them.

use std::path::Path;

use crate::harness::Folder;
use crate::harness::root;

fn case(name: &str) {
    let cases = root().join("tests/manifests/invalid");
    let mut folder = Folder::new();
    for guest in ["sales.wat", "types.wat"] {
        folder = folder.guest(guest);
    }
    let single = cases.join(format!("{name}.yaml"));
    if single.is_file() {
        folder.write(&format!("jobs/{name}.yaml"), std::fs::read(&single).expect("the case"));
    } else {
        let (case, whole) = (cases.join(name), cases.join(name).join("jobs").is_dir());
        copy(&case, &folder, if whole { "" } else { "jobs/" });
    }
    let answer = folder.run(&["check"]).code(3);
    let expected = cases.join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&expected, &answer.stdout).expect("the answer is written");
    }
    let expected = std::fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(answer.stdout, expected, "\n{}", answer.stdout);
    assert_eq!(answer.stderr, "");
}

fn copy(from: &Path, folder: &Folder, into: &str) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(|entry| entry.expect("the case")) {
        if entry.file_type().is_file() {
            let inside = entry.path().strip_prefix(from).expect("below the case");
            folder.write(&format!("{into}{}", inside.display()), std::fs::read(entry.path()).expect("a file"));
        }
    }
}

macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test] fn $name() { case(stringify!($name)); })*

        #[test]
        fn every_case_is_tested() {
            let listed = [$(stringify!($name)),*];
            for entry in std::fs::read_dir(root().join("tests/manifests/invalid")).expect("the cases") {
                let path = entry.expect("a case").path();
                let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
                assert!(listed.contains(&stem), "{stem} is in no test");
            }
        }
    };
}

cases! {
    above_the_ceiling
    alias_bomb
    argument_given_twice
    bad_durations_and_sizes
    bad_ids
    bad_retries_and_timeouts
    cycle
    depends_on_itself
    duplicate_id
    duplicate_key
    empty_file
    environment_not_allowed
    files_grant_refused
    function_written_otherwise
    hooks_misfit
    http_and_secrets
    function_unknown
    indented_too_little
    job_unknown
    literals_of_wrong_types
    missing_and_surplus_arguments
    mismatch_in_two_files
    nested_too_deep
    not_quite_yaml
    not_supported_yet
    not_yaml
    parameter_unknown
    plugin_in_two_places
    plugin_lookalikes
    plugin_of_several_jobs
    plugin_unknown
    pools
    record_field_misspelt
    retval_does_not_fit
    retval_field_fits
    retval_field_unknown
    retval_of_nothing
    root_is_a_list
    schedule_without_quotes
    schedules
    tabs
    tags_unknown
    triggers
    unknown_keys
    words_of_other_tools
    wrong_kinds
    yaml_help
    yaml_help_brackets
}

/// What stands in the way of reading a file at all.
#[track_caller]
fn answers(folder: &Folder, text: &str) {
    folder.run(&["check"]).code(3).stdout(text);
}

#[test]
fn an_empty_folder() {
    answers(
        &Folder::new(),
        "error[JC0109]: there are no manifests (*.yaml, *.yml) below `jobs`\n \
         |\n \
         = help: write one, or name another folder with `--jobs DIR`\n\n\
         1 error; run `jobcontrol explain JC0109` for more\n",
    );
}

#[test]
fn a_folder_that_is_missing() {
    Folder::new()
        .run(&["check", "--jobs", "nowhere"])
        .code(2)
        .says("error: the jobs folder `nowhere` is missing; name the right one with `--jobs DIR`");
}

#[test]
fn a_file_that_is_not_utf8() {
    let folder = Folder::new().file("jobs/x.yaml", b"id: x\ntitle: \xff\n");
    answers(
        &folder,
        "error[JC0102]: `jobs/x.yaml` is not UTF-8 text: line 2 has the byte 0xff\n |\n = help: save it as UTF-8\n\n\
         1 error; run `jobcontrol explain JC0102` for more\n",
    );
}

#[test]
fn a_file_of_fifty_megabytes() {
    let folder = Folder::new().file("jobs/x.yaml", vec![b'a'; 50_000_000]);
    answers(
        &folder,
        "error[JC0103]: `jobs/x.yaml` has 50000000 bytes, a manifest may have 4 MiB\n |\n \
         = help: split it into several files\n\n1 error; run `jobcontrol explain JC0103` for more\n",
    );
}

#[test]
fn a_folder_with_the_name_of_a_manifest() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("jobs/x.yaml")).expect("a folder");
    answers(
        &folder,
        "error[JC0111]: `jobs/x.yaml` is a folder with the name of a manifest\n |\n \
         = help: rename it without the ending\n\n1 error; run `jobcontrol explain JC0111` for more\n",
    );
}

/// The first line of the first mistake.
#[track_caller]
fn begins(folder: &Folder, line: &str) {
    let answer = folder.run(&["check"]).code(3);
    assert_eq!(answer.stdout.lines().next(), Some(line), "{answer:#?}");
}

#[test]
fn a_link_that_leads_nowhere() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("nowhere", folder.path("jobs/x.yaml")).expect("a link");
    begins(&folder, "error[JC0101]: `jobs/x.yaml` is a link whose target does not exist");
}

#[test]
fn a_link_to_a_folder_elsewhere() {
    let folder = Folder::new().file("other/x.yaml", "function: a:b\n");
    std::os::unix::fs::symlink("../other", folder.path("jobs/more")).expect("a link");
    begins(&folder, "error[JC0112]: `jobs/more` is a link to a folder outside the jobs folder");
}

#[test]
fn plugins_that_cannot_be_read() {
    let job = |function: &str| Folder::new().file("jobs/x.yaml", format!("function: {function}\n"));
    let outside = job("../outside.wat:run").file("outside.wat", "(component)");
    begins(&outside, "error[JC0302]: `jobs/../outside.wat` is outside the jobs folder and the plugin folders");
    begins(&job("p:run").file("jobs/p.wasm/x", ""), "error[JC0303]: `jobs/p.wasm` is a folder");
    let large = job("p:run").file("jobs/p.wasm", "");
    std::fs::File::options()
        .write(true)
        .open(large.path("jobs/p.wasm"))
        .and_then(|f| f.set_len(65 << 20))
        .expect("a hole");
    begins(&large, "error[JC0304]: `jobs/p.wasm` is 68157440 bytes; a plugin may have at most 64 MiB");
    begins(
        &job("./export_resource.wat:take-basket").guest("export_resource.wat"),
        "error[JC0312]: `take-basket` cannot be a job's function: its signature has a resource: \
         `take-basket: func() -> resource`",
    );
}

#[test]
fn notes_of_a_hundred_kilobytes() {
    let notes = "x".repeat(100_000);
    let folder = Folder::new().guest("shop.wat");
    let folder = folder.file("jobs/x.yaml", format!("function: shop:tidy\nnotes: {notes}\n"));
    begins(&folder, "error[JC0211]: `notes` is longer than 64 KiB");
}

#[test]
fn a_file_saved_as_utf16() {
    let text = "id: x\nfunction: shop:tidy\n";
    let marked: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let unmarked: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (bytes, encoding) in [(marked, "UTF-16LE"), (unmarked, "UTF-16BE")] {
        answers(
            &Folder::new().file("jobs/x.yaml", bytes),
            &format!(
                "error[JC0102]: `jobs/x.yaml` is saved as {encoding}, but only UTF-8 can be read\n |\n \
                 = help: save it again as UTF-8: editors ask for the encoding under `Save as` or `Save with encoding`\n \
                 = help: or convert it: `iconv -f {encoding} -t UTF-8 jobs/x.yaml > new.yaml`\n\n\
                 1 error; run `jobcontrol explain JC0102` for more\n"
            ),
        );
    }
}

#[test]
fn a_mark_of_utf8_and_windows_line_ends_are_no_mistake() {
    let text = "\u{feff}id: x\r\nfunction: shop:count\r\nargs:\r\n  - 300\r\n";
    let folder = Folder::new().guest("shop.wat").file("jobs/x.yaml", text);
    answers(
        &folder,
        "error[JC0406]: items: 300 is out of range for u8\n --> jobs/x.yaml:4:5\n  |\n\
         4 |   - 300\n  |     ^^^\n  |\n  = help: u8 holds 0 to 255\n\n\
         1 error; run `jobcontrol explain JC0406` for more\n",
    );
    folder.write("jobs/x.yaml", text.replace("300", "200"));
    folder.run(&["check"]).code(0).stdout("1 job in 1 manifest: all good\n");
}

#[test]
fn the_operators_file_among_the_jobs() {
    let folder = Folder::new().file("jobs/jobcontrol.yaml", "environment: [HOME]\n");
    answers(
        &folder,
        "error[JC0110]: `jobs/jobcontrol.yaml` is below the jobs folder, where anybody who writes jobs can change it\n |\n \
         = help: move it to the folder where jobcontrol is run\n\n1 error; run `jobcontrol explain JC0110` for more\n",
    );
}

#[test]
fn memory_of_all_builds_that_makes_no_sense() {
    let asked = |memory: &str| {
        let folder = Folder::new().file("jobcontrol.yaml", format!("memory: {memory}\n"));
        let said = folder.run(&["check"]).code(3).stderr;
        said.lines().find(|line| line.starts_with("error")).unwrap_or_default().to_owned()
    };
    assert_eq!(asked("4"), "error[JC0602]: `memory` is a size such as `64 MiB`: found the integer 4");
    assert_eq!(asked("63 MiB"), "error[JC0603]: `memory` must be at least 64 MiB");
    assert_eq!(asked("70000 GiB"), "error[JC0603]: `memory` can be at most 65536 GiB");
}

#[test]
fn limits_of_compiling_that_make_no_sense() {
    let asked = |compile: &str| {
        let folder = Folder::new().file("jobcontrol.yaml", format!("compile: {compile}\n"));
        let said = folder.run(&["check"]).code(3).stderr;
        said.lines().filter(|line| line.starts_with("error")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(asked("1s"), ["error[JC0203]: `compile` is a mapping, found the string `1s`"]);
    assert_eq!(
        asked("{ timeout: 60, memory: 64 }"),
        [
            "error[JC0601]: `timeout` is a duration with its unit, found a number",
            "error[JC0602]: `memory` is a size such as `64 MiB`: found the integer 64"
        ]
    );
    assert_eq!(
        asked("{ timeout: 2h, memory: 127 MiB }"),
        ["error[JC0603]: `timeout` can be at most 1h", "error[JC0603]: `memory` must be at least 128 MiB"]
    );
    assert_eq!(
        asked("{ time: 1s, memory: 65 GiB }"),
        ["error[JC0603]: `memory` can be at most 64 GiB", "error[JC0201]: unknown key `time`"]
    );
}

#[test]
fn mistakes_of_the_operator() {
    let folder = Folder::new().file("jobcontrol.yaml", "enviroment: [HOME]\nceiling: { limits: { memory: lots } }\n");
    let answer = folder.run(&["check"]).code(3);
    assert_eq!(
        answer.stderr,
        "error[JC0602]: `memory` is a size such as `64 MiB`: `lots` is not a size\n \
          --> jobcontrol.yaml:2:30\n  |\n\
         2 | ceiling: { limits: { memory: lots } }\n  |                              ^^^^\n\n\
         error[JC0201]: unknown key `enviroment`\n \
          --> jobcontrol.yaml:1:1\n  |\n\
         1 | enviroment: [HOME]\n  | ^^^^^^^^^^\n  |\n  = help: did you mean `environment`?\n\n\
         2 errors; run `jobcontrol explain JC0602` for more\n"
    );
}

#[test]
fn pools_of_the_operator_that_make_no_sense() {
    let folder = Folder::new().file("jobcontrol.yaml", "pools: { 'a b': 1, db: 0, net: 10001, up: many, 7: 1 }\n");
    let said = folder.run(&["check"]).code(3).stderr;
    let said: Vec<_> = said.lines().filter(|line| line.starts_with("error") || line.contains("help")).collect();
    assert_eq!(
        said,
        [
            "error[JC0616]: `a b` cannot be a pool's name",
            "  = help: a pool's name is like a job's id: letters, digits, `_` and `-`",
            "error[JC0603]: `db` must be above zero",
            "error[JC0603]: `net` can be at most 10000",
            "error[JC0602]: `up` is a number: found the string `many`",
        ]
    );
    folder.write("jobcontrol.yaml", "pools: [db]\n");
    folder.run(&["check"]).code(3).says("`pools` is a mapping, found a list").says("write `pools: { db: 3 }`");
}

#[test]
fn small_mistakes_are_told_at_their_own_place() {
    let job = "jobs:\n  - id: a\n    function: x:f\n    nope: 1\n    limits: { log_records: -1 }\n    grants:\n      files:\n        - { host: . }\n";
    let folder = Folder::new().file("jobs/a.yaml", job).file("jobs/x.wasm", b"\0asm");
    let told = folder.run(&["check"]).code(3).stdout;
    assert!(told.contains("a files grant needs `host` and `guest`\n --> jobs/a.yaml:8:11"), "{told}");
    assert!(told.contains("`log_records` is a number: 1 to 10000000, found -1"), "{told}");
    folder.write("jobs/a.yaml", "function: x:f\n");
    let told = folder.run(&["check"]).code(3).stdout;
    assert!(told.contains("is cut short: it has 4 bytes"), "{told}");
    folder.write("jobcontrol.yaml", "ceiling: { files: [{ host: ./data, mode: wirte }, { mode: write }] }\n");
    folder
        .run(&["check"])
        .code(3)
        .says("`mode` is `read` or `write`, found `wirte`")
        .says("a folder of the ceiling needs `host`\n --> jobcontrol.yaml:1:51");
}
