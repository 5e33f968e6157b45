//! The command line as people use it: lists, names of builds, times, how a failure came about, one
//! document for programs.

use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::harness::Answer;
use crate::harness::Folder;
use crate::harness::shell;

const JOBS: &str = "
jobs:
  - { id: sum, title: A sum, tags: [numbers], function: add:add, args: [1, 2] }
  - { id: half, tags: [numbers, last], function: divide:divide, args: [!retval sum, 2], limits: { memory: 64 MiB } }
  - { id: nothing, function: divide:divide, args: [!retval sum, 0] }
";

fn sums() -> Folder {
    Folder::new().guest("add.wat").guest("divide.wat").file("jobs/sums.yaml", JOBS)
}

/// Three builds: `sum`, `half`, `sum`.
fn built() -> Folder {
    let folder = sums();
    for job in ["sum", "half", "sum"] {
        folder.run(&["run", job]).code(0);
    }
    folder
}

fn ids(builds: &Value) -> Vec<u64> {
    builds.as_array().expect("a list").iter().map(|build| build["id"].as_u64().expect("an id")).collect()
}

#[test]
fn builds_are_the_newest_ones_and_the_newest_comes_last() {
    let folder = built();
    let listed =
        folder.run(&["builds", "--limit", "2"]).code(0).says("the newest 2 of 3 builds; `--limit 3` shows all");
    let numbers: Vec<_> = listed.stdout.lines().skip(1).map(|line| line.split(' ').next().unwrap_or("")).collect();
    assert_eq!(numbers, ["2", "3"]);
    assert_eq!(ids(&folder.json(&["builds", "--limit", "2"])), [2, 3]);
    assert_eq!(ids(&folder.json(&["builds", "--limit", "2", "--order", "desc"])), [3, 2]);
    assert_eq!(folder.run(&["builds", "--limit", "3"]).code(0).stderr, "");
    assert_eq!(folder.run(&["builds", "sum", "--limit", "1"]).code(0).stderr.lines().count(), 1);
}

#[test]
fn a_job_stands_for_its_latest_build() {
    let folder = built();
    let shown = |name: &str| folder.json(&["build", "show", name])["id"].clone();
    assert_eq!([shown("sum"), shown("sum~1"), shown("job:sum"), shown("2")], [json!(3), json!(1), json!(3), json!(2)]);
    assert_eq!(folder.json(&["build", "rerun", "sum~1"])["rerun_of"], 1);
    folder.run(&["build", "cancel", "sum"]).code(2).says("build 4 has already ended");
    folder.run(&["build", "delete", "4"]).code(0);
    folder.run(&["logs", "half"]).code(0).says("the log of build 2:");
    let refused = folder.run(&["build", "show", "sum~2"]).code(4);
    refused.says("`sum` has 2 builds, so there is no `sum~2`; `jobcontrol builds sum` lists them");
    folder.run(&["logs", "nothing"]).code(4).says("`nothing` has no builds yet; `jobcontrol run nothing` builds it");
    folder.run(&["logs", "nothin"]).code(4).says("did you mean `nothing`?");
    folder.run(&["logs", "~1"]).code(2).says("expected the number of a build, or the id of a job");
}

#[test]
fn a_subcommand_wins_over_a_job_of_its_name() {
    let folder = Folder::new().guest("add.wat").file("jobs/prune.yaml", "function: add:add\nargs: [1, 2]\n");
    folder.run(&["run", "prune"]).code(0);
    folder.run(&["logs", "prune"]).code(2).says("say which records to delete");
    folder.run(&["logs", "job:prune"]).code(0).says("the log of build 1:");
}

#[test]
fn people_see_their_own_time_and_programs_utc() {
    let folder = built();
    let tokyo =
        |arguments: &[&str]| Answer::from(folder.command(arguments).env("TZ", "JST-9").output().expect("it runs"));
    let listed = tokyo(&["builds"]).code(0);
    assert!(listed.stdout.lines().skip(1).all(|line| line.contains("+09:00")), "{listed:#?}");
    let shown = tokyo(&["build", "show", "1"]).code(0);
    assert_eq!(shown.stdout.matches("+09:00").count(), 3, "{shown:#?}");
    let documents = tokyo(&["builds", "--format", "json"]).code(0);
    assert!(!documents.stdout.contains("+09:00") && documents.stdout.contains("Z\""), "{documents:#?}");
}

