//! A child process that interprets a plugin's bytes. It starts with limits and receives one
//! question. It is killed when its time is up or nobody waits for it any more.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child as Process;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::child_limits::ChildLimits;
use jobcontrol_core::failure::cut_bytes;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::fs::OFlags;
use rustix::fs::fcntl_getfl;
use rustix::fs::fcntl_setfl;
use rustix::process::Signal;
use serde::de::DeserializeOwned;

use crate::interpreter::task::ANSWER;
use crate::interpreter::task::TIMED_OUT;
use crate::interpreter::task::Task;

/// How the allocator and the system report that there is no address space left. The last text
/// appears if there is none for a thread's stack.
const NO_MEMORY: &[&str] =
    &["memory allocation of ", "os error 12", "Cannot allocate memory", "Resource temporarily unavailable"];

/// How the standard library reports a buffer that cannot grow, such as that for the child's input.
/// This is the whole text, because the text of a plugin may contain it.
const NO_ROOM: &str = "out of memory";

/// How many bytes of a child's standard error are shown, and how many are kept to find out why it
/// failed.
const SAID: usize = 1 << 10;
const HEARD: usize = 16 << 10;

/// How often the parent checks whether anybody still waits.
const LOOK: Duration = Duration::from_millis(20);

/// How much longer than its limit a child may take. The child's own watchdog normally ends it
/// first; this is for a child that does not get as far as starting its watchdog.
const GRACE: Duration = Duration::from_secs(1);

/// The program to start as a child, with its first arguments.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) command: Vec<OsString>,
}

/// One question to a child.
pub(crate) struct Asked<'a> {
    pub(crate) task: Task,
    /// The plugin's path for messages.
    pub(crate) shown: &'a Path,
    /// The parts to write to standard input, in order.
    pub(crate) input: &'a [&'a [u8]],
    pub(crate) limits: ChildLimits,
    /// Returns whether nobody waits for the answer any more.
    pub(crate) cancel: &'a dyn Fn() -> bool,
}

/// Why a child gave no answer.
#[derive(Debug)]
pub(crate) enum ChildError {
    TimedOut,
    OutOfMemory,
    /// A person or a service manager sent a signal, or nobody waits any more.
    Interrupted,
    /// The plugin's code nests too deep for the stack.
    TooDeep,
    /// The child's own error message.
    Said(String),
    /// The child ended without an answer; holds its exit status and its standard error.
    GivenUp(String),
    /// The child could not be started or asked.
    Machine(String),
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("it took too long"),
            Self::OutOfMemory => f.write_str("it took too much memory"),
            Self::Interrupted => f.write_str("it was interrupted"),
            Self::TooDeep => f.write_str("its code nests too deep"),
            Self::Said(what) | Self::GivenUp(what) | Self::Machine(what) => f.write_str(what),
        }
    }
}

impl From<std::io::Error> for ChildError {
    fn from(error: std::io::Error) -> Self {
        Self::Machine(error.to_string())
    }
}

impl Child {
    /// Asks the child a question and returns its answer.
    pub(crate) fn ask<T: DeserializeOwned>(&self, asked: &Asked<'_>) -> Result<T, ChildError> {
        let answer = self.run(asked, None)?;
        rmp_serde::from_slice(&answer).map_err(|e| ChildError::GivenUp(format!("its answer cannot be read: {e}")))
    }

    /// Asks the child a question and lets it write the answer to a file.
    pub(crate) fn write_to(&self, asked: &Asked<'_>, file: File) -> Result<(), ChildError> {
        self.run(asked, Some(file)).map(drop)
    }

    fn run(&self, asked: &Asked<'_>, file: Option<File>) -> Result<Vec<u8>, ChildError> {
        let machine = || ChildError::Machine("there is no program to read plugins with".to_owned());
        let (program, arguments) = self.command.split_first().ok_or_else(machine)?;
        let limits = &asked.limits;
        let child = Command::new(program)
            .args(arguments)
            .arg(asked.task.name())
            .arg(limits.timeout.as_millis().to_string())
            .arg(limits.memory.to_string())
            .arg(processor_seconds(limits.timeout).to_string())
            .arg(asked.shown.file_name().unwrap_or_default())
            // The child reads untrusted bytes, and the environment may hold secrets.
            .env_clear()
            // Otherwise each thread takes 64 MiB of address space for its first allocation, if
            // there is as much.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(file.map_or_else(Stdio::piped, Stdio::from))
            .stderr(Stdio::piped())
            .spawn()?;
        // The child must not outlive this function, whatever happens here.
        let mut child = Killed(child);
        let mut exchange = Exchange { sent: 0, answer: Vec::new(), said: Vec::new() };
        let ended = exchange.run(&mut child.0, asked);
        let status = match ended {
            Ok(()) => child.0.wait()?,
            Err(stopped) => return Err(stopped),
        };
        if status.success() { Ok(exchange.answer) } else { Err(failed(status, &exchange.said)) }
    }
}

