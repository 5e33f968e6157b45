//! A clean folder, the real program in it, and what it answered.

pub(crate) mod any_type;
pub(crate) mod bounded;
pub(crate) mod browser;
pub(crate) mod peer;
pub(crate) mod served;
pub(crate) mod serving;
pub(crate) mod watching;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;

use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol::settings::Options;
use jobcontrol::settings::Resolved;
use jobcontrol::settings::resolve;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_record;
use serde_json::Value;
use tempfile::TempDir;

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the runner lies in the project").to_owned()
}

/// The program that is tested: the one of this build, or the one that JOBCONTROL_TEST_PROGRAM
/// names.
fn program() -> PathBuf {
    std::env::var_os("JOBCONTROL_TEST_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_jobcontrol").into(), PathBuf::from)
}

/// A folder that nobody else uses, in which the program is run.
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    /// An empty folder with an empty jobs folder.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("jobs")).expect("a jobs folder");
        Self { dir }
    }

    /// Where it is.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    /// Writes a file, with the folders it lies in.
    pub fn file(self, inside: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(inside, content);
        self
    }

    /// As [`Folder::file`], later on.
    pub fn write(&self, inside: &str, content: impl AsRef<[u8]>) {
        let path = self.path(inside);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }

    /// Puts a guest of `tests/guests` among the jobs.
    pub fn guest(self, name: &str) -> Self {
        let guest = root().join("tests/guests").join(name);
        std::fs::copy(&guest, self.path("jobs").join(name)).unwrap_or_else(|e| panic!("{}: {e}", guest.display()));
        self
    }

    /// The program in this folder, with a clean environment and the tests' own cache of compiled
    /// plugins.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("JOBCONTROL_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.command(arguments).output().expect("the program starts").into()
    }

    /// The program that is tested.
    pub fn program(&self) -> PathBuf {
        program()
    }

    /// Where everything of the folder is, for a test that uses the parts of the program itself.
    pub fn settings(&self) -> Resolved {
        let options = Options {
            jobs: Some(self.path("jobs")),
            store: Some(format!("sqlite:{}", self.path("jobcontrol.db").display())),
            cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")),
            config: None,
            runtimes: None,
            interpreter: vec![env!("CARGO_BIN_EXE_jobcontrol").into(), "__interpret".into()],
        };
        resolve(&options, &BTreeMap::new()).expect("settings that make sense")
    }

    /// Starts the program and goes on.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the program starts")
    }

    /// Runs the program with `--format json`, and reads its one document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--format", "json"]).collect();
        let answer = self.run(&arguments);
        serde_json::from_str(&answer.stdout).unwrap_or_else(|e| panic!("no JSON ({e}) in {answer:?}"))
    }
}

impl Folder {
    /// Puts the sample jobs among the jobs, with all that they need.
    pub fn samples(self) -> Self {
        for file in ["sales.wasm", "sales.yaml", "report.js", "data/orders.csv"] {
            let sample = std::fs::read(root().join("jobs").join(file)).expect("a sample");
            self.write(&format!("jobs/{file}"), sample);
        }
        self
    }

    /// The store, as another process has it.
    pub fn store(&self) -> SqliteStorage {
        let path = self.path("jobcontrol.db");
        SqliteStorage::open(&path, Arc::new(SystemClock), Arc::new(|_: &str| {})).expect("a store")
    }
}

/// Writes records of these numbers into the log of a build, and waits until the store has them.
pub fn say(store: &SqliteStorage, build: u64, numbers: RangeInclusive<u64>, line: impl Fn(u64) -> NewRecord) {
    let last = *numbers.end();
    for number in *numbers.start()..last {
        store.submit(Write::Log(build, pack_record(line(number))), Box::new(|done| assert!(done.is_ok())));
    }
    // It is written after all of them.
    store.log_message(build, line(last)).expect("a record that is written");
}

/// Runs a line of Bash in a folder, in which `$0` is the program.
pub fn shell(folder: &Folder, line: &str) -> Answer {
    let mut command = folder.command(&[]);
    let mut bash = Command::new("bash");
    let environment = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    bash.args(["-c", line]).arg(program()).current_dir(folder.path("")).env_clear().env("PATH", "/usr/bin:/bin");
    bash.envs(environment);
    command = bash;
    command.output().expect("bash runs").into()
}

/// What the program answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }
}

impl Answer {
    /// Asserts the exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Asserts the whole of stdout.
    #[track_caller]
    pub fn stdout(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "{self:#?}");
        self
    }

    /// Asserts a part of stdout.
    #[track_caller]
    pub fn tells(self, part: &str) -> Self {
        assert!(self.stdout.contains(part), "`{part}` is not in {self:#?}");
        self
    }

    /// Asserts a part of stderr.
    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "`{part}` is not in {self:#?}");
        self
    }
}
