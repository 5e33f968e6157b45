//! `build rerun`: repeats a build as it was, as its job is now, or with other arguments; or the
//! rest of a run.

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::carry_out::arm;
use super::carry_out::carry_out;
use super::completions;
use super::error::CliError;
use super::render::Out;
use crate::app::App;
use crate::execute::canceller::is_owned;
use crate::request::arguments::Given;
use crate::request::build_ref::BuildRef;
use crate::request::rerun;

/// What to repeat, and how.
#[derive(Args, Debug)]
pub(super) struct RerunArgs {
    /// The build's number, or a job for its latest build (`JOB~1`: the previous one)
    #[arg(add = ArgValueCandidates::new(completions::jobs))]
    build: BuildRef,
    /// Repeat it as it was, with the same plugin, arguments and dependency builds (the default)
    #[arg(long, group = "how")]
    same: bool,
    /// Repeat it as its job is now, with the latest builds of its dependencies
    #[arg(long, group = "how")]
    latest: bool,
    /// Repeat everything that failed or was not built in the run of this build, with the jobs as
    /// they are now; successful builds of that run are used as they are, and its `--arg` values are
    /// given again
    #[arg(long, group = "how", conflicts_with = "args")]
    from_failed: bool,
    /// Give an argument another value: text if the parameter is a string, else YAML
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    args: Vec<String>,
    /// Run protected jobs without asking
    #[arg(long)]
    yes_protected: bool,
}

pub(super) fn rerun(app: &App, out: &Out, args: &RerunArgs) -> Result<u8, CliError> {
    // A store that does not exist has nothing to repeat, so none is created.
    let storage = app.storage(app.store.is_there())?;
    let build = storage.get_build(args.build.find(&app.settings.workspace, &*storage)?)?;
    if !args.from_failed && !build.finished && is_owned(&*storage, &build)? {
        return Err(CliError::usage(format!("build {} has not finished", build.id)));
    }
    let workspace = &app.settings.workspace;
    let given = Given::Texts(&args.args);
    let ready = match args {
        RerunArgs { latest: true, .. } => rerun::latest(workspace, &*storage, &build, given)?,
        RerunArgs { from_failed: true, .. } => {
            let run = build.run.ok_or_else(|| CliError::usage(format!("build {} belongs to no run", build.id)))?;
            rerun::from_failed(workspace, &*storage, &storage.get_run(run)?)?
        }
        _ => rerun::same(workspace, &*storage, &build, given, &|message| out.warn(message))?,
    };
    arm(out, &ready, args.yes_protected)?;
    let shown = ready.plan.order.clone();
    carry_out(app, out, ready, &shown)
}
