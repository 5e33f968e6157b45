//! Turns a request into a run that can start, or into a typed refusal.
//!
//! - `refusal`: why a request was refused
//! - `aftermath`: what helps a person to understand a failed build
//! - `build_ref`: which build is meant
//! - `ready`: a run that can start
//! - `targets`: which jobs are meant, and whether their graph is sound
//! - `arguments`: arguments given by hand
//! - `run`: jobs to build
//! - `rerun`: repeats a build or a run
//! - `resume`: an open run that another process left
//! - `rounds`: which jobs become due by a change of the files
//! - `changes`: jobs with `on: change` that are due
//! - `form`: what a person fills in to run a job
//! - `inspection`: a plugin with its description
//! - `standing`: the status of every job; `listing`: all jobs for lists
//! - `subgraph`: the jobs and edges of the graph to show; `clusters`: the boxes to draw for them
//! - `manifest`: the file of a job as it is now
//! - `whole`: one build with everything known about it; `window`: the builds of a period
//! - `schedules`: when jobs are due by their schedules
//! - `delete`: builds to delete
//! - `prune`: deletes what is older than the retention allows
//! - `cancel`: runs to cancel
//! - `waits`: what builds wait for
//! - `interpreter`: the interpreter of Python, built from parts that come with the program
//! - `interrupted`: unfinished builds whose processes are gone
//! - `make`: builds a plugin from its source
//! - `template`: a folder to start from
//! - `token`: tokens of the API
//! - `traceback`: adds names and lines that a build was stored without

pub mod aftermath;
pub mod arguments;
pub mod build_ref;
pub mod cancel;
pub mod changes;
pub(crate) mod clusters;
pub mod delete;
pub(crate) mod form;
pub(crate) mod inspection;
pub(crate) mod interpreter;
pub mod interrupted;
pub(crate) mod listing;
pub(crate) mod make;
pub(crate) mod manifest;
pub mod prune;
pub mod ready;
pub mod refusal;
pub mod rerun;
pub mod resume;
pub mod rounds;
pub mod run;
pub(crate) mod schedules;
pub mod standing;
pub(crate) mod subgraph;
pub mod targets;
pub(crate) mod template;
pub mod token;
pub mod traceback;
pub(crate) mod waits;
pub(crate) mod whole;
pub(crate) mod window;
