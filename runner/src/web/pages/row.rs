//! Builds in a list.

use askama::Template;
use jobcontrol_core::build::Build;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::run::Requester;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::types::Signature;

use super::super::problem::Problem;
use super::super::state::Look;
use super::status::Status;
use super::times::Time;
use super::times::Zone;
use crate::request::interrupted::look_at;
use crate::request::waits::waits_for;
use crate::show::escape::clean;
use crate::show::escape::one_line;
use crate::show::moment::Moment;

/// Most characters of a text on one line.
const LINE: usize = 160;

/// A build in a list.
#[derive(Template)]
#[template(path = "build_row.html")]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) job: String,
    pub(super) status: Status,
    /// What it waits for, how it failed, why it was skipped, or who requested it.
    pub(super) small: String,
    pub(super) is_bad: bool,
    pub(super) started: Option<Time>,
    pub(super) took: String,
}

/// Several builds, newest first.
#[derive(Template)]
#[template(path = "build_rows.html")]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
}

impl Row {
    /// Builds the row of a build. `requester` is who requested the build.
    pub(super) fn new(build: &Build, moment: &Moment, zone: &Zone, requester: Option<&Requester>) -> Self {
        let by = requester.map(|requester| asked(requester, build.edited));
        let small = reason(build, moment).or(by).unwrap_or_default();
        Self {
            id: build.id,
            job: build.job_id.clone(),
            status: Status::of_build(build, moment),
            small: line(&small),
            is_bad: is_bad(build),
            started: build.start_time.map(|at| zone.ago(at, moment.now)),
            took: took(build, moment),
        }
    }
}

impl Rows {
    /// Reads the newest builds that match a filter.
    pub(super) fn read(look: &Look<'_>, zone: &Zone, filter: BuildFilter, limit: usize) -> Result<Self, Problem> {
        let filter = BuildFilter { order: Order::Desc, limit: limit as u64, brief: true, ..filter };
        let builds = look.storage.get_job_builds(&filter)?;
        let waits = waits_for(look.storage, &builds, &look.workspace.context.pools)?;
        let moment = look_at(look.storage, &builds)?.with_waits(waits);
        let runs: Vec<u64> = builds.iter().filter_map(|build| build.run).collect();
        let by = look.storage.get_requesters(&runs)?;
        let row = |build: &Build| Row::new(build, &moment, zone, build.run.and_then(|run| by.get(&run)));
        Ok(Self { rows: builds.iter().map(row).collect() })
    }
}

/// A tag, raw for addresses and cleaned for people.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    pub(super) raw: String,
    pub(super) shown: String,
}

impl Tag {
    /// Converts the tags of a job, in the manifest's order.
    pub(super) fn all(tags: &[String]) -> Vec<Self> {
        tags.iter().map(|tag| Self::of(tag)).collect()
    }

    /// Converts one tag.
    pub(super) fn of(tag: &str) -> Self {
        Self { raw: tag.to_owned(), shown: line(tag) }
    }
}

/// Describes who or what requested a build.
pub(super) fn asked(requester: &Requester, edited: bool) -> String {
    let by = match requester {
        Requester::Cli(name) => format!("by {name}"),
        Requester::Api(name) if name == "local" => "by somebody on this machine".to_owned(),
        Requester::Api(name) => format!("by {name}"),
        Requester::Schedule(_) => "schedule".to_owned(),
        Requester::Change => "a change of its inputs".to_owned(),
        Requester::Build(id) => format!("by build {id}"),
        Requester::Unknown(text) => text.clone(),
    };
    if edited { format!("{by}, with other arguments") } else { by }
}

/// Describes how a build or its newest attempt failed.
pub(super) fn failure(build: &Build) -> Option<String> {
    build.exception.as_ref().map(|failure| format!("{}: {}", failure.kind, failure.message))
}

/// Describes what a build waits for, how it failed, or why it was skipped.
pub(super) fn reason(build: &Build, moment: &Moment) -> Option<String> {
    let waits = moment.waits.get(&build.id).map(|reason| format!("waits for {reason}"));
    waits.or_else(|| failure(build)).or_else(|| build.skip_reason.clone())
}

/// Returns whether the build has failed for good.
pub(super) fn is_bad(build: &Build) -> bool {
    build.exception.is_some() && build.finished
}

/// Joins the names of files.
pub(super) fn names(files: &[String]) -> String {
    files.iter().map(|file| line(file)).collect::<Vec<_>>().join(", ")
}

/// Returns how long a build took, or has taken so far.
pub(super) fn took(build: &Build, moment: &Moment) -> String {
    let end = build.end_time.or_else(|| (!build.finished).then_some(moment.now));
    build.start_time.zip(end).map(|(start, end)| show_took(end.since(start))).unwrap_or_default()
}

/// Returns the plugin's documentation of a function.
pub(super) fn docs(signature: &Signature) -> String {
    signature.docs.as_deref().map(|docs| clean(docs.trim()).into_owned()).unwrap_or_default()
}

/// Returns the first line of a text, shortened if it is long, with hidden characters escaped.
pub(super) fn line(text: &str) -> String {
    let first = one_line(text.lines().next().unwrap_or_default());
    if first.chars().count() <= LINE {
        return first;
    }
    first.chars().take(LINE).chain("..".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_hides_nothing() {
        assert_eq!(line("a\u{202e}b\u{7}\nc"), "a\\u{202e}b\\u{7}");
        assert_eq!(line(&"x".repeat(500)).len(), LINE + 2);
    }
}
