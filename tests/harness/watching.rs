//! The program while it watches: each line that it says is waited for.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::process::Child;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;

use super::Folder;

/// A program that says nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(60);

/// The program while it watches.
pub struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::of(folder.start(arguments))
    }

    /// One that was started with its output to be read.
    pub fn of(mut child: Child) -> Self {
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("its output")),
            Box::new(child.stderr.take().expect("its complaints")),
        ];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// Reads up to a line that holds `part`; gives all of them.
    #[track_caller]
    pub fn until(&self, part: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        loop {
            match self.lines.recv_timeout(HANGS) {
                Ok(line) => seen.push(line),
                Err(_) => panic!("no `{part}` in {seen:#?}"),
            }
            if seen.last().is_some_and(|line| line.contains(part)) {
                return seen;
            }
        }
    }

    /// Reads up to a line that is just this, such as a value; gives all of them.
    #[track_caller]
    pub fn returned(&self, line: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| last != line) {
            seen.extend(self.until(line));
        }
        seen
    }

    /// The next document of `--format json`.
    #[track_caller]
    pub fn document(&self) -> Value {
        let line = self.lines.recv_timeout(HANGS).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("no JSON ({e}) in {line}"))
    }

    /// Presses Ctrl-C, and answers the exit code.
    pub fn interrupt(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).expect("a signal");
        self.child.wait().expect("an end").code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
