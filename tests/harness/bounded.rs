//! The real program beside an attack: its time is bounded, its memory measured, and no process of
//! it may be left.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::process::ExitStatus;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::Signal;
use rustix::process::kill_process;
use rustix::process::kill_process_group;
use rustix::process::pidfd_open;
use serde_json::Value;

use super::Answer;
use super::Folder;

/// What takes longer than this hangs. All limits of an attack are far below.
const BOUND: Duration = Duration::from_secs(120);

/// How often memory is measured, and how long each wait for a process is.
const LOOK: Duration = Duration::from_millis(10);

/// Bytes that the runner's own process may take during any attack. With innocent plugins it takes a
/// third of that.
const OWN: u64 = 200 << 20;

/// The program as it runs, in a process group of its own.
pub struct Bounded {
    child: Child,
    ended: OwnedFd,
    began: Instant,
    output: Vec<JoinHandle<Vec<u8>>>,
    /// The most that the runner had, and the most that it and its children had together, in bytes.
    own: u64,
    tree: u64,
}

/// How the program ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Folder {
    /// A folder with the innocent job `good`, which returns 3, beside what attacks.
    pub fn beside_good() -> Self {
        Self::new().guest("add.wat").file("jobs/good.yaml", "id: good\nfunction: add:add\nargs: [1, 2]\n")
    }

    /// Starts the program in a process group of its own.
    pub fn bounded(&self, arguments: &[&str]) -> Bounded {
        let mut child = self.command(arguments).process_group(0).spawn().expect("the program starts");
        let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("it is there");
        let mut stdout = child.stdout.take().expect("a pipe");
        let mut stderr = child.stderr.take().expect("a pipe");
        let output = vec![std::thread::spawn(move || all(&mut stdout)), std::thread::spawn(move || all(&mut stderr))];
        Bounded { child, ended, began: Instant::now(), output, own: 0, tree: 0 }
    }

    /// Runs hostile jobs and `good`, which must not notice; what became of them.
    #[track_caller]
    pub fn attacked(&self, jobs: &[&str]) -> Outcome {
        let arguments: Vec<_> = ["run"].iter().chain(jobs).chain(&["good", "--format", "json"]).copied().collect();
        let outcome = self.bounded(&arguments).end();
        outcome.good();
        outcome
    }

    /// Checks a plugin that has to be refused with all of these words; `good` runs beside it.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) {
        let outcome = self.bounded(&["check"]).end();
        assert_eq!(outcome.status.code(), Some(3), "{outcome:#?}");
        for word in words {
            assert!(outcome.stdout.contains(word), "`{word}` is not in {outcome:#?}");
        }
        let outcome = self.bounded(&["run", "good", "--format", "json"]).end();
        outcome.good();
    }
}

fn all(pipe: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("a pipe");
    bytes
}

impl Bounded {
    /// The group, which has the number of its first process.
    fn group(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Interrupts the runner alone, as a supervisor does; a terminal interrupts its children too.
    pub fn interrupt(&self) {
        kill_process(self.group(), Signal::INT).expect("it runs");
    }

    /// Kills the runner alone.
    pub fn kill(&self) {
        kill_process(self.group(), Signal::KILL).expect("it runs");
    }

    /// Waits until a child does a task. It is bound by then, since it has a second thread, which
    /// looks at the time.
    pub fn until_child(&mut self, task: &str) {
        let does = |pid: &u32| {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = arguments.split(|byte| *byte == 0);
            words.any(|word| word == b"__interpret") && words.next() == Some(task.as_bytes())
        };
        let works = |pid: &u32| std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() > 1);
        while !descendants(self.child.id()).iter().any(|pid| does(pid) && works(pid)) {
            assert!(!self.look(), "it ended before it had a child that does `{task}`: {:#?}", self.said());
        }
    }

    /// Waits until a condition holds, such as what another process sees in the store.
    pub fn until(&mut self, mut holds: impl FnMut() -> bool) {
        while !holds() {
            assert!(!self.look(), "it ended before that: {:#?}", self.said());
        }
    }

    /// Measures, and waits for the end a moment; whether it has come. Fails once the time is up.
    fn look(&mut self) -> bool {
        let runner = self.child.id();
        self.own = self.own.max(memory(runner, "VmHWM:"));
        let children: u64 = descendants(runner).iter().map(|pid| memory(*pid, "VmRSS:")).sum();
        self.tree = self.tree.max(memory(runner, "VmRSS:") + children);
        if gone(&self.ended, LOOK) {
            return true;
        }
        if self.began.elapsed() > BOUND {
            let _ = kill_process_group(self.group(), Signal::KILL);
            panic!("it hangs: {:#?}", self.said());
        }
        false
    }

