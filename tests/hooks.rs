//! `cleanup_function` and `repr_function`: called with what a build returned.

use serde_json::json;

use crate::harness::Folder;

fn made(n: u32) -> Folder {
    let manifest = format!(
        "{{ id: made, function: hooks:same, args: [{n}], cleanup_function: hooks:clean, repr_function: hooks:show }}"
    );
    Folder::new().guest("hooks.wat").file("jobs/made.yaml", manifest)
}

#[test]
fn people_are_shown_the_text_and_programs_both() {
    let folder = made(7);
    folder.run(&["run", "made"]).code(0).stdout("number 7\n");
    assert!(folder.run(&["build", "show", "1"]).code(0).stdout.ends_with("\nretval\n  number 7\n"));
    let build = folder.json(&["build", "show", "1"]);
    assert_eq!((&build["retval"], &build["repr"]), (&json!(7), &json!("number 7")));
    std::fs::remove_dir_all(folder.path("jobs")).expect("the folder goes");
    assert_eq!(folder.json(&["build", "show", "1"])["repr"], "number 7", "the store has all that is needed");
}

#[test]
fn a_text_that_cannot_be_made_is_no_failure() {
    let folder = made(50);
    folder
        .run(&["run", "made"])
        .code(0)
        .stdout("50\n")
        .says("warning: build 1: its repr_function `hooks:show` failed: trap:");
    assert!(folder.run(&["build", "show", "1"]).code(0).stdout.ends_with("\nretval\n  50\n"));
}

#[test]
fn a_cleanup_comes_before_the_deletion() {
    let folder = made(1);
    folder.run(&["run", "made"]).code(0);
    std::fs::remove_dir_all(folder.path("jobs")).expect("the folder goes");
    folder.run(&["build", "delete", "1"]).code(0).stdout("deleted 1\n");
}

#[test]
fn a_build_whose_cleanup_fails_stays_unless_forced() {
    let folder = made(13);
    folder.run(&["run", "made"]).code(0);
    let says = "build 1 was not deleted: its cleanup_function `hooks:clean` failed: trap:";
    folder.run(&["build", "delete", "1"]).code(1).stdout("").says(says).says("`--force` deletes it anyway");
    assert_eq!(folder.json(&["build", "show", "1"])["retval"], 13);
    folder
        .run(&["build", "delete", "1", "--force"])
        .code(0)
        .stdout("deleted 1\n")
        .says("warning: build 1: its cleanup_function");
    folder.run(&["build", "show", "1"]).code(4);
}

#[test]
fn nothing_uses_a_build_whose_cleanup_has_begun() {
    let folder = made(99).file("jobs/user.yaml", "{ id: user, function: hooks:same, args: [!retval made] }");
    folder.run(&["run", "made"]).code(0);
    let mut cleaning = folder.start(&["build", "delete", "1"]);
    let deleting = || folder.json(&["build", "show", "1"])["deleting"] == true;
    while !deleting() {
        assert_eq!(cleaning.try_wait().expect("its state"), None, "the cleanup never ends by itself");
    }
    let pinned = ["run", "user", "--pin", "made=1"];
    folder.run(&pinned).code(2).says("build 1 cannot be used for `made`: it is being deleted");
    folder.run(&["run", "user"]).code(1).says("`made` has no successful build");
    let told = "being deleted; `build delete` continues the deletion";
    for command in [&["builds"][..], &["build", "show", "1"]] {
        assert!(folder.run(command).code(0).stdout.contains(told), "{command:?}");
    }
    cleaning.kill().expect("it runs");
    cleaning.wait().expect("it ends");
    assert!(deleting(), "nobody knows how far the cleanup came");
    // A cleanup that fails gives the build back.
    folder.write("jobcontrol.yaml", "ceiling: { timeout: 50ms }\n");
    let failed = "build 1 was not deleted: its cleanup_function `hooks:clean` failed: timeout";
    folder.run(&["store", "prune"]).code(1).says(failed);
    assert!(!deleting());
    folder.run(&pinned).code(0).stdout("99\n");
    folder.run(&["build", "delete", "1"]).code(1).says(failed);
    folder.run(&["build", "delete", "1", "--force"]).code(0).stdout("deleted 1\n").says("its cleanup_function");
    folder.run(&pinned).code(4).says("there is no build 1");
}
