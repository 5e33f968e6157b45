//! `run`: builds jobs and shows their progress.

use clap::Args;

use super::ask::AskArgs;
use super::carry_out::arm;
use super::carry_out::carry_out;
use super::error;
use super::error::CliError;
use super::render::Out;
use crate::app::App;
use crate::request::run;

/// What to build.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) ask: AskArgs,
    /// Keep running, and build again each job that a change of a manifest or a plugin affects
    #[arg(long, conflicts_with = "pins")]
    pub(super) watch: bool,
}

pub(super) fn run(app: &App, out: &Out, args: &RunArgs) -> Result<u8, CliError> {
    let args = args.ask.settled(app)?;
    let ask = args.ask()?;
    let ready = run::run(&app.settings.workspace, &app.store, &ask)?;
    arm(out, &ready, args.yes_protected)?;
    let shown: Vec<String> = match args.revdeps {
        true => ready.plan.order.clone(),
        false => args.targets.clone(),
    };
    let is_whole = ready.left_out.is_empty();
    let code = carry_out(app, out, ready, &shown)?;
    Ok(if is_whole { code } else { code.max(error::UNCHECKED) })
}
