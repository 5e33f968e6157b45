//! Every command line that a page, a message or the manual names can be typed.

use std::collections::BTreeSet;
use std::fs;

use crate::harness::Folder;
use crate::harness::root;

/// What stands between two marks, wherever they are.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

/// A command with a word in the place of each part that is put in: `{{ id }}`, `{job}`.
fn filled(command: &str) -> String {
    let command = command.replace("{{", "{").replace("}}", "}");
    let parts = command.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    parts.collect::<Vec<_>>().join("1")
}

#[test]
fn every_command_that_is_named_is_one() {
    let mut named = BTreeSet::new();
    for entry in walkdir::WalkDir::new(root().join("runner/templates")).into_iter().flatten() {
        if let Ok(text) = fs::read_to_string(entry.path()) {
            named.extend(between(&text, "<code>jobcontrol ", "</code>").map(filled));
        }
    }
    let pages = named.len();
    let folders = ["runner/src", "runner/core/src", "runner/sandbox/src", "docs", "README.md", "CONTRIBUTING.md"];
    for entry in folders.iter().flat_map(|folder| walkdir::WalkDir::new(root().join(folder))).flatten() {
        if let Ok(text) = fs::read_to_string(entry.path()) {
            named.extend(between(&text, "`jobcontrol ", "`").filter(|command| !command.contains('\n')).map(filled));
        }
    }
    assert!(pages > 10 && named.len() > pages + 10, "{named:?}");
    let folder = Folder::new();
    for command in named {
        // What follows is the shell's; a word in capitals stands for a number as well as for a
        // name.
        let words = command.split([';', '|', '>']).next().unwrap_or_default().split_whitespace();
        let is_any = |word: &str| word.chars().all(|c| c.is_ascii_uppercase() || c == '.');
        let words = words.map(|word| if is_any(word) { "1" } else { word });
        let arguments: Vec<&str> = words.chain(["--help"]).collect();
        let answer = folder.run(&arguments);
        assert_eq!(answer.code, 0, "`jobcontrol {command}`: {}", answer.stderr);
    }
}
