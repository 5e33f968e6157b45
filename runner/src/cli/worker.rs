//! `worker`: runs attempts for services on other machines, until it is stopped.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use jobcontrol_core::labels;
use jobcontrol_core::labels::Labels;

use super::bus::BusArgs;
use super::daemon;
use super::error;
use super::error::CliError;
use super::flags::LogFormat;
use super::flags::duration;
use super::render::Out;
use crate::app::App;
use crate::app::Offered;
use crate::bus::seal::Key;
use crate::service::systemd;
use crate::service::workers::default_slots;
use crate::settings::default_key;

/// How to work.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct WorkerArgs {
    #[command(subcommand)]
    command: Option<WorkerCommand>,
    #[command(flatten)]
    bus: BusArgs,
    /// How many attempts run at once [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    slots: Option<u32>,
    /// A label of this machine, for jobs with `needs: { labels: [..] }`; several times for several
    #[arg(long, value_name = "LABEL", value_parser = label)]
    label: Vec<String>,
    /// The file of the key that secrets are encrypted to, if `worker key` made one [default:
    /// jobcontrol/worker.key in the user's data folder]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long attempts that run may take to end when the worker stops; others are given back
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    grace: Duration,
    /// How the worker writes its own log, on standard error
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log: LogFormat,
}

/// What else to do with a worker.
#[derive(Subcommand, Debug)]
enum WorkerCommand {
    /// Print the public key of this worker, for `workers:` in the service's jobcontrol.yaml; create
    /// the key if it is missing
    Key {
        /// The file of the key [default: jobcontrol/worker.key in the user's data folder]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

/// Works until a signal comes.
pub(super) fn work(app: &App, out: &Out, args: &WorkerArgs) -> Result<u8, CliError> {
    if let Some(WorkerCommand::Key { key }) = &args.command {
        let path = key.clone().or_else(default_key).ok_or_else(no_folder)?;
        let key = Key::read_or_create(&path).map_err(CliError::failed)?;
        out.answer(format!("{}\n", key.public()))?;
        return Ok(error::DONE);
    }
    let Some(address) = args.bus.address(app)? else {
        return Err(CliError::usage("a worker needs the address of a bus: add `--bus nats://HOST:4222`"));
    };
    let stopped = daemon::start(out, args.log)?;
    let slots = args.slots.unwrap_or_else(default_slots);
    if args.label.len() > labels::MOST {
        return Err(CliError::usage(format!("a worker has at most {} labels", labels::MOST)));
    }
    let path = args.key.clone().or_else(default_key);
    let key = path.as_deref().map_or(Ok(None), Key::read).map_err(CliError::failed)?;
    if let (Some(path), None) = (&args.key, &key) {
        let missing = format!("there is no key `{}`: `jobcontrol worker key --key FILE` creates it", path.display());
        return Err(CliError::usage(missing));
    }
    let (name, labels, has_key) = (name(), Labels::of(args.label.iter().cloned()), key.is_some());
    let work = app.work(&address, name.clone(), path, Offered { slots, labels: labels.clone(), key })?;
    systemd::ready();
    tracing::info!(worker = name, bus = address.shown(), slots, labels = labels.to_string(), has_key, "working");
    // The sender lives in the handler, as long as the process does.
    let _ = stopped.recv();
    systemd::stopping();
    tracing::info!("stopping: no more attempts are taken");
    work.stop(args.grace);
    tracing::info!("stopped");
    Ok(error::DONE)
}

fn no_folder() -> CliError {
    CliError::usage("the user has no data folder: name the file with `--key FILE`")
}

/// Reads a label.
fn label(text: &str) -> Result<String, String> {
    if text == labels::KEYED {
        return Err(format!("a worker with a key has the label `{text}` by itself"));
    }
    match labels::valid_label(text) {
        true => Ok(text.to_owned()),
        false => Err(labels::RULE.to_owned()),
    }
}

/// Returns a name for this life of the worker: the machine's name, the process and when it started.
/// A later process never has the same name.
fn name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String = host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{host}-{}-{:x}", std::process::id(), since.as_millis())
}
