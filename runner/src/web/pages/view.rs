//! The page that a tab shows, and its parts that change.

use super::super::extract::read_query;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::state::Look;
use super::build;
use super::builds;
use super::builds::BuildsQuery;
use super::feed::Parts;
use super::feed::Passing;
use super::graph;
use super::graph::GraphQuery;
use super::job;
use super::jobs;
use super::jobs::JobsQuery;
use super::log::LogQuery;
use super::plugins;
use super::plugins::PluginsQuery;
use super::reloads;
use super::reloads::ReloadsQuery;
use super::runs;
use super::runs::RunsQuery;
use super::schedules;
use super::timeline;
use super::timeline::TimelineQuery;
use super::visit::Visit;
use super::workers;
use crate::service::hub::Concern;

/// The page that a tab shows.
#[derive(Clone)]
pub(super) enum View {
    Jobs(JobsQuery),
    Job(String),
    Builds(BuildsQuery),
    Build(u64, LogQuery),
    Runs(RunsQuery),
    Run(u64),
    Reloads(ReloadsQuery),
    Graph(GraphQuery),
    Timeline(TimelineQuery),
    Schedules,
    Plugins(PluginsQuery),
    Plugin(String),
    Workers,
}

/// The parameters that a tab sends.
pub(super) struct Wanted {
    pub(super) view: View,
    /// The digest of what the tab shows.
    pub(super) digest: Option<String>,
    /// The version of the program that rendered the page.
    pub(super) version: Option<String>,
    /// The newest log record that the tab has.
    pub(super) after: Option<String>,
}

impl Wanted {
    /// Parses the parameters of an address: those of the page and those of the stream.
    pub(super) fn read(query: &str) -> Result<Self, Problem> {
        let mut own = form_urlencoded::Serializer::new(String::new());
        let (mut page, mut digest, mut version, mut after) = (None, None, None, None);
        let (mut job, mut build, mut run, mut plugin) = (None, None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match name.as_ref() {
                "page" => page = Some(value),
                "digest" => digest = Some(value),
                "version" => version = Some(value),
                "seen" => after = Some(value),
                "build" => build = value.parse().ok(),
                "run" => run = value.parse().ok(),
                "plugin" => plugin = Some(value),
                "job" if page.as_deref() == Some("job") => job = Some(value),
                name => drop(own.append_pair(name, &value)),
            }
        }
        let own = own.finish();
        let unknown = || Problem::new(Sort::Usage, "`page` does not name a page with live changes");
        let view = match page.as_deref() {
            Some("jobs") => View::Jobs(read_query(&own)?),
            Some("job") => View::Job(job.ok_or_else(unknown)?),
            Some("builds") => View::Builds(read_query(&own)?),
            Some("build") => View::Build(build.ok_or_else(unknown)?, read_query(&own)?),
            Some("runs") => View::Runs(read_query(&own)?),
            Some("run") => View::Run(run.ok_or_else(unknown)?),
            Some("reloads") => View::Reloads(read_query(&own)?),
            Some("graph") => View::Graph(read_query(&own)?),
            Some("timeline") => View::Timeline(read_query(&own)?),
            Some("schedules") => View::Schedules,
            Some("plugins") => View::Plugins(read_query(&own)?),
            Some("plugin") => View::Plugin(plugin.ok_or_else(unknown)?),
            Some("workers") => View::Workers,
            _ => return Err(unknown()),
        };
        Ok(Self { view, digest, version, after })
    }
}

impl View {
    /// Returns the events that can change the page.
    pub(super) fn concern(&self) -> Concern {
        match self {
            Self::Build(id, _) => Concern::Build(*id),
            Self::Run(id) => Concern::Run(*id),
            // A change in a dependency can make a job outdated.
            _ => Concern::All,
        }
    }

    /// Returns the parts that change, and how they change as time passes.
    pub(super) fn parts(&self, look: &Look<'_>, visit: &Visit) -> Result<(Parts, Passing), Problem> {
        let runs = look.service.engine().slots().counts().0 > 0;
        let parts = match self {
            Self::Build(id, query) => return build::parts(look, *id, query, visit),
            Self::Jobs(query) => jobs::parts(look, query, visit)?,
            Self::Job(id) => job::parts(look, id, visit)?,
            Self::Builds(query) => builds::parts(look, query, visit)?,
            Self::Runs(query) => runs::parts(look, query, visit)?,
            Self::Run(id) => runs::parts_of_one(look, *id, visit)?,
            Self::Reloads(query) => reloads::parts(look, query, visit)?,
            Self::Graph(query) => graph::parts(look, query)?,
            Self::Timeline(query) => timeline::parts(look, query, visit)?,
            Self::Schedules => schedules::parts(look, visit)?,
            Self::Plugins(query) => plugins::parts(look, query),
            Self::Plugin(name) => plugins::parts_of_one(look, name, visit)?,
            Self::Workers => workers::parts(look)?,
        };
        Ok((parts, Passing { is_running: runs, percent: None }))
    }
}