#[test]
fn a_log_is_read_from_so_long_ago() {
    let folder = Folder::new().guest("command.wat").file("jobs/x.yaml", "function: command\nargs: ['0']\n");
    folder.run(&["run", "x"]).code(0);
    let all = folder.json(&["logs", "x"]);
    assert_eq!(folder.json(&["logs", "x", "--since", "2h"]), all);
    assert_eq!(folder.json(&["logs", "x", "--until", "2h"]), json!([]));
    assert_ne!(all, json!([]));
    let wrong = folder.run(&["logs", "x", "--since", "yesterday"]).code(2);
    wrong.says("`yesterday` is not a time: write `2h` for two hours ago");
    folder.run(&["logs", "prune", "--max-age", "30d"]).code(0).stdout("0 records deleted\n");
    folder.run(&["logs", "prune", "--max-age", "0"]).code(0).tells(" records deleted");
    folder.run(&["logs", "prune", "--max-age", "soon"]).code(2);
    folder.run(&["logs", "prune", "--max-age", "30"]).code(2).says("`30` has no unit: write `30s` or `30d`");
}

#[test]
fn a_failed_build_ends_with_what_it_was_given_and_what_comes_next() {
    let folder = built();
    let ending = "\n  args\n    - 3\n    - 0\n\n  again:    jobcontrol build rerun 4\n  full log: jobcontrol logs 4\n";
    let run = folder.run(&["run", "nothing"]).code(1).says(ending).says("nothing: build 4 failed\n");
    assert_eq!(run.stderr.matches("integer divide by zero").count(), 1, "the failure is told once: {run:#?}");
    let shown = folder.run(&["build", "show", "nothing"]).code(0);
    let ending = "\nargs\n  - 3\n  - 0\n\nagain:    jobcontrol build rerun 4\nfull log: jobcontrol logs 4\n";
    assert!(shown.stdout.ends_with(ending), "{shown:#?}");
    let document = folder.json(&["build", "show", "4"]);
    assert_eq!(document["resolved_args"], json!({ "args": [3, 0] }));
    assert_eq!(document["log_tail"], json!([]));
    let quiet = folder.run(&["run", "-q", "nothing"]).code(1).says("nothing: build 5 FAILED");
    assert!(!quiet.stderr.contains("again:"), "{quiet:#?}");
    assert_eq!(folder.json(&["run", "nothing"])["resolved_args"], json!({ "args": [3, 0] }));
    assert!(folder.json(&["build", "show", "1"]).get("resolved_args").is_none(), "it did not fail");
}

#[test]
fn the_last_ten_records_are_shown_and_where_all_are() {
    let folder = Folder::new().guest("command.wat").file("jobs/x.yaml", "function: command\nargs: ['3']\n");
    folder.run(&["run", "x"]).code(1);
    let tail = folder.json(&["build", "show", "x"])["log_tail"].clone();
    assert_eq!(tail, folder.json(&["logs", "x"]));
    folder.run(&["build", "show", "x"]).code(0).tells("\nlast log records\n");
}

#[test]
fn build_show_lists_what_was_granted() {
    let job = "function: add:add\nargs: [1, 2]\ngrants: { files: [{ host: ../data, guest: /data, mode: read }] }\n";
    let folder = Folder::new().guest("add.wat").file("jobs/x.yaml", job).file("data/x", "");
    folder.run(&["run", "x"]).code(0);
    folder.run(&["build", "show", "x"]).code(0).tells("granted    ../data as /data for reading\n");
}

