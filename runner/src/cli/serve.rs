//! `serve`: watches the jobs folder and runs what is due, until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jobcontrol_core::manifest::parse_duration;

use super::carry_out::interruptible;
use super::error;
use super::error::CliError;
use super::render::Out;
use super::watch::settings_file;
use crate::app::App;
use crate::settings::Options;

/// How to serve.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// Build each job that names no trigger whenever what decides its result changes, unless it is protected
    #[arg(long)]
    on_change: bool,
    /// How long builds that run may take to end when the service stops
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = grace)]
    grace: Duration,
}

fn grace(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

pub(super) fn serve(app: &App, options: Options, out: &Out, args: &ServeArgs) -> Result<u8, CliError> {
    let (waiting, stopped) = crossbeam_channel::bounded(1);
    let stop = interruptible(move || drop(waiting.try_send(())))?;
    let teller = out.clone();
    let say = Arc::new(move |message: &str| teller.say(message));
    let service = app.serve(settings_file(app, options, out), say, args.on_change)?;
    out.say(format!("serving `{}`; Ctrl-C stops", app.settings.workspace.jobs.display()));
    // The sender lives in the handler, as long as the process does.
    let _ = stopped.recv();
    out.say("stopping: no build starts any more");
    let left = service.stop(args.grace, &stop)?;
    out.say(match (left.running, left.left) {
        (0, 0) => "stopped: nothing is left to do".to_owned(),
        (running, left) => format!("stopped: {left} runs go on at the next start, {running} builds were interrupted"),
    });
    Ok(error::DONE)
}
