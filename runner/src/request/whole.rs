//! One build with everything that is known about it.

use std::collections::BTreeMap;
use std::time::Instant;

use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::run::Run;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_sandbox::Plugins;

use crate::request::aftermath::look_into;
use crate::request::interrupted::look_at;
use crate::request::traceback::find_names;
use crate::request::waits::waits_for;
use crate::show::aftermath::Aftermath;
use crate::show::json::BuildJson;
use crate::show::json::Details;
use crate::show::moment::Moment;

/// One build with everything that is known about it.
pub(crate) struct WholeBuild {
    pub(crate) build: Build,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) progress: Vec<Progress>,
    /// The run that it belongs to.
    pub(crate) run: Option<Run>,
    /// What helps to understand why it failed, if it did.
    pub(crate) aftermath: Option<Aftermath>,
    /// The moment when it was read.
    pub(crate) moment: Moment,
}

impl WholeBuild {
    /// Reads a build; `pools` has the size of each pool. Names and lines of its calls that are
    /// still unknown are looked up until `until`.
    ///
    /// # Errors
    ///
    /// Returns an error if the build does not exist, or if the store cannot be read.
    pub(crate) fn read(
        plugins: &Plugins,
        storage: &dyn Storage,
        pools: &BTreeMap<String, u32>,
        id: u64,
        until: Instant,
    ) -> Result<Self> {
        let mut build = storage.get_build(id)?;
        let mut ended = storage.get_ended_attempts(id)?;
        find_names(plugins, storage, &mut build, &mut ended, until);
        let progress = storage.get_build_progress_info(id)?;
        let run = build.run.map(|run| storage.get_run(run)).transpose()?;
        let moment = look_at(storage, [&build])?.with_waits(waits_for(storage, [&build], pools)?);
        let failed = build.status() == BuildStatus::Failed;
        let aftermath = failed.then(|| look_into(&build, storage)).transpose()?;
        Ok(Self { attempts: build.attempts(ended), build, progress, run, aftermath, moment })
    }

    /// Returns the shape of the build.
    pub(crate) fn shape(&self) -> BuildJson<'_> {
        let details = Details { attempts: &self.attempts, progress: &self.progress, run: self.run.as_ref() };
        BuildJson::new(&self.build, &self.moment, Some(details)).with_aftermath(self.aftermath.as_ref())
    }
}
