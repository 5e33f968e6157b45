//! What a change of the files makes due.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jobcontrol_core::check::Graph;
use jobcontrol_core::plan;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::catalog::load::Catalog;
use crate::request::run::RunAsk;
use crate::request::standing::standings;

/// What was seen of the jobs after the last round.
#[derive(Default)]
pub struct Rounds {
    /// How each job stood.
    seen: BTreeMap<String, JobStatus>,
    graph: Graph,
}

impl Rounds {
    /// Takes note of how the jobs stand.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn remember(&mut self, catalog: &Catalog, storage: &dyn Storage) -> Result<()> {
        let standings = standings(catalog, storage)?;
        self.seen = standings.into_iter().map(|(id, standing)| (id, standing.status)).collect();
        self.graph = catalog.graph.clone();
        Ok(())
    }

    /// Those of what was asked for that a change has touched since the last round, or, with `deps`, has touched
    /// something that they need.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn due<'a>(&self, catalog: &'a Catalog, storage: &dyn Storage, ask: &RunAsk<'a>) -> Result<Vec<&'a str>> {
        let touched = plan::touched(&self.graph, &catalog.graph);
        let standings = standings(catalog, storage)?;
        // A job that was outdated before, and is for the same reasons, was not made so by the change.
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
