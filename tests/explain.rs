//! `explain`: every code is explained, and the examples are what they say.

use std::collections::BTreeSet;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Example;

use crate::harness::Folder;
use crate::harness::root;

/// The files of one example, with the plugins they use.
fn folder(examples: &[Example]) -> Folder {
    let folder = Folder::new().guest("shop.wat");
    for example in examples {
        folder.write(example.file.unwrap_or("jobs/example.yaml"), example.text);
    }
    folder
}

/// Whether an example can be tried as it stands, or tells of what lies outside of text files.
fn is_whole(examples: &[Example]) -> bool {
    examples.iter().all(|example| example.language != "text" || example.file.is_some())
}

#[test]
fn every_wrong_example_is_answered_with_its_code_alone() {
    for code in Code::ALL.iter().filter(|code| is_whole(&code.explanation().wrong)) {
        let answer = folder(&code.explanation().wrong).json(&["check"]);
        let found = answer["diagnostics"].as_array().expect("a list").iter();
        let found: BTreeSet<_> = found.map(|d| d["code"].as_str().expect("a code")).collect();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [code.id()], "{answer:#}");
    }
}

#[test]
fn every_right_example_checks() {
    for code in Code::ALL.iter().filter(|code| is_whole(&code.explanation().right)) {
        let answer = folder(&code.explanation().right).run(&["check"]);
        assert_eq!(answer.code, 0, "{code}: {answer:#?}");
    }
}

/// Every code is either shown by its own example, or by another test whose answer has it.
#[test]
fn no_code_is_dead() {
    let mut tested: BTreeSet<&str> =
        Code::ALL.iter().filter(|code| is_whole(&code.explanation().wrong)).map(|code| code.id()).collect();
    let mut answers = String::new();
    for entry in walkdir::WalkDir::new(root().join("tests")).into_iter().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_file() && (name.ends_with(".rs") || name.ends_with(".txt")) && name != "explain.rs" {
            answers.push_str(&std::fs::read_to_string(entry.path()).expect("a text"));
        }
    }
    tested.extend(Code::ALL.iter().map(|code| code.id()).filter(|id| answers.contains(&format!("error[{id}]"))));
    let dead: Vec<_> = Code::ALL.iter().map(|code| code.id()).filter(|id| !tested.contains(id)).collect();
    assert_eq!(dead, Vec::<&str>::new());
}

#[test]
fn a_code_is_told_with_its_examples() {
    let text = "JC0503: a job depends on itself\n\n\
        The job names itself under `dependencies` or in a `!retval`, so it could never be built first. Its\n\
        own last return value cannot be an argument.\n\n\
        Wrong:\n\n    id: a\n    function: shop:tidy\n    dependencies: [a]\n\n\
        Right:\n\n    id: a\n    function: shop:tidy\n";
    for written in ["JC0503", "jc0503", "503"] {
        Folder::new().run(&["explain", written]).code(0).stdout(text);
    }
    let json = Folder::new().json(&["explain", "JC0503"]);
    assert_eq!((&json["code"], &json["title"]), (&"JC0503".into(), &"a job depends on itself".into()));
    assert_eq!(json["right"][0]["text"], "id: a\nfunction: shop:tidy\n");
}

#[test]
fn all_codes_are_listed() {
    let answer = Folder::new().run(&["explain"]).code(0);
    assert_eq!(answer.stdout.lines().count(), Code::ALL.len());
    assert!(answer.stdout.starts_with("JC0101  a file or folder cannot be read\n"), "{answer:?}");
    let json = Folder::new().json(&["explain"]);
    assert_eq!(json.as_array().expect("a list").len(), Code::ALL.len());
}

#[test]
fn an_unknown_code_has_its_nearest() {
    let answer = Folder::new().run(&["explain", "JC04133"]).code(4);
    assert!(answer.stderr.contains("there is no code `JC04133`; did you mean `JC0413`?"), "{answer:?}");
    Folder::new().run(&["explain", "zzz"]).code(4).says("`jobcontrol explain` lists all of them");
}
