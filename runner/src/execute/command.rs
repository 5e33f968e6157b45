//! Programs that the operator names in `jobcontrol.yaml`. No program sees the environment variables
//! that hold secrets. Everything that a program starts ends with it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use jobcontrol_core::secret::SecretSource;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;
use tokio::process::Command;

/// The most bytes of a program's output that are kept. The rest is read and dropped.
const OUTPUT: usize = 4 << 10;

/// Starts a program with its arguments. `configure` connects its input and output.
///
/// # Errors
///
/// Returns the reason if the program cannot be started. It is worded to follow the program's name.
pub(super) fn start(
    argv: &[String],
    secrets: &BTreeMap<String, SecretSource>,
    configure: impl FnOnce(&mut Command),
) -> Result<Started, String> {
    let (program, arguments) = argv.split_first().ok_or("names no program")?;
    let mut command = Command::new(program);
    command.args(arguments).process_group(0).kill_on_drop(true);
    configure(&mut command);
    for source in secrets.values() {
        if let SecretSource::Env(name) = source {
            command.env_remove(name);
        }
    }
    let child = command.spawn().map_err(|e| format!("cannot be started: {e}"))?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    Ok(Started { child, pid })
}

/// A running program. Dropping this ends the program and everything that it has started.
pub(super) struct Started {
    /// The program.
    pub(super) child: Child,
    pid: Option<Pid>,
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            // The id belongs to this group alone as long as any process of the group runs.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Why a program did not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandFailed {
    /// The reason, worded to follow the program's name.
    pub reason: String,
    /// The beginning of what the program wrote on standard output and standard error.
    pub output: String,
}

/// Runs a program that reads `input` from standard input, and waits at most `within` for its end.
///
/// # Errors
///
/// Returns an error if the program cannot be started, takes too long, or exits with a code other
/// than 0.
pub async fn feed(
    argv: &[String],
    secrets: &BTreeMap<String, SecretSource>,
    input: &[u8],
    within: Duration,
) -> Result<(), CommandFailed> {
    let failed = |reason: String, output: &[u8]| CommandFailed {
        reason,
        output: String::from_utf8_lossy(output).trim_end().to_owned(),
    };
    let (mut said, ours) = said().map_err(|e| failed(format!("cannot be started: {e}"), &[]))?;
    let mut started = start(argv, secrets, |command| {
        let [out, err] = ours.map(Stdio::from);
        command.stdin(Stdio::piped()).stdout(out).stderr(err);
    })
    .map_err(|reason| failed(reason, &[]))?;
    let stdin = started.child.stdin.take();
    let mut output = Vec::new();
    let ended = tokio::select! {
        status = started.child.wait() => status.map_err(|e| e.to_string()),
        () = tokio::time::sleep(within) => Err(format!("took longer than {within:?}")),
        () = talk(stdin, input, &mut said, &mut output) => Err("cannot be waited for".to_owned()),
    };
    drain(&said, &mut output);
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(format!("failed with {status}"), &output)),
        Err(reason) => Err(failed(reason, &output)),
    }
}

/// Creates a pipe for both outputs of a program. Returns the end to read from, and the two ends
/// that the program gets.
fn said() -> std::io::Result<(Receiver, [OwnedFd; 2])> {
    let (reader, writer) = std::io::pipe()?;
    let reader = Receiver::from_owned_fd(OwnedFd::from(reader))?;
    Ok((reader, [OwnedFd::from(writer.try_clone()?), OwnedFd::from(writer)]))
}

/// Writes the input and reads the output for as long as it is polled. Never returns, because the
/// caller waits for the program itself and knows when it has ended.
async fn talk(stdin: Option<impl AsyncWriteExt + Unpin>, input: &[u8], said: &mut Receiver, output: &mut Vec<u8>) {
    let write = async {
        if let Some(mut stdin) = stdin {
            // The program need not read its input.
            let _ = stdin.write_all(input).await;
        }
    };
    let read = async {
        let mut some = [0; 1 << 10];
        while let Ok(count @ 1..) = said.read(&mut some).await {
            keep(&some[..count], output);
        }
    };
    tokio::join!(write, read);
    std::future::pending::<()>().await;
}

/// Reads what is left in the pipe.
fn drain(said: &Receiver, output: &mut Vec<u8>) {
    let mut some = [0; 1 << 10];
    while output.len() < OUTPUT {
        match said.try_read(&mut some) {
            Ok(count @ 1..) => keep(&some[..count], output),
            _ => return,
        }
    }
}

fn keep(some: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(&some[..some.len().min(OUTPUT - output.len())]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed_to(script: &str, input: &[u8], within: Duration) -> Result<(), CommandFailed> {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let secrets = BTreeMap::from([("S".to_owned(), SecretSource::Env("PATH".to_owned()))]);
        runtime.block_on(feed(&argv, &secrets, input, within))
    }

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_reads_its_input_and_sees_no_secret() {
        assert_eq!(feed_to("read word; test \"$word\" = hello", b"hello\n", SOON), Ok(()));
        // The shell sets its own path, which it does not export.
        let failed = feed_to("/usr/bin/env; exit 3", b"", SOON).unwrap_err();
        assert!(!failed.output.contains("\nPATH=") && !failed.output.starts_with("PATH="), "{failed:?}");
        assert_eq!(failed.reason, "failed with exit status: 3");
    }

    #[test]
    fn what_a_program_says_is_bounded_and_kept_in_order() {
        let failed = feed_to("echo one; echo two >&2; echo three; exit 1", b"", SOON).unwrap_err();
        assert_eq!(failed.output, "one\ntwo\nthree");
        let failed = feed_to("head -c 1000000 /dev/zero | tr '\\0' x; exit 1", b"", SOON).unwrap_err();
        assert_eq!(failed.output, "x".repeat(OUTPUT));
    }

    #[test]
    fn a_program_that_does_not_read_or_does_not_end_delays_nobody() {
        assert_eq!(feed_to("exit 0", &vec![b'x'; 1 << 20], SOON), Ok(()));
        let failed = feed_to("echo here; exec 0<&-; while :; do sleep 1000; done", b"", Duration::from_secs(2));
        let failed = failed.unwrap_err();
        assert_eq!((failed.reason.as_str(), failed.output.as_str()), ("took longer than 2s", "here"));
        // A process that the program leaves behind holds the output open.
        let failed = feed_to("sleep 1000 & echo left; exit 1", b"", SOON).unwrap_err();
        assert_eq!(failed.output, "left");
    }
}
