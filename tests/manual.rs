//! What the README and the tutorial show is what happens: their files are written, and their
//! commands run.

use std::process::Command;
use std::process::Stdio;

use crate::harness::Folder;
use crate::harness::root;
use crate::harness::served::Served;

/// A block of a page: its language, the file that it is, and its text.
struct Block {
    language: String,
    file: Option<String>,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(page)).expect("the page");
    let fenced = text.split("\n```").skip(1).step_by(2);
    let block = |block: &str| {
        let (head, text) = block.split_once('\n').expect("a block");
        let (language, rest) = head.split_once(' ').unwrap_or((head, ""));
        let file = rest.strip_prefix("title=\"").and_then(|rest| rest.strip_suffix('"'));
        Block { language: language.to_owned(), file: file.map(str::to_owned), text: format!("{text}\n") }
    };
    fenced.map(block).collect()
}

/// The commands of a console, each with what it prints.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, printed))) => *printed += &format!("{line}\n"),
            (None, None) => panic!("a console begins with a command: {line}"),
        }
    }
    commands
}

/// The words of a line; times and durations are the same each time.
fn words(line: &str) -> Vec<String> {
    let word = |word: &str| {
        let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
        let is_time = word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(['-', ':']);
        let is_duration = word.strip_suffix("ms").or_else(|| word.strip_suffix('s')).is_some_and(is_number);
        if is_time || is_duration { "TIME".to_owned() } else { word.to_owned() }
    };
    line.split_whitespace().map(word).collect()
}

/// Whether lines are those that a page shows; `...` stands for any of them.
fn are_as_shown(shown: &[&str], printed: &[&str]) -> bool {
    match shown {
        [] => printed.is_empty(),
        ["...", rest @ ..] => (0..=printed.len()).any(|at| are_as_shown(rest, &printed[at..])),
        [first, rest @ ..] => {
            printed.first().is_some_and(|line| words(line) == words(first)) && are_as_shown(rest, &printed[1..])
        }
    }
}

/// Runs a page from its beginning to its end in a clean folder.
fn run(page: &str) -> usize {
    let folder = Folder::new();
    let program = folder.program();
    let path =
        format!("{}:{}", program.parent().expect("a folder").display(), std::env::var("PATH").unwrap_or_default());
    let (mut count, mut services) = (0, Vec::new());
    for block in blocks(page) {
        if let Some(file) = &block.file {
            folder.write(file, &block.text);
            continue;
        }
        if block.language != "console" {
            continue;
        }
        for (command, shown) in commands(&block.text) {
            count += 1;
            if let Some(arguments) = command.strip_prefix("jobcontrol serve") {
                // Somebody else may listen at the usual address.
                let arguments = arguments.split_whitespace().chain(["--listen", "127.0.0.1:0", "--log", "json"]);
                let arguments: Vec<&str> = ["serve"].into_iter().chain(arguments).collect();
                services.push(Served::of(&mut folder.command(&arguments)));
                continue;
            }
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(folder.path("")).stdin(Stdio::null());
            shell.env("PATH", &path).env("TZ", "UTC").env("JOBCONTROL_CACHE", folder.path(".cache"));
            let output = shell.output().expect("a shell");
            let printed = String::from_utf8_lossy(&output.stdout);
            let (shown, printed): (Vec<_>, Vec<_>) = (shown.lines().collect(), printed.lines().collect());
            // A plugin that is compiled for the first time may be told of.
            let printed: Vec<_> = printed.into_iter().filter(|line| !line.contains(": compiling `")).collect();
            assert!(are_as_shown(&shown, &printed), "{page}: {command}\n{}", printed.join("\n"));
        }
    }
    for service in services {
        assert_eq!(service.stop(), 0);
    }
    count
}

#[test]
fn the_readme_happens_as_it_says() {
    assert!(run("README.md") >= 4);
}

#[test]
fn the_tutorial_happens_as_it_says() {
    assert!(run("docs/tutorial.md") >= 12);
}
