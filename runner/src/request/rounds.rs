//! Which jobs become due by a change of the files.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jobcontrol_core::check::Graph;
use jobcontrol_core::plan;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::catalog::load::Catalog;
use crate::request::ready::Ready;
use crate::request::run::RunAsk;
use crate::request::standing::standings;

/// The state of the jobs after the last round.
#[derive(Default)]
pub struct Rounds {
    /// The status of each job.
    seen: BTreeMap<String, JobStatus>,
    graph: Graph,
    /// The newest build before the first round.
    began: u64,
}

impl Rounds {
    /// Creates the state before the first round.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub fn start(storage: &dyn Storage) -> Result<Self> {
        let last = BuildFilter { order: Order::Desc, limit: 1, brief: true, ..BuildFilter::default() };
        let began = storage.get_job_builds(&last)?.first().map_or(0, |build| build.id);
        Ok(Self { began, ..Self::default() })
    }

    /// Remembers the status of the jobs.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub fn remember(&mut self, catalog: &Catalog, storage: &dyn Storage) -> Result<()> {
        let standings = standings(catalog, storage)?;
        self.seen = standings.into_iter().map(|(id, standing)| (id, standing.status)).collect();
        self.graph = catalog.graph.clone();
        Ok(())
    }

    /// If a round does not build `job`, makes its dependents use the newest build of `job` that was
    /// made with the arguments given by hand.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub fn use_edited(&self, storage: &dyn Storage, job: &str, ready: &mut Ready) -> Result<()> {
        if ready.plan.order.iter().any(|id| id == job) {
            return Ok(());
        }
        let edited = BuildFilter { edited: Some(true), after: Some(self.began), ..BuildFilter::latest_success(job) };
        let Some(edited) = storage.get_job_builds(&BuildFilter { brief: true, ..edited })?.pop() else {
            return Ok(());
        };
        let graph = &ready.catalog.graph;
        let needs =
            |id: &&String| graph.dependencies.get(*id).is_some_and(|needs| needs.iter().any(|need| need == job));
        for id in ready.plan.order.iter().filter(needs) {
            ready.requests.entry(id.clone()).or_default().pins.entry(job.to_owned()).or_insert(edited.id);
        }
        Ok(())
    }

    /// Returns the requested jobs that a change has affected since the last round. With `deps` or
    /// `force`, a change of a dependency counts, too.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub fn due<'a>(&self, catalog: &'a Catalog, storage: &dyn Storage, ask: &RunAsk<'a>) -> Result<Vec<&'a str>> {
        let touched = plan::touched(&self.graph, &catalog.graph);
        let standings = standings(catalog, storage)?;
        // A job that was outdated for the same reasons before did not become outdated by this
        // change.
        let newly = |id: &str| {
            let now = standings.get(id).map(|standing| standing.status.outdated_because()).unwrap_or_default();
            !now.is_empty() && self.seen.get(id).is_none_or(|seen| seen.outdated_because() != now)
        };
        let due = |id: &str| touched.contains(id) || newly(id);
        let mut roots: BTreeSet<&str> = ask.targets.iter().copied().collect();
        if ask.revdeps {
            roots.extend(plan::dependents(&catalog.graph, &ask.targets));
        }
        let needs_due =
            |id: &str| if ask.deps || ask.force { catalog.graph.closure([id]).into_iter().any(due) } else { due(id) };
        Ok(roots.into_iter().filter(|id| needs_due(id)).collect())
    }
}
