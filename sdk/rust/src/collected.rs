//! The host of tests, which keeps what a job reports while a test collects it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic;

use crate::bindings::jobcontrol::plugin::build::Info;
use crate::bindings::jobcontrol::plugin::log::Entry;
use crate::bindings::jobcontrol::plugin::types::Failure;
use crate::bindings::jobcontrol::plugin::types::Level;

/// The end of a build without a return from the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// [`skip`](crate::skip), with its reason.
    Skipped(String),
    /// [`fail`](crate::fail), [`fail_with`](crate::fail_with) or a panic.
    Failed {
        /// The kind of failure: `panic` for a panic.
        kind: String,
        /// What went wrong.
        message: String,
        /// The causes, nearest first.
        causes: Vec<String>,
    },
}

/// A log record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its severity, in jobcontrol's words: `debug`, `info`, `warning`, `error`.
    pub level: &'static str,
    /// Its text.
    pub message: String,
    /// The name of the logger.
    pub target: String,
    /// Its fields, in order.
    pub fields: Vec<(String, String)>,
}

/// The progress of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The items done.
    pub current: u64,
    /// The number of items, or 0 if it is unknown.
    pub total: u64,
    /// A line of text for people.
    pub status: String,
}

#[derive(Default)]
pub(crate) struct Told {
    pub(crate) log: Vec<Record>,
    pub(crate) progress: BTreeMap<Vec<String>, Report>,
}

thread_local! {
    static TOLD: RefCell<Option<Told>> = const { RefCell::new(None) };
}

/// Starts or stops collecting, and returns what was collected until now.
pub(crate) fn replace(with: Option<Told>) -> Option<Told> {
    TOLD.replace(with)
}

fn is_collecting() -> bool {
    TOLD.with_borrow(Option::is_some)
}

pub(crate) fn write(entry: &Entry) {
    TOLD.with_borrow_mut(|told| {
        if let Some(told) = told {
            let Entry { message, target, fields, .. } = entry;
            let (message, target, fields) = (message.clone(), target.clone(), fields.clone());
            told.log.push(Record { level: name(entry.level), message, target, fields });
        }
    });
}

pub(crate) fn report(group: &[String], current: u64, total: u64, status: &str) {
    TOLD.with_borrow_mut(|told| {
        if let Some(told) = told {
            told.progress.insert(group.to_vec(), Report { current, total, status: status.to_owned() });
        }
    });
}

pub(crate) fn current() -> Option<Info> {
    None
}

pub(crate) fn skip(reason: &str) -> ! {
    if is_collecting() {
        panic::resume_unwind(Box::new(Ended::Skipped(reason.to_owned())));
    }
    panic!("skipped: {reason}")
}

pub(crate) fn fail(failure: &Failure) -> ! {
    if is_collecting() {
        let causes = failure.causes.iter().map(|cause| cause.message.clone()).collect();
        let (kind, message) = (failure.kind.clone(), failure.message.clone());
        panic::resume_unwind(Box::new(Ended::Failed { kind, message, causes }));
    }
    panic!("{}: {}", failure.kind, failure.message)
}

/// Returns the name of a level.
fn name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}
