//! All printing. Text from plugins and manifests is escaped here before it reaches a terminal.
//!
//! - `out`: where output goes, and in which colours
//! - `page`: lines for people, in which foreign text never begins a line
//! - `diagnostic`: mistakes in a person's files, with their lines
//! - `sarif`: mistakes for tools that review code
//! - `text`: builds, tracebacks, values and tables for people; `service_log`: the log of a service
//! - `build`: a whole build, and details of a failed one
//! - `shortened`: shortens long texts
//! - `live`: the progress of a run
//! - `time`: moments in the time zone of the person
//! - `bars`: the lines of a run on a terminal

mod bars;
pub(crate) mod build;
pub(crate) mod diagnostic;
pub(crate) mod live;
mod out;
mod page;
pub(crate) mod sarif;
pub(crate) mod service_log;
mod shortened;
pub(crate) mod text;
pub(crate) mod time;

pub(crate) use out::BOLD;
pub(crate) use out::DIM;
pub(crate) use out::GREEN;
pub(crate) use out::Out;
pub(crate) use out::RED;
pub(crate) use out::YELLOW;
pub(crate) use out::announce_bugs;
pub(crate) use out::bug_document;
pub(crate) use out::clap_message;
pub(crate) use out::clap_text;
pub(crate) use out::error;
pub(crate) use out::error_document;
pub(crate) use out::interpreter_result;
pub(crate) use out::quit_now;
pub(crate) use out::styled;
pub(crate) use page::Page;
