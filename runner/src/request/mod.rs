//! What somebody asks for: to a run that can start, or a typed refusal.
//!
//! - `refusal`: why something that was asked for is not done
//! - `aftermath`: what a person looks at to understand a failed build
//! - `build_ref`: which build is meant
//! - `ready`: a run that can start
//! - `targets`: which jobs are meant, and whether their graph is sound
//! - `arguments`: arguments given by hand
//! - `run`: jobs to build
//! - `rerun`: a build again, or a run
//! - `resume`: an open run that another process left
//! - `rounds`: what a change of the files makes due
//! - `changes`: jobs with `on: change` that are due
//! - `form`: what a person fills in to run a job
//! - `inspection`: a plugin with what is told of it
//! - `standing`: how every job stands; `listing`: all of them, for who lists them
//! - `subgraph`: which jobs and edges of the graph somebody wants to see; `clusters`: the boxes
//!   that are drawn of them
//! - `manifest`: the file of a job as it is now
//! - `whole`: one build with all that is known of it; `window`: those of a time
//! - `schedules`: when jobs are due by themselves
//! - `delete`: builds to delete
//! - `prune`: what is older than it is to be kept
//! - `cancel`: runs to cancel
//! - `waits`: what builds wait for
//! - `interpreter`: the interpreter of Python, made of what comes with the program
//! - `interrupted`: which unfinished builds nobody runs any more
//! - `make`: a plugin out of its source
//! - `template`: a folder to begin with
//! - `token`: tokens of the API
//! - `traceback`: names and lines that a build was stored without

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
