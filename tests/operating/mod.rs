//! What an operator lives with while a service runs.
//!
//! - here: a service with its log
//! - `metrics`: what a service counts
//! - `notify`: who is told of runs that failed
//! - `retention`: the store is pruned each day
//! - `systemd`: what it is told
//! - `traces`: what a collector of spans is sent, with the feature `otel`

#![expect(clippy::unwrap_used, reason = "a rule that is broken ends its test")]

mod metrics;
mod notify;
mod retention;
mod systemd;
#[cfg(feature = "otel")]
mod traces;

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;

use crate::harness::Folder;

/// A service that says nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(60);
/// The value of the one secret.
const VALUE: &str = "hunter2-hunter3";

/// A service with its log.
struct Serving {
    child: Child,
    records: Receiver<Value>,
}

impl Serving {
    fn start(folder: &Folder) -> Self {
        Self::of(&mut folder.command(&["serve", "--listen", "off", "--log", "json", "-v"]))
    }

    /// The service that a command starts.
    fn of(command: &mut Command) -> Self {
        let mut child = command.env("API_TOKEN", VALUE).spawn().unwrap();
        let (sender, records) = channel();
        let said = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                assert!(!line.contains(VALUE), "{line}");
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self { child, records }
    }

    /// Reads up to a record that begins with these words; returns that.
    #[track_caller]
    fn until(&self, words: &str) -> Value {
        let mut seen = Vec::new();
        loop {
            let Ok(record) = self.records.recv_timeout(HANGS) else { panic!("no `{words}` in {seen:#?}") };
            if record["message"].as_str().is_some_and(|message| message.starts_with(words)) {
                return record;
            }
            seen.push(record);
        }
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.until("stopped");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