    /// What it said, when it says no more: whoever is left is killed.
    fn said(&mut self) -> Vec<String> {
        let _ = kill_process_group(self.group(), Signal::KILL);
        let output = self.output.drain(..).map(|thread| thread.join().expect("a pipe"));
        output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }

    /// Waits for the end. No child is left, and the runner took little memory.
    #[track_caller]
    pub fn end(mut self) -> Outcome {
        while !self.look() {}
        let took = self.began.elapsed();
        for pid in living(self.child.id()) {
            if let Ok(ended) = pidfd_open(pid, PidfdFlags::empty()) {
                assert!(gone(&ended, BOUND), "a child is left: {}", self.said().join("\n"));
            }
        }
        let mut said = self.said().into_iter();
        let status = self.child.wait().expect("its end");
        let outcome = Outcome { status, stdout: said.next().expect("stdout"), stderr: said.next().expect("stderr") };
        let (own, tree) = (self.own >> 20, self.tree >> 20);
        told(&format!("{took:.1?}, {own} MiB, with its children {tree} MiB"));
        assert!(self.own < OWN, "the runner took {own} MiB: {outcome:#?}");
        outcome
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        // Once it was waited for, its number may be another's.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = kill_process_group(self.group(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// What was measured, for who runs the tests with `--show-output`.
#[expect(clippy::print_stdout, reason = "it is shown where it is asked for, or the test fails")]
fn told(measured: &str) {
    println!("{measured}");
}

/// Whether a process has ended, or does so in this time.
fn gone(process: &OwnedFd, within: Duration) -> bool {
    let within = Timespec::try_from(within).expect("a time");
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&within)).expect("a process") > 0
}

/// A line of what the kernel says of a process's memory, in bytes; nothing of one that has ended.
fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|found| found.strip_prefix(line)?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The children of a process, theirs, and so on.
fn descendants(of: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> =
        lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
    children.iter().flat_map(|child| [vec![*child], descendants(*child)].concat()).collect()
}

/// The processes of a group that have not ended.
fn living(group: u32) -> Vec<Pid> {
    let of_group = |path: PathBuf| {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        // The name of the program, in brackets, may have spaces.
        let mut words = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, its_group) = (words.next()?, words.nth(1)?);
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        (state != "Z" && its_group == group.to_string()).then(|| Pid::from_raw(pid)).flatten()
    };
    let processes = std::fs::read_dir("/proc").expect("the processes").flatten();
    processes.filter_map(|process| of_group(process.path())).collect()
}

impl Outcome {
    /// The document of `--format json`, one build for each job, whether one was asked for or many.
    #[track_caller]
    pub fn builds(&self) -> Vec<Value> {
        let document = serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}) in {self:#?}"));
        match document {
            Value::Array(builds) => builds,
            build => vec![build],
        }
    }

    /// What became of a job.
    #[track_caller]
    pub fn build(&self, job: &str) -> Value {
        let build = self.builds().into_iter().find(|build| build["job_id"] == job);
        build.unwrap_or_else(|| panic!("no build of `{job}` in {self:#?}"))
    }

    /// The innocent job has succeeded.
    #[track_caller]
    pub fn good(&self) {
        let good = self.build("good");
        assert_eq!((&good["status"], &good["retval"]), (&"SUCCESSFUL".into(), &3.into()), "{good:#}");
    }

    /// A job has failed so; the message.
    #[track_caller]
    pub fn failed(&self, job: &str, kind: &str) -> String {
        let build = self.build(job);
        assert_eq!(build["exception"]["kind"], kind, "{build:#}");
        build["exception"]["message"].as_str().expect("a message").to_owned()
    }

    /// Whether it ended because it was interrupted: it says so, or died of it.
    pub fn was_interrupted(&self) -> bool {
        self.status.code() == Some(130) || self.status.signal() == Some(Signal::INT.as_raw())
    }

    /// As an answer whose text is asserted.
    pub fn answer(self) -> Answer {
        Answer { code: self.status.code().unwrap_or(-1), stdout: self.stdout, stderr: self.stderr }
    }
}
