//! All jobs of a catalog with the status of each, for lists.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::catalog::load::Catalog;
use crate::request::interrupted::look_at;
use crate::request::standing::Standing;
use crate::request::standing::broken;
use crate::request::standing::standings;
use crate::show::jobs::BROKEN;
use crate::show::jobs::BrokenJobJson;
use crate::show::jobs::JobJson;
use crate::show::jobs::ListedJson;
use crate::show::moment::Moment;

/// All jobs of a catalog with the status of each.
pub(crate) struct Listing<'a> {
    catalog: &'a Catalog,
    standings: BTreeMap<String, Standing>,
    broken: BTreeMap<String, Option<Arc<Build>>>,
    /// The moment when they were read.
    pub(crate) moment: Moment,
}

impl<'a> Listing<'a> {
    /// Reads the status of the jobs from the store.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub(crate) fn read(catalog: &'a Catalog, storage: &dyn Storage) -> Result<Self> {
        let (standings, broken) = (standings(catalog, storage)?, broken(catalog, storage)?);
        let newest = standings.values().filter_map(|standing| standing.newest.as_deref());
        let moment = look_at(storage, newest.chain(broken.values().filter_map(Option::as_deref)))?;
        Ok(Self { catalog, standings, broken, moment })
    }

    /// Returns every job, including those whose manifests have mistakes.
    pub(crate) fn ids(&self) -> BTreeSet<&str> {
        self.standings.keys().chain(self.broken.keys()).map(String::as_str).collect()
    }

    /// Returns a job as its manifest defines it, if its function is known.
    pub(crate) fn job(&self, id: &str) -> Option<&'a CheckedJob> {
        self.catalog.graph.jobs.get(id)
    }

    /// Returns the status of a job, or `None` if its manifest has mistakes.
    pub(crate) fn status(&self, id: &str) -> Option<&JobStatus> {
        if self.broken.contains_key(id) { None } else { Some(&self.standings.get(id)?.status) }
    }

    /// Returns [`Listing::status`] as programs read it.
    pub(crate) fn status_name(&self, id: &str) -> &'static str {
        self.status(id).map_or(BROKEN, JobStatus::name)
    }

    /// Returns the newest build of a job.
    pub(crate) fn newest(&self, id: &str) -> Option<&Build> {
        match self.broken.get(id) {
            Some(newest) => newest.as_deref(),
            None => self.standings.get(id)?.newest.as_deref(),
        }
    }

    /// Returns the newest build of a job, if it is waiting or running.
    pub(crate) fn open(&self, id: &str) -> Option<&Build> {
        self.newest(id).filter(|build| !build.finished && !self.moment.is_interrupted(build))
    }

    /// Returns the shape of a job.
    pub(crate) fn shape<'s>(&'s self, id: &'s str) -> ListedJson<'s> {
        let (graph, newest) = (&self.catalog.graph, self.newest(id));
        match (self.job(id), self.status(id)) {
            (Some(checked), Some(status)) => {
                ListedJson::Sound(Box::new(JobJson::new(graph, checked, status, newest, &self.moment)))
            }
            _ => ListedJson::Broken(Box::new(BrokenJobJson::new(graph, id, newest, &self.moment))),
        }
    }

    /// Returns the jobs that match a filter, in the order of their ids.
    pub(crate) fn matching(&self, filter: &JobFilter) -> Vec<&str> {
        let text = filter.text.as_deref().map(str::to_lowercase);
        let has_text = |id: &str| {
            let Some(text) = &text else { return true };
            let job = self.job(id).map(|checked| &checked.job);
            let function = job.map(|job| job.function.to_string());
            let parts = [Some(id), job.and_then(|job| job.title.as_deref()), function.as_deref()];
            let tags = job.into_iter().flat_map(|job| &job.tags).map(String::as_str);
            parts.into_iter().flatten().chain(tags).any(|part| part.to_lowercase().contains(text))
        };
        let has_tag = |id: &str| {
            let tags = || self.job(id).into_iter().flat_map(|checked| &checked.job.tags);
            filter.tag.as_ref().is_none_or(|tag| tags().any(|other| other == tag))
        };
        let has_status = |id: &str| {
            filter.statuses.is_empty() || filter.statuses.iter().any(|status| status == self.status_name(id))
        };
        let after = |id: &str| filter.after.as_deref().is_none_or(|after| id > after);
        self.ids().into_iter().filter(|id| after(id) && has_status(id) && has_tag(id) && has_text(id)).collect()
    }
}

/// Which jobs to list; filters combine.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobFilter {
    /// Only those with this text in their id, title, function or tags, in any case.
    pub(crate) text: Option<String>,
    /// Only those with one of these statuses; empty for any status.
    pub(crate) statuses: Vec<String>,
    /// Only those with this tag.
    pub(crate) tag: Option<String>,
    /// Only those whose ids come after this one.
    pub(crate) after: Option<String>,
}
