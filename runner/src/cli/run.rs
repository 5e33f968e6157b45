//! `run`: builds jobs and shows it.

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::carry_out::arm;
use super::carry_out::carry_out;
use super::completions;
use super::error;
use super::error::CliError;
use super::render::Out;
use crate::app::App;
use crate::request::run;
use crate::request::run::RunAsk;

/// What to build.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// The jobs' ids
    #[arg(required = true, value_name = "JOB", add = ArgValueCandidates::new(completions::jobs))]
    pub(super) targets: Vec<String>,
    /// Build what is missing, failing or outdated among the dependencies first
    #[arg(long)]
    pub(super) deps: bool,
    /// Build all dependencies first, whatever their status is
    #[arg(long)]
    force: bool,
    /// Refuse to use builds of dependencies that are outdated or failing
    #[arg(long)]
    strict: bool,
    /// Build what depends on the jobs afterwards, directly or not
    #[arg(long)]
    pub(super) revdeps: bool,
    /// Use this build of a dependency instead of its latest; the dependency is not built
    #[arg(long = "pin", value_name = "DEP=BUILD")]
    pins: Vec<String>,
    /// Give an argument another value in this build: as text where the parameter is a string, else as YAML
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    pub(super) args: Vec<String>,
    /// Run protected jobs without asking
    #[arg(long)]
    pub(super) yes_protected: bool,
    /// Stay, and build again whatever a change of a manifest or a plugin touches
    #[arg(long, conflicts_with = "pins")]
    pub(super) watch: bool,
}

impl RunArgs {
    /// What is asked for, each target once.
    pub(super) fn ask(&self) -> RunAsk<'_> {
        let mut targets: Vec<&str> = Vec::new();
        for job in &self.targets {
            if !targets.contains(&job.as_str()) {
                targets.push(job);
            }
        }
        RunAsk {
            targets,
            deps: self.deps,
            force: self.force,
            strict: self.strict,
            revdeps: self.revdeps,
            pins: &self.pins,
            unattended: false,
            args: &self.args,
        }
    }
}

pub(super) fn run(app: &App, out: &Out, args: &RunArgs) -> Result<u8, CliError> {
    let ask = args.ask();
    let ready = run::run(&app.settings.workspace, &app.store, &ask)?;
    arm(out, &ready, args.yes_protected)?;
    let shown: Vec<String> = match args.revdeps {
        true => ready.plan.order.clone(),
        false => ask.targets.iter().map(|id| (*id).to_owned()).collect(),
    };
    let is_whole = ready.left_out.is_empty();
    let code = carry_out(app, out, ready, &shown)?;
    Ok(if is_whole { code } else { code.max(error::UNCHECKED) })
}