#[test]
fn who_cannot_print_what_was_returned_says_so() {
    let folder = sums();
    let closed = shell(&folder, r#""$0" run sum >&-"#).code(1);
    let closed = closed.says("the return value of build 1 could not be written: ");
    closed.says("standard output is closed; the build is SUCCESSFUL: `jobcontrol build show 1` shows what it returned");
    assert_eq!(folder.json(&["build", "show", "1"])["status"], "SUCCESSFUL");
    shell(&folder, r#""$0" run sum >/dev/full"#).code(1).says("the return value of build 2 could not be written: ");
    shell(&folder, r#""$0" builds >&-"#).code(1).says("the output cannot be written: standard output is closed");
    shell(&folder, r#""$0" run sum >/dev/null"#).code(0);
    shell(&folder, r#""$0" run sum | head -c 0"#).code(0);
}

/// Every command, done and refused, with its exit code.
const EVERY_OUTCOME: &[(i32, &str)] = &[
    (0, "jobs"),
    (0, "jobs --tag last"),
    (4, "jobs --tag lost"),
    (0, "job sum"),
    (4, "job som"),
    (0, "graph"),
    (4, "graph som"),
    (0, "builds"),
    (4, "builds som"),
    (0, "build show 1"),
    (4, "build show 99"),
    (0, "logs sum"),
    (4, "logs 99"),
    (0, "runs"),
    (0, "runs show 1"),
    (4, "runs show 99"),
    (2, "runs cancel 1"),
    (2, "build cancel 1"),
    (0, "build rerun 1"),
    (4, "build rerun 99"),
    (0, "build delete 1"),
    (4, "build delete 1"),
    (0, "run sum"),
    (1, "run nothing"),
    (1, "run sum nothing"),
    (4, "run som"),
    (2, "run sum --arg a=x"),
    (2, "run sum --pin odd=1"),
    (2, "run"),
    (2, "run --nothing"),
    (2, "frob"),
    (2, "--limit"),
    (0, "check"),
    (0, "explain JC0101"),
    (4, "explain JC9999"),
    (0, "schema"),
    (0, "inspect add"),
    (4, "inspect odd"),
    (0, "completions bash"),
    (0, "store install"),
    (0, "store backup copy.db"),
    (2, "store backup copy.db"),
    (0, "cache prune"),
    (0, "logs prune --level debug"),
    (2, "logs prune"),
    (2, "--store foo: builds"),
    (5, "--store sqlite:missing/x.db run sum"),
    (5, "--store sqlite:garbage.db builds"),
    (5, "--store sqlite:garbage.db run sum"),
    (5, "--store sqlite:garbage.db build show 1"),
    (2, "--jobs missing jobs"),
    (2, "--config missing.yaml jobs"),
];

#[test]
fn every_outcome_of_every_command_is_one_document() {
    let folder = built().file("garbage.db", "this is no store, however long one looks at it");
    for (code, line) in EVERY_OUTCOME {
        let arguments: Vec<_> = line.split(' ').chain(["--format=json"]).collect();
        let answer = folder.run(&arguments);
        assert_eq!(answer.code, *code, "{line}: {answer:#?}");
        let document: Value =
            serde_json::from_str(&answer.stdout).unwrap_or_else(|e| panic!("{line}: {e}: {answer:#?}"));
        let is_error = document.get("error").is_some_and(|error| error["kind"].is_string());
        assert_eq!(is_error, code > &1, "{line}: {document:#}");
    }
    let answer = folder.command(&["frob"]).env("JOBCONTROL_FORMAT", "json").output().expect("it runs");
    let document: Value = serde_json::from_slice(&answer.stdout).expect("a document");
    assert_eq!(document["error"]["message"], "unrecognized subcommand 'frob'");
}

#[test]
fn jobs_keeps_those_whose_manifest_is_broken() {
    let folder = built();
    folder.write("jobs/sums.yaml", JOBS.replace("divide:divide, args: [!retval sum, 2]", "divide:divided"));
    let listed = folder.run(&["jobs"]).code(0);
    let line =
        |id: &str| listed.stdout.lines().find(|line| line.starts_with(id)).unwrap_or_else(|| panic!("{listed:#?}"));
    let words = |id: &str| line(id).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words("half "), ["half", "broken", "2", "SUCCESSFUL"]);
    assert_eq!(words("sum ")[..4], ["sum", "success", "3", "SUCCESSFUL"]);
    // Of a file that cannot be read, the ids are still to be seen.
    folder.write("jobs/sums.yaml", JOBS.replace("args: [1, 2] }", "args: [1, 2 }"));
    let listed = folder.json(&["jobs"]);
    let found: Vec<_> = listed.as_array().expect("a list").iter().map(|job| (&job["id"], &job["status"])).collect();
    let broken = json!("broken");
    assert_eq!(found, [(&json!("half"), &broken), (&json!("nothing"), &broken), (&json!("sum"), &broken)]);
    assert_eq!(listed[2]["latest_build"]["id"], 3);
    folder.run(&["job", "sum"]).code(3).says("error[JC01");
}

#[test]
fn job_shows_everything_that_its_manifest_says() {
    let folder = sums();
    let shown = folder.run(&["job", "half"]).code(0);
    let shown = shown.tells("\nargs\n  - !retval sum\n  - 2\n").tells("limits       memory 64 MiB, ");
    shown.tells("timeout      10m\n");
    let config = folder.json(&["job", "half"])["config"].clone();
    assert_eq!((&config["args"], &config["limits"]["memory"]), (&json!([{ "!retval": "sum" }, 2]), &json!(64 << 20)));
}

#[test]
fn a_tag_filters_every_list() {
    let folder = built();
    let first = |arguments: &[&str]| {
        let lines = folder.run(arguments).code(0).stdout;
        lines.lines().skip(1).map(|line| line.split(' ').next().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(first(&["jobs", "--tag", "numbers"]), ["half", "sum"]);
    assert_eq!(first(&["builds", "--tag", "last"]), ["2"]);
    assert_eq!(first(&["runs", "--tag", "last"]), ["2"]);
    assert_eq!(folder.json(&["graph", "--tag", "numbers"])["jobs"], json!(["half", "sum"]));
    folder.run(&["builds", "--tag", "number"]).code(4).says("no job has the tag `number`; did you mean `numbers`?");
}

#[test]
fn the_nearest_configuration_is_in_force() {
    let folder = sums().file("jobcontrol.yaml", "ceiling: { limits: { memory: 32 MiB } }\n");
    std::fs::create_dir_all(folder.path("deep/deeper")).expect("folders");
    let below = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        Answer::from(command.current_dir(folder.path("deep/deeper")).output().expect("it runs"))
    };
    let refused = below(&["check", "--jobs", "../../jobs"]).code(3);
    let refused = refused.tells("`memory` of 64 MiB is above the ceiling");
    refused.tells("= help: ../../jobcontrol.yaml allows at most 32 MiB");
    let file = folder.path("jobcontrol.yaml").canonicalize().expect("it is there");
    below(&["-v", "jobs", "--jobs", "../../jobs"]).code(0).says(&format!("the configuration is {}\n", file.display()));
    // So are the jobs and the store beside it.
    folder.write("jobcontrol.yaml", "memory: 1 GiB\n");
    below(&["run", "sum"]).code(0);
    assert!(folder.path("jobcontrol.db").exists() && !folder.path("deep/deeper/jobcontrol.db").exists());
    folder.write("jobcontrol.yaml", "ceiling: { limits: { memory: 32 MiB } }\n");
    // A nearer one hides it.
    folder.write("deep/jobcontrol.yaml", "jobs: ../jobs\n");
    below(&["check"]).code(0).tells("3 jobs in 1 manifest: all good");
    below(&["check", "--jobs", "../../jobs", "--config", "../../jobcontrol.yaml"]).code(3);
}

#[test]
fn a_configuration_among_the_jobs_is_refused() {
    let folder = sums().file("jobs/sub/ops.yaml", "memory: 1 GiB\n");
    let refused = folder.run(&["jobs", "--config", "jobs/sub/ops.yaml"]).code(2);
    refused.says("the configuration `jobs/sub/ops.yaml` is below the jobs folder");
}

#[test]
fn a_shell_completes_ids_and_tags() {
    let folder = sums();
    let completed = |words: &[&str]| {
        let mut command = folder.command(&["--"]);
        command.args(words).env("JOBCONTROL_COMPLETE", "bash").env("_CLAP_IFS", "\n");
        command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
        let answer = Answer::from(command.output().expect("it runs")).code(0);
        answer.stdout.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(completed(&["jobcontrol", "run", "s"]), ["sum"]);
    assert_eq!(completed(&["jobcontrol", "build", "show", "ha"]), ["half"]);
    assert_eq!(completed(&["jobcontrol", "builds", "--tag", "l"]), ["last"]);
    assert_eq!(completed(&["jobcontrol", "--jobs", "missing", "run", "s"]), Vec::<String>::new());
    folder.run(&["completions", "fish"]).code(0).tells("JOBCONTROL_COMPLETE=fish");
}

#[test]
fn bash_takes_the_script() {
    let folder = sums();
    let script = "source <(\"$0\" completions bash); complete -p jobcontrol";
    let answer = Command::new("bash").args(["-c", script]).arg(folder.program()).stdout(Stdio::piped()).output();
    let answer = Answer::from(answer.expect("bash runs")).code(0);
    answer.tells("-F _clap_complete_jobcontrol jobcontrol");
}

#[test]
fn a_job_that_is_not_built_tells_programs_which_builds_failed() {
    let job = "
  - { id: after, function: add:add, args: [!retval nothing, 1] }
";
    let folder = sums();
    folder.write("jobs/sums.yaml", format!("{}{job}", JOBS.trim_end_matches('\n')));
    let run = folder.run(&["run", "--deps", "after"]).code(1);
    run.says("the rest:  jobcontrol runs rerun 1 --from-failed\n").says("1 built, 1 failed, 1 not built\n");
    let end = folder.json(&["run", "--deps", "after"]);
    assert_eq!(end["error"], "not built, because `nothing` did not succeed");
    assert_eq!(
        (&end["failed"][0]["job_id"], &end["failed"][0]["exception"]["kind"]),
        (&json!("nothing"), &json!("trap"))
    );
}

#[test]
fn a_run_whose_builds_were_deleted_still_says_what_it_was() {
    let folder = built();
    folder.run(&["run", "--force", "half"]).code(0);
    folder.run(&["build", "delete", "4", "5"]).code(0);
    folder.run(&["runs", "show", "4"]).code(0).tells("SUCCESSFUL").tells("its build was deleted");
    folder.run(&["runs", "rerun", "4", "--from-failed"]).code(2).says("run 4 has no failed and no unfinished jobs");
    folder.run(&["build", "delete", "sum"]).code(2).says("`sum` is not a build number");
}

#[test]
fn job_of_a_broken_manifest_says_so() {
    let folder = built();
    folder.write("jobs/sums.yaml", JOBS.replace("!retval sum, 2", "!retval som, 2"));
    folder.run(&["job", "half"]).code(3).tells("status       broken\n").says("error[JC0501]");
    let document = folder.run(&["job", "half", "--format", "json"]).code(3);
    let document: Value = serde_json::from_str(&document.stdout).expect("a document");
    assert_eq!((&document["status"], &document["diagnostics"][0]["code"]), (&json!("broken"), &json!("JC0501")));
    // What is nowhere is not to be built, whatever else is broken.
    folder.run(&["logs", "nothin"]).code(4).says("there is no job `nothin`; did you mean `nothing`?");
}

#[test]
fn a_link_that_leads_nowhere_is_told_as_such() {
    let folder = sums();
    std::os::unix::fs::symlink("nowhere.yaml", folder.path("jobs/dangling.yaml")).expect("a link");
    let told = "error[JC0101]: `jobs/dangling.yaml` is a link whose target does not exist\n";
    folder.run(&["check"]).code(3).tells(told);
    folder.run(&["check", "jobs/dangling.yaml"]).code(3).tells(told);
    folder.run(&["check", "jobs/sums.yaml"]).code(0).tells("3 jobs in 1 manifest: all good");
}
