//! `build cancel`: cancels builds, whichever process runs them.

use clap::Args;
use clap_complete::ArgValueCandidates;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::failure::FailureKind;
use serde::Serialize;

use super::completions;
use super::error;
use super::error::CliError;
use super::person::by;
use super::render::Out;
use crate::app::App;
use crate::execute::canceller;
use crate::execute::canceller::Cancelling;
use crate::request::build_ref::BuildRef;

/// Which builds to cancel.
#[derive(Args, Debug)]
pub(super) struct CancelArgs {
    /// The builds' numbers, or jobs for their latest builds
    #[arg(required = true, value_name = "BUILD", add = ArgValueCandidates::new(completions::jobs))]
    builds: Vec<BuildRef>,
    /// Do not wait until the processes that run them have ended them
    #[arg(long)]
    no_wait: bool,
}

#[derive(Serialize)]
struct CancelledJson<'a> {
    /// Builds that have ended as cancelled.
    cancelled: &'a [u64],
    /// Builds whose process was asked to cancel them, without waiting for the end.
    asked: &'a [u64],
    /// Builds that ended in another way before they could be cancelled.
    too_late: &'a [u64],
}

pub(super) fn cancel(app: &App, out: &Out, args: &CancelArgs) -> Result<u8, CliError> {
    let storage = app.storage(false)?;
    let by = by();
    let workspace = &app.settings.workspace;
    let builds = args.builds.iter().map(|build| build.find(workspace, &*storage));
    let mut builds = builds.collect::<Result<Vec<_>, _>>()?;
    builds.sort_unstable();
    builds.dedup();
    // All builds are checked first, so that a mistyped number cancels nothing.
    for id in &builds {
        let build = storage.get_build(*id)?;
        if build.finished {
            let status = build.status();
            return Err(CliError::usage(format!("build {id} has already ended: {status}; nothing was cancelled")));
        }
    }
    let (mut cancelled, mut asked, mut too_late) = (Vec::new(), Vec::new(), Vec::new());
    let mut requests = Vec::new();
    for id in &builds {
        requests.push((*id, canceller::cancel(&*storage, *id, &by)?));
    }
    for (id, cancelling) in requests {
        let line = match cancelling {
            Cancelling::Ended => {
                cancelled.push(id);
                format!("build {id} was cancelled")
            }
            Cancelling::Asked if args.no_wait => {
                asked.push(id);
                format!("the process that runs build {id} was asked to end it")
            }
            Cancelling::Asked => match canceller::wait(&*storage, id, &by)? {
                BuildStatus::Failed if is_cancelled(&storage.get_build(id)?) => {
                    cancelled.push(id);
                    format!("build {id} was cancelled")
                }
                status => {
                    too_late.push(id);
                    format!("build {id} ended before it could be cancelled, {status}")
                }
            },
            Cancelling::TooLate(status) => {
                too_late.push(id);
                format!("build {id} ended before it could be cancelled, {status}")
            }
        };
        if !out.is_json() {
            out.answer(line)?;
        }
    }
    if out.is_json() {
        out.json(&CancelledJson { cancelled: &cancelled, asked: &asked, too_late: &too_late })?;
    }
    Ok(if too_late.is_empty() { error::DONE } else { error::FAILED })
}

fn is_cancelled(build: &jobcontrol_core::build::Build) -> bool {
    build.exception.as_ref().is_some_and(|failure| failure.kind == FailureKind::Cancelled)
}
