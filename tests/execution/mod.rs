//! Builds that are tried again, that take too long, that are cancelled from elsewhere, and
//! processes that share a store.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a rule that is broken ends its test")]

mod attempts;
mod blocking;
mod cancel;
mod disk;
mod kept;
mod many;
mod memory;
mod rest;
mod shared;
mod timeouts;
mod unwritten;

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::Output;

use serde_json::Value;

use crate::harness::Folder;

/// Jobs of `attempts.wat`, each a mapping of one line.
pub(crate) fn jobs(jobs: &[&str]) -> Folder {
    let lines: String = jobs.iter().map(|job| format!("  - {{ {job} }}\n")).collect();
    Folder::new().guest("attempts.wat").file("jobs/jobs.yaml", format!("jobs:\n{lines}"))
}

/// A run that goes on by itself; killed at the latest with the test.
pub(crate) struct Background(Option<Child>);

impl Background {
    /// Starts a run and waits until its standard error has a line with these words.
    pub(crate) fn until(folder: &Folder, arguments: &[&str], words: &str) -> Self {
        Self::until_each(folder, arguments, &[(words, 1)])
    }

    /// As `until`, with so many lines for each of several words.
    pub(crate) fn until_each(folder: &Folder, arguments: &[&str], words: &[(&str, usize)]) -> Self {
        let mut child = folder.start(arguments);
        let said = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut lines = said.lines().map(|line| line.expect("a line"));
        let mut left: Vec<_> = words.to_vec();
        let found = lines.any(|line| {
            left.iter_mut().filter(|(words, _)| line.contains(words)).for_each(|(_, left)| *left -= 1);
            left.retain(|(_, left)| *left > 0);
            left.is_empty()
        });
        // What comes later is read to its end, so that the program never waits for us.
        std::thread::spawn(move || lines.count());
        let background = Self(Some(child));
        assert!(found, "it never said {words:?}");
        background
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.as_ref().expect("it runs").id()
    }

    pub(crate) fn kill(mut self) {
        let mut child = self.0.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn end(mut self) -> Output {
        self.0.take().expect("it runs").wait_with_output().unwrap()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn shown(folder: &Folder, build: &str) -> Value {
    folder.json(&["build", "show", build])
}

/// The kind of each attempt's failure.
fn kinds(build: &Value) -> Vec<Value> {
    build["attempts"].as_array().expect("attempts").iter().map(|attempt| attempt["exception"]["kind"].clone()).collect()
}
