//! Reads the values of secrets from the sources that the operator names.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use jobcontrol_core::job::Job;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::secret::MOST;
use jobcontrol_core::secret::SHORTEST;
use jobcontrol_core::secret::SecretSource;
use jobcontrol_core::secret::Secrets;
use tokio::io::AsyncReadExt;

use crate::execute::command::start;
use crate::private::read_private;

/// How long a command may take. An attempt waits for it.
const COMMAND_TIME: Duration = Duration::from_secs(10);

/// Reads the secrets that a job names. Do not call this on a thread that may not wait, because a
/// command takes time.
///
/// # Errors
///
/// Returns which secret cannot be read and why, without its value.
pub async fn secrets_of(job: &Job, sources: &BTreeMap<String, SecretSource>) -> Result<Secrets, String> {
    let names: BTreeSet<_> = job.secrets().into_iter().map(|(name, _)| name).collect();
    if names.is_empty() {
        return Ok(Secrets::default());
    }
    let mut values = Vec::new();
    for name in names {
        values.push((name.to_owned(), secret(name, sources).await?));
    }
    Ok(Secrets::new(values))
}

/// Reads the value of one secret, by its name.
///
/// # Errors
///
/// Returns why it cannot be read, without its value.
pub async fn secret(name: &str, sources: &BTreeMap<String, SecretSource>) -> Result<Vec<u8>, String> {
    let source = sources.get(name).ok_or_else(|| format!("the secret `{name}` is not in jobcontrol.yaml"))?;
    read(source, sources).await.map_err(|why| format!("the secret `{name}` cannot be read: {why}"))
}

/// The state of a secret of the operator's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Where its value comes from, in words.
    pub source: String,
    /// Why it cannot be read, or `None` if it can be.
    pub problem: Option<String>,
}

/// Reads each secret, and returns its state without its value.
pub async fn standing(sources: &BTreeMap<String, SecretSource>) -> Vec<Standing> {
    let mut all = Vec::new();
    for (name, source) in sources {
        let problem = read(source, sources).await.err();
        all.push(Standing { name: name.clone(), source: source.to_string(), problem });
    }
    all
}

/// Reads one secret. A command does not see the variables that hold other secrets.
///
/// # Errors
///
/// Returns why it cannot be read, without its value.
async fn read(source: &SecretSource, others: &BTreeMap<String, SecretSource>) -> Result<Vec<u8>, String> {
    let mut value = match source {
        SecretSource::Env(name) => {
            let value = std::env::var_os(name).ok_or_else(|| format!("{source} is not set"))?;
            value.into_encoded_bytes()
        }
        SecretSource::File(path) => {
            let file = path.clone();
            let read = tokio::task::spawn_blocking(move || read_private(Path::new(&file), MOST as u64 + 3)).await;
            read.map_err(|e| e.to_string())?.map_err(|why| format!("{source} {why}"))?
        }
        SecretSource::Command(argv) => output(argv, others).await.map_err(|why| format!("{source} {why}"))?,
    };
    // Editors and commands end a text with a line end, which is not part of the secret.
    for end in [b'\n', b'\r'] {
        value.pop_if(|last| *last == end);
    }
    if value.len() > MOST {
        return Err(format!("{source} has more than {}", show_bytes(MOST as u64)));
    }
    if value.len() < SHORTEST {
        return Err(format!("{source} has {} bytes; a secret has at least {SHORTEST}", value.len()));
    }
    Ok(value)
}

/// Returns what a command writes on standard output. Its standard error is never shown, because it
/// may contain the value.
async fn output(argv: &[String], others: &BTreeMap<String, SecretSource>) -> Result<Vec<u8>, String> {
    let mut started = start(argv, others, |command| {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    })?;
    let Some(stdout) = started.child.stdout.take() else {
        return Err("has no standard output".to_owned());
    };
    let run = async {
        let mut value = Vec::new();
        let read = stdout.take(MOST as u64 + 3).read_to_end(&mut value).await;
        read.map_err(|e| format!("cannot be read: {e}"))?;
        if value.len() > MOST + 2 {
            return Ok(value);
        }
        let status = started.child.wait().await.map_err(|e| e.to_string())?;
        if status.success() { Ok(value) } else { Err(format!("failed with {status}; run it by hand to see why")) }
    };
    let within = tokio::time::timeout(COMMAND_TIME, run).await;
    within.unwrap_or_else(|_| Err(format!("took longer than {} s", COMMAND_TIME.as_secs())))
}
