//! Builds one job of a plan whose turn has come: prepares it, creates or resumes its build, and
//! executes that.

use std::sync::Arc;
use std::time::Duration;

use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::event::Ending;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StorageError;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::SandboxError;

use crate::execute::canceller::cancelled;
use crate::execute::error::ExecuteError;
use crate::execute::executor::Executor;
use crate::execute::executor::Resumed;
use crate::execute::executor::Waited;
use crate::execute::executor::Wish;
use crate::execute::job_end::JobEnd;
use crate::execute::prepared::Created;
use crate::execute::prepared::Prepared;
use crate::execute::slots::Slot;
use crate::execute::slots::Slots;

/// If compiling a plugin takes longer, it is reported, so that nobody looks at an empty screen.
const LONG: Duration = Duration::from_secs(1);

/// One job of a plan whose turn has come.
pub(super) struct One {
    pub(super) executor: Arc<Executor>,
    pub(super) id: String,
    /// The job with its grants, or `None` if it does not exist any more.
    pub(super) job: Option<(CheckedJob, Granted)>,
    pub(super) request: BuildRequest,
    /// The jobs that it needs, if all of them were skipped.
    pub(super) skipped_needs: Vec<String>,
    /// The latest success that was known. A newer build of another run can be used instead of a
    /// build of this run. `None` if no build of another run can be used.
    pub(super) shared_after: Option<u64>,
    /// A build that was begun before and is to be resumed. `job` is then the build's own job.
    pub(super) begun: Option<Build>,
    pub(super) run: RunOf,
    /// Whether the run consists of this build only, and so ends with it.
    pub(super) alone: bool,
    /// Called with the run of the build once it is recorded.
    pub(super) told: Option<Told>,
    pub(super) slots: Slots,
    pub(super) cancel: Cancel,
}

/// Called with the id of a run once the store has it; must not wait.
pub type Told = Arc<dyn Fn(u64) + Send + Sync>;

impl One {
    /// Builds the job.
    pub(super) async fn build(&mut self) -> JobEnd {
        if self.cancel.is_set() && self.begun.is_none() {
            return JobEnd::Cancelled;
        }
        let Some((checked, granted)) = self.job.take() else {
            return JobEnd::NotBuilt(ExecuteError::Gone);
        };
        if !self.skipped_needs.is_empty() && self.begun.is_none() {
            match self.executor.skip_unchanged(&checked, &self.run, &self.skipped_needs).await {
                Ok(Some(build)) => return JobEnd::Skipped(build),
                Ok(None) => {}
                Err(error) => return JobEnd::NotBuilt(error),
            }
        }
        match (self.prepare(checked, granted).await, self.begun.take()) {
            (Ok(Some(prepared)), Some(begun)) => self.go_on(prepared, begun).await,
            (Ok(Some(prepared)), None) => self.run(prepared).await,
            (Ok(None), None) => JobEnd::Cancelled,
            (Err(error), None) => JobEnd::NotBuilt(error),
            (Ok(None), Some(begun)) => self.give_up(begun, cancelled("an interrupt of its run")).await,
            (Err(error), Some(begun)) => {
                self.give_up(begun, Failure::new(FailureKind::Interrupted, format!("it cannot go on: {error}"))).await
            }
        }
    }

    /// Resumes a build that another process began.
    async fn go_on(&self, prepared: Prepared, begun: Build) -> JobEnd {
        let id = begun.id;
        match self.executor.resume(begun).await {
            Ok(Resumed::Created(created)) => {
                let slot = self.slots.try_take(&self.executor.needs(&prepared));
                self.execute(&prepared, *created, slot).await
            }
            Ok(Resumed::Ended(failure)) => JobEnd::Built(id, failure),
            Err(error) => JobEnd::NotBuilt(error.into()),
        }
    }

