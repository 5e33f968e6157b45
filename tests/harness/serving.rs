//! The program while it serves: what its log says, as it says it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Receiver;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;

use super::Folder;

/// A service that says nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(60);

/// A service that runs until it is stopped, killed or dropped.
pub struct Serving {
    child: Child,
    records: Receiver<Value>,
    /// Ends of runs that were passed over: the end of a build and that of its run are told by two
    /// threads, in any order.
    ends: RefCell<VecDeque<Value>>,
}

impl Serving {
    /// Starts a service, and waits until it serves.
    #[track_caller]
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let arguments: Vec<&str> =
            ["serve", "--log", "json", "-v", "--listen", "off"].into_iter().chain(arguments.iter().copied()).collect();
        let serving = Self::of(&mut folder.command(&arguments));
        serving.record("serving");
        serving
    }

    /// The service that a command starts, whose log is JSON.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let (sender, records) = crossbeam_channel::unbounded();
        let said = BufReader::new(child.stderr.take().expect("its log"));
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let record = serde_json::from_str(&line).unwrap_or(Value::String(line));
                let _ = sender.send(record);
            }
        });
        Self { child, records, ends: RefCell::default() }
    }

    /// Reads up to a record that begins with these words; returns that record.
    #[track_caller]
    pub fn record(&self, words: &str) -> Value {
        self.until(|record| says(record, words)).last().cloned().expect("it was found")
    }

    /// Reads up to a record that fits; returns all of them.
    #[track_caller]
    pub fn until(&self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen: Vec<Value> = Vec::new();
        let until = Instant::now() + HANGS;
        loop {
            match self.records.recv_deadline(until) {
                Ok(record) => seen.push(record),
                Err(_) => panic!("no such record in {seen:#?}"),
            }
            let newest = seen.last().expect("it was added");
            if fits(newest) {
                return seen;
            }
            if says(newest, "run ended") {
                self.ends.borrow_mut().push_back(newest.clone());
            }
        }
    }

    /// Reads up to the end of a build of this job; returns that record.
    #[track_caller]
    pub fn built(&self, job: &str) -> Value {
        let seen = self.until(|record| says(record, "build ended") && record["job"] == job);
        seen.last().cloned().expect("it was found")
    }

    /// Reads up to the end of a run; returns that record.
    #[track_caller]
    pub fn run_ended(&self) -> Value {
        if let Some(end) = self.ends.borrow_mut().pop_front() {
            return end;
        }
        self.until(|record| says(record, "run ended")).last().cloned().expect("it was found")
    }

    /// Reads up to a look at the jobs folder; returns that record.
    #[track_caller]
    pub fn read(&self) -> Value {
        self.until(|record| says(record, "the jobs folder was read")).last().cloned().expect("it was found")
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks it to stop, and waits for that; returns what it said meanwhile.
    #[track_caller]
    pub fn stop(mut self) -> Vec<Value> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a signal");
        let said = self.until(|record| says(record, "stopped"));
        let code = self.child.wait().expect("an end").code();
        assert_eq!(code, Some(0), "{said:#?}");
        said
    }

    /// Asks it to stop, and goes on.
    pub fn ask_to_stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a signal");
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("an end");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a record begins with these words.
pub fn says(record: &Value, words: &str) -> bool {
    record["message"].as_str().is_some_and(|message| message.starts_with(words))
}
