//! SECURITY.md names the test that holds each line of its table, and each of them exists.

use crate::harness::root;

/// The texts between backquotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_security_names_exists() {
    let page = std::fs::read_to_string(root().join("SECURITY.md")).expect("the page");
    let mut named = 0;
    for test in page.lines().flat_map(quoted).filter(|text| text.contains(".rs")) {
        let (file, function) = test.split_once("::").map_or((test, None), |(file, function)| (file, Some(function)));
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("`{file}`: {e}"));
        let holds = function.is_none_or(|function| text.contains(&format!("fn {function}(")));
        assert!(holds && text.contains("#[test]"), "`{test}` is no test");
        named += 1;
    }
    assert!(named > 50, "the tests are found: {named}");
}

#[test]
fn every_line_of_the_table_of_security_names_a_test() {
    let page = std::fs::read_to_string(root().join("SECURITY.md")).expect("the page");
    let table = page.split("## What a plugin can cost").nth(1).and_then(|rest| rest.split("\n## ").next());
    for line in table.expect("the table").lines().filter(|line| line.starts_with("| ")).skip(2) {
        let is_heading = line.starts_with("| **");
        assert!(is_heading || quoted(line).any(|text| text.contains(".rs")), "no test holds: {line}");
    }
}

#[test]
fn every_attack_is_in_the_table_of_security() {
    let page = std::fs::read_to_string(root().join("SECURITY.md")).expect("the page");
    for file in std::fs::read_dir(root().join("tests/hostile")).expect("the attacks") {
        let name = file.expect("a file").file_name().into_string().expect("UTF-8");
        assert!(name == "mod.rs" || page.contains(&format!("`tests/hostile/{name}")), "`{name}` is not in SECURITY.md");
    }
}
