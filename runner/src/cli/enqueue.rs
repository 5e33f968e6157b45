//! `enqueue`: leaves a run to a service.

use clap::Args;
use serde::Serialize;

use super::ask::AskArgs;
use super::carry_out::arm;
use super::error;
use super::error::CliError;
use super::person::requester;
use super::render::Out;
use crate::app::App;
use crate::request::run;

/// What to build, and when.
#[derive(Args, Debug)]
pub(super) struct EnqueueArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// The priority: waiting runs with a larger number start first [default: that of the jobs]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1000..=1000))]
    priority: Option<i64>,
}

/// A run that was left to a service.
#[derive(Serialize)]
struct EnqueuedJson<'a> {
    run: u64,
    jobs: &'a [String],
}

pub(super) fn enqueue(app: &App, out: &Out, args: &EnqueueArgs) -> Result<u8, CliError> {
    let ask = args.ask.settled(app)?;
    let ready = run::run(&app.settings.workspace, &app.store, &ask.ask()?)?;
    arm(out, &ready, ask.yes_protected)?;
    let run = app.enqueue(&ready, &requester(), args.priority)?;
    if out.is_json() {
        out.json(&EnqueuedJson { run, jobs: &ready.plan.order })?;
        return Ok(error::DONE);
    }
    let jobs = ready.plan.order.len();
    let jobs = if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") };
    out.answer(format!("run {run} with {jobs} waits for a service"))?;
    out.say(format!("`jobcontrol runs show {run}` shows it; `jobcontrol serve` starts a service"));
    Ok(error::DONE)
}