/// Returns a limit in processor seconds, over all processors, that is enough for this wall-clock
/// time.
fn processor_seconds(time: Duration) -> u64 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    (time.as_secs() + 1).saturating_mul(processors + 1)
}

/// A process that is killed on drop unless it has already ended.
struct Killed(Process);

impl Drop for Killed {
    fn drop(&mut self) {
        // It has ended, or will end in a moment.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The input and the output of a child.
struct Exchange {
    /// How many bytes of the whole input were sent.
    sent: usize,
    answer: Vec<u8>,
    said: Vec<u8>,
}

impl Exchange {
    /// Exchanges data until the child has closed its outputs.
    fn run(&mut self, child: &mut Process, asked: &Asked<'_>) -> Result<(), ChildError> {
        let end = Instant::now().checked_add(asked.limits.timeout.saturating_add(GRACE));
        let (mut stdin, mut stdout, mut stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        if let Some(stdin) = &stdin {
            without_waiting(stdin)?;
        }
        loop {
            if stdin.is_some() && !self.send(&mut stdin, asked.input)? {
                stdin = None;
            }
            let mut fds = Vec::with_capacity(3);
            fds.extend(stdin.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
            fds.extend(stdout.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            fds.extend(stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            if stdout.is_none() && stderr.is_none() {
                return Ok(());
            }
            let ready = poll(&mut fds, Some(&Timespec::try_from(LOOK).unwrap_or_default()));
            if ready.is_err_and(|error| error != rustix::io::Errno::INTR) {
                return Err(ChildError::Machine("its pipes cannot be watched".to_owned()));
            }
            let has = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
            let first = usize::from(stdin.is_some());
            let (out, err) = (stdout.is_some() && has(first), has(first + usize::from(stdout.is_some())));
            drop(fds);
            if out && !receive(&mut stdout, &mut self.answer, usize::try_from(ANSWER).unwrap_or(usize::MAX))? {
                stdout = None;
            }
            if err && !receive(&mut stderr, &mut self.said, HEARD)? {
                stderr = None;
            }
            if (asked.cancel)() {
                return Err(ChildError::Interrupted);
            }
            if end.is_some_and(|end| Instant::now() > end) {
                return Err(ChildError::TimedOut);
            }
        }
    }

    /// Sends as much as the pipe takes and returns whether there is more.
    fn send(&mut self, stdin: &mut Option<impl Write>, input: &[&[u8]]) -> Result<bool, ChildError> {
        let Some(pipe) = stdin else {
            return Ok(false);
        };
        let mut before = 0;
        for part in input {
            while self.sent - before < part.len() {
                match pipe.write(&part[self.sent - before..]) {
                    Ok(count) => self.sent += count,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(true),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    // The child ended before it had read everything, and its output says why.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(false),
                    Err(error) => return Err(error.into()),
                }
            }
            before += part.len();
        }
        Ok(false)
    }
}

fn without_waiting(pipe: impl AsFd) -> Result<(), ChildError> {
    let changed = fcntl_getfl(&pipe).and_then(|flags| fcntl_setfl(&pipe, flags | OFlags::NONBLOCK));
    changed.map_err(|e| ChildError::Machine(e.to_string()))
}

/// Reads what is available, keeps at most `most` bytes in total, and returns whether more can come.
fn receive(pipe: &mut Option<impl Read>, into: &mut Vec<u8>, most: usize) -> Result<bool, ChildError> {
    let Some(pipe) = pipe else {
        return Ok(false);
    };
    let mut chunk = [0; 64 << 10];
    match pipe.read(&mut chunk) {
        Ok(0) => Ok(false),
        Ok(count) => {
            let room = most.saturating_sub(into.len());
            into.extend_from_slice(&chunk[..count.min(room)]);
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn failed(status: ExitStatus, said: &[u8]) -> ChildError {
    let mut said = String::from_utf8_lossy(said).trim().to_owned();
    let no_memory = said == NO_ROOM || NO_MEMORY.iter().any(|words| said.contains(words));
    let too_deep = said.contains("overflowed its stack");
    cut_bytes(&mut said, SAID);
    let signal = status.signal();
    let by = |signals: &[Signal]| signal.is_some_and(|signal| signals.iter().any(|one| one.as_raw() == signal));
    // The child also receives the terminal's interrupt.
    if by(&[Signal::INT, Signal::TERM]) {
        return ChildError::Interrupted;
    }
    if status.code() == Some(TIMED_OUT) || by(&[Signal::XCPU]) {
        return ChildError::TimedOut;
    }
    match status.code() {
        _ if no_memory => ChildError::OutOfMemory,
        _ if too_deep => ChildError::TooDeep,
        Some(1) if !said.is_empty() => ChildError::Said(said),
        _ => ChildError::GivenUp(format!("{status}: {said}")),
    }
}