    /// Ends a build that another process began.
    async fn give_up(&self, begun: Build, failure: Failure) -> JobEnd {
        let (id, kind) = (begun.id, failure.kind.clone());
        match self.executor.end_begun(&begun, failure).await {
            Ok(()) => JobEnd::Built(id, Some(kind)),
            Err(error) => JobEnd::NotBuilt(error.into()),
        }
    }

    /// Makes the job ready. Returns `None` if the run is cancelled first.
    async fn prepare(&self, checked: CheckedJob, granted: Granted) -> Result<Option<Prepared>, ExecuteError> {
        let mut cancel = self.cancel.clone();
        let plugin = Arc::clone(&checked.plugin);
        let turn = tokio::select! {
            biased;
            () = cancel.wait() => return Ok(None),
            turn = self.executor.turns().take(&plugin.digest) => turn?,
        };
        if let Some(prepared) = self.executor.prepare_ready(&checked, &granted) {
            turn.into_iter().for_each(|turn| turn.end(Ok(())));
            return prepared.map(Some);
        }
        let preparing = {
            let (executor, cancel) = (Arc::clone(&self.executor), cancel.clone());
            // Compiling takes seconds for a large plugin, and must not hold up guests that run.
            tokio::task::spawn_blocking(move || executor.prepare(&checked, granted, &cancel))
        };
        let mut told = turn.is_none();
        let mut preparing = std::pin::pin!(preparing);
        let prepared = loop {
            tokio::select! {
                biased;
                () = cancel.wait() => return Ok(None),
                prepared = &mut preparing => {
                    break prepared.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                }
                () = tokio::time::sleep(LONG), if !told => {
                    told = true;
                    self.executor.tell_compiling(&self.id, &plugin);
                }
            }
        };
        if let Some(turn) = turn {
            // A mistake in this job's own arguments does not concern others.
            match &prepared {
                // This job was cancelled; others that wait may not be.
                Err(ExecuteError::Sandbox(SandboxError::Interrupted(_))) => drop(turn),
                Err(error @ ExecuteError::Sandbox(_)) => turn.end(Err(error.clone())),
                _ => turn.end(Ok(())),
            }
        }
        prepared.map(Some)
    }

    async fn run(&mut self, prepared: Prepared) -> JobEnd {
        let needs = self.executor.needs(&prepared);
        let (created, slot) = loop {
            // Without a free slot the build is created, and waits in the store.
            let slot = self.slots.try_take(&needs);
            let wish = Wish {
                run: self.run.clone(),
                alone: self.alone,
                start: slot.is_held(),
                shared_after: self.shared_after,
            };
            match self.executor.create(&prepared, &self.request, &wish).await {
                Ok(created) => break (created, slot),
                Err(ExecuteError::Storage(StorageError::Same(build))) => {
                    // No slot is held while waiting for another run.
                    drop(slot);
                    match self.executor.wait_for(build, &prepared.job_id, &self.cancel).await {
                        Ok(Waited::Ended(end)) => return JobEnd::Shared(end),
                        Ok(Waited::Cancelled) => return JobEnd::Cancelled,
                        Ok(Waited::Again) => {}
                        Err(error) => return JobEnd::NotBuilt(error.into()),
                    }
                }
                Err(error) => return JobEnd::NotBuilt(error),
            }
        };
        if let Some(told) = self.told.take()
            && let Ok(Some(run)) = self.executor.run_of(created.id).await
        {
            told(run);
        }
        self.execute(&prepared, created, slot).await
    }

    async fn execute(&self, prepared: &Prepared, created: Created, slot: Slot) -> JobEnd {
        let build = created.id;
        match self.executor.execute(prepared, created, slot, self.cancel.clone()).await {
            Ok(Ending::Failed(failure)) => JobEnd::Built(build, Some(failure.kind)),
            Ok(Ending::Returned) => JobEnd::Built(build, None),
            Ok(Ending::Skipped(_)) => JobEnd::Skipped(build),
            Err(error) => JobEnd::NotBuilt(error),
        }
    }
}
