//! The arguments that `run` and `enqueue` share.

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::completions;
use super::error::CliError;
use crate::app::App;
use crate::request::run::RunAsk;
use crate::request::run::read_pins;
use crate::request::targets::Choice;

/// What to build.
#[derive(Args, Clone, Debug)]
pub(super) struct AskArgs {
    /// The jobs' ids; `*` matches any part of an id
    #[arg(required_unless_present_any = ["tag", "all"], value_name = "JOB", add = ArgValueCandidates::new(completions::jobs))]
    pub(super) targets: Vec<String>,
    /// Build the jobs with this tag
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Build all jobs
    #[arg(long, conflicts_with_all = ["targets", "tag"])]
    all: bool,
    /// Build dependencies that are missing, failing or outdated first
    #[arg(long)]
    pub(super) deps: bool,
    /// Build all dependencies first, whatever their status
    #[arg(long)]
    force: bool,
    /// Refuse to use builds of dependencies that are outdated or failing
    #[arg(long)]
    strict: bool,
    /// Afterwards build all jobs that depend on these, directly or not
    #[arg(long)]
    pub(super) revdeps: bool,
    /// Use this build of a dependency instead of its latest; the dependency is not built
    #[arg(long = "pin", value_name = "DEP=BUILD")]
    pub(super) pins: Vec<String>,
    /// Give an argument another value in this build: text if the parameter is a string, else YAML
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    pub(super) args: Vec<String>,
    /// Run protected jobs without asking
    #[arg(long)]
    pub(super) yes_protected: bool,
}

impl AskArgs {
    /// Returns the same arguments, with patterns and tags replaced by the jobs that they match.
    pub(super) fn settled(&self, app: &App) -> Result<Self, CliError> {
        let choice = Choice { named: &self.targets, tags: &self.tag, all: self.all };
        let targets = choice.of_folder(&app.settings.workspace)?;
        Ok(Self { targets, tag: Vec::new(), all: false, ..self.clone() })
    }

    /// Returns the request.
    pub(super) fn ask(&self) -> Result<RunAsk<'_>, CliError> {
        Ok(RunAsk {
            targets: self.targets.iter().map(String::as_str).collect(),
            deps: self.deps,
            force: self.force,
            strict: self.strict,
            revdeps: self.revdeps,
            pins: read_pins(&self.pins)?,
            unattended: false,
            args: &self.args,
        })
    }
}
