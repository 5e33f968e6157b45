//! Creates builds with their pins, and hands them over to their attempts.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::Mutex;

use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::config;
use jobcontrol_core::event::Ending;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NO_BUILD;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;
use jobcontrol_core::storage::pack_record;
use jobcontrol_core::types::to_text;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Sandbox;
use tokio::sync::Semaphore;

use crate::catalog::load::Catalog;
use crate::execute::attempts::Parts;
use crate::execute::attempts::Running;
use crate::execute::canceller::Canceller;
use crate::execute::error::ExecuteError;
use crate::execute::interrupted::Interrupted;
use crate::execute::interrupted::end_with;
use crate::execute::interrupted::interrupted;
use crate::execute::interrupted::unless_faster;
use crate::execute::large::apart_if;
use crate::execute::large::is_large;
use crate::execute::pools::Pools;
use crate::execute::prepared::Created;
use crate::execute::prepared::Prepared;
use crate::execute::prepared::pack_config;
use crate::execute::publisher::Publisher;
use crate::execute::remote::Remote;
use crate::execute::resolver::Resolved;
use crate::execute::resolver::Resolver;
use crate::execute::sharing;
use crate::execute::sharing::Awaited;
use crate::execute::sharing::SharedEnd;
use crate::execute::slots::Slot;
use crate::execute::takeover::Takeover;
use crate::execute::takeover::Wanted;
use crate::execute::tracer::Tracer;
use crate::execute::turns::Turns;
use crate::execute::unchanged;
use crate::execute::unchanged::pins_if_unchanged;
use crate::lock::lock;
use crate::record::recorder::Recorder;

/// How often a build is created again if another process has just deleted its plugin or dependency.
/// If that happens every time, it is not an accident any more.
const TRIES: u32 = 10;

/// The result of waiting for a build of another run.
pub(super) enum Waited {
    /// It ended, and stands for a build of this run.
    Ended(SharedEnd),
    /// This run has to make the build itself.
    Again,
    /// The run was cancelled.
    Cancelled,
}

/// How a build is to be created.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The run that it belongs to.
    pub run: RunOf,
    /// Whether the run consists of this build only, and so ends with it.
    pub alone: bool,
    /// Starts its first attempt in the same commit, unless it needs slots of a pool.
    pub start: bool,
    /// The latest success that was known. A newer build of another run can be used instead of a
    /// build of this run. `None` if no build of another run can be used.
    pub shared_after: Option<u64>,
}

/// The result of resuming a build that another process began.
pub(super) enum Resumed {
    /// The build can continue.
    Created(Box<Created>),
    /// The build has ended. If it failed, this is the kind of the failure.
    Ended(Option<FailureKind>),
}

/// The most bytes of a manifest whose arguments are made on the current thread.
const SHORT: usize = 64 << 10;

/// Makes and runs builds.
pub struct Executor {
    parts: Parts,
    takeover: Takeover,
    turns: Turns,
    recorded_plugins: Mutex<HashSet<Arc<str>>>,
}

impl Executor {
    /// Creates an executor whose builds belong to `owner`. `pools` has the size of each pool.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read, or if the thread cannot be started.
    pub fn new(
        sandbox: Arc<Sandbox>,
        remote: Option<Arc<Remote>>,
        recorder: Recorder,
        owner: Arc<str>,
        publisher: Publisher,
        pools: BTreeMap<String, u32>,
    ) -> Result<Self, StorageError> {
        let store_id = recorder.storage().store_id()?.into();
        let canceller = Canceller::start(recorder.storage(), &owner).map_err(|e| {
            StorageError::Backend(format!("the thread that looks for cancelled builds cannot start: {e}"))
        })?;
        let resolver = Arc::new(Resolver::new(Arc::clone(recorder.storage())));
        let making = Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get));
        let tracer = Tracer::new(sandbox.plugins().clone(), recorder.clone());
        let parts = Parts {
            sandbox,
            remote,
            recorder,
            owner,
            store_id,
            canceller,
            publisher,
            resolver,
            tracer,
            making,
            pools: Pools::new(pools),
        };
        let (takeover, turns, recorded_plugins) = Default::default();
        Ok(Self { parts, takeover, turns, recorded_plugins })
    }

    /// Returns the process that the builds belong to.
    pub fn owner(&self) -> &Arc<str> {
        &self.parts.owner
    }

    pub(super) fn canceller(&self) -> &Arc<Canceller> {
        &self.parts.canceller
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.parts.recorder
    }

    /// Returns the labels that an attempt of a job needs of its worker.
    pub(super) fn needs(&self, prepared: &Prepared) -> Labels {
        self.parts.needs(&prepared.checked.job)
    }

    /// Returns the turns in which plugins are made ready.
    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Returns the pools that the builds share.
    pub fn pools(&self) -> &Pools {
        &self.parts.pools
    }

    /// Returns the tracer, which finds the names and lines of failures' calls.
    pub fn tracer(&self) -> &Tracer {
        &self.parts.tracer
    }

    /// Frees the memory of plugins that no job of a catalog uses any more.
    pub fn forget_plugins(&self, catalog: &Catalog) {
        let used: HashSet<&str> = catalog.graph.jobs.values().map(|checked| &*checked.plugin.digest).collect();
        self.parts.sandbox.keep_only(|digest| used.contains(digest));
    }

    /// Releases the lease of this process after its builds have ended.
    pub fn release(&self) {
        self.parts.recorder.storage().release(&self.parts.owner);
    }

    /// Makes a job ready. Blocks while its plugin is compiled, until `cancel` is set.
    ///
    /// # Errors
    ///
    /// Returns an error if the plugin cannot be compiled or linked.
    pub fn prepare(&self, checked: &CheckedJob, granted: Granted, cancel: &Cancel) -> Result<Prepared, ExecuteError> {
        let function = match self.parts.remote {
            Some(_) => None,
            None => Some(self.parts.sandbox.function(&checked.plugin, &checked.signature, cancel)?),
        };
        self.prepare_with(checked, granted, function)
    }

    /// Does what [`Executor::prepare`] does if the plugin is loaded and the manifest is short.
    /// Returns `None` otherwise. Never blocks.
    pub(super) fn prepare_ready(
        &self,
        checked: &CheckedJob,
        granted: &Granted,
    ) -> Option<Result<Prepared, ExecuteError>> {
        let is_short = checked.job.place.source.text.len() <= SHORT;
        let function = match self.parts.remote {
            Some(_) => None,
            None => Some(self.parts.sandbox.ready_function(&checked.plugin, &checked.signature)?),
        };
        is_short.then(|| self.prepare_with(checked, granted.clone(), function))
    }

    fn prepare_with(
        &self,
        checked: &CheckedJob,
        granted: Granted,
        function: Option<Function>,
    ) -> Result<Prepared, ExecuteError> {
        let retval_type = checked.signature.retval().map(|ty| Arc::from(to_text(ty)));
        let plain_config = pack_config(checked, &[])?;
        let job_id = Arc::from(checked.job.id.as_str());
        let depends = !checked.job.dependency_ids().is_empty();
        let plain_args =
            if depends { None } else { Some(self.parts.resolver.arguments(checked, &[], &[], &Secrets::default())?) };
        let (checked, plain_args) = (checked.clone(), plain_args.map(Arc::new));
        Ok(Prepared { job_id, checked, granted, function, retval_type, plain_config, plain_args })
    }

    /// Creates a build, or takes over an interrupted build that is the same. The build is pinned to
    /// the builds that were asked for. Other dependencies are pinned to their latest successful
    /// builds at this moment.
    ///
    /// # Errors
    ///
    /// Returns an error if a dependency never succeeded, if a value does not fit, or if the store
    /// fails. Returns [`StorageError::Same`] if another run makes the same build, or has made it
    /// since `shared_after`.
    pub async fn create(
        &self,
        prepared: &Prepared,
        request: &BuildRequest,
        wish: &Wish,
    ) -> Result<Created, ExecuteError> {
        for _ in 1..TRIES {
            match self.create_once(prepared, request, wish).await {
                // The pinned build was deleted just now. The next try uses the job's next build, or
                // reports that the requested build is gone.
                Err(ExecuteError::Storage(StorageError::NoPin(_))) => {}
                created => return created,
            }
        }
        self.create_once(prepared, request, wish).await
    }

    async fn create_once(
        &self,
        prepared: &Prepared,
        request: &BuildRequest,
        wish: &Wish,
    ) -> Result<Created, ExecuteError> {
        let Wish { run, alone: ends_run, start, shared_after } = wish;
        let ends_run = *ends_run;
        let (args, config, pins) = match &prepared.plain_args {
            Some(args) if *request == BuildRequest::default() => {
                (Arc::clone(args), Arc::clone(&prepared.plain_config), Arc::default())
            }
            _ => {
                let (checked, request) = (prepared.checked.clone(), request.clone());
                let resolver = Arc::clone(&self.parts.resolver);
                let overrides = request.overrides.clone();
                // The semaphore is never closed.
                let _making = self.parts.making.acquire().await.ok();
                let Resolved { args, pins } = apart_if(true, move || resolver.pin(&checked, &request)).await?;
                (Arc::new(args), pack_config(&prepared.checked, &overrides)?, Arc::from(pins))
            }
        };
        let overrides = request.overrides.clone();
        let wanted = Wanted {
            job_id: &prepared.job_id,
            plugin: &prepared.checked.plugin.digest,
            config: &config,
            pins: &pins,
            rerun_of: request.rerun_of,
        };
        if let Some((interrupted, due)) = self.takeover(&wanted, run).await? {
            let Interrupted { build, started, .. } = interrupted;
            let (started, due, attempt) = (Some(started), Some(due), build.attempt);
            return Ok(Created { id: build.id, args: Some(args), pins, overrides, attempt, started, due, ends_run });
        }
        let large = is_large(args.iter());
        let edited = !overrides.is_empty();
        // Large arguments are made again, and charged, when the build starts: many such builds may
        // wait.
        let start = *start && prepared.checked.job.pool.is_none() && !large;
        let created = self.now();
        let new = NewBuild {
            job_id: Arc::clone(&prepared.job_id),
            config,
            edited,
            run: run.clone(),
            pins: Arc::clone(&pins),
            rerun_of: request.rerun_of,
            pool: prepared.checked.job.pool.clone().map(Arc::new),
            plugin: Some(Arc::clone(&prepared.checked.plugin.digest)),
            retval_type: prepared.retval_type.clone(),
            created,
            owner: Some(Arc::clone(&self.parts.owner)),
            shared_after: *shared_after,
            start,
        };
        let id = self.record(&prepared.checked.plugin, new).await?;
        if !start {
            self.parts.publisher.publish(id, &prepared.job_id, EventKind::Created);
        }
        let (args, started) = ((!large).then_some(args), start.then_some(created));
        Ok(Created { id, args, pins, overrides, attempt: u32::from(start), started, due: None, ends_run })
    }

    /// Resumes a build that another process began and that belongs to a run of this process.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read or written.
    pub(super) async fn resume(&self, begun: Build) -> Result<Resumed, StorageError> {
        let (id, attempt) = (begun.id, begun.attempt);
        let (pins, overrides) = (Arc::from(begun.pins.as_slice()), config::overrides(&begun.config));
        let created = |started, due| {
            let (args, ends_run) = (None, false);
            Resumed::Created(Box::new(Created { id, args, pins, overrides, attempt, started, due, ends_run }))
        };
        if !begun.started {
            return Ok(created(None, None));
        }
        match Interrupted::of(begun, self.now()) {
            Ok(one) => match one.take(&self.parts.recorder, &self.parts.owner, &RunOf::Nothing).await? {
                Some(due) => Ok(created(Some(one.started), Some(due))),
                None => self.ended(id).await,
            },
            Err(begun) => {
                self.end_begun(&begun, interrupted()).await?;
                self.ended(id).await
            }
        }
    }

    /// Ends a build that another process began, unless somebody else was faster.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be written.
    pub(super) async fn end_begun(&self, begun: &Build, failure: Failure) -> Result<(), StorageError> {
        let end = end_with(begun, failure.clone(), self.now());
        if unless_faster(self.parts.recorder.write(end).await)? {
            let ending = Ending::Failed(failure);
            self.parts.publisher.publish(
                begun.id,
                &begun.job_id.as_str().into(),
                EventKind::Finished { ending, took: 0 },
            );
        }
        Ok(())
    }

    /// Returns how a build has ended that another process took first.
    async fn ended(&self, id: u64) -> Result<Resumed, StorageError> {
        let build = self.brief(id).await?.ok_or(StorageError::NotFound(id))?;
        let unfinished = || StorageError::Refused(format!("build {id} belongs to another process now"));
        match build.finished {
            true => Ok(Resumed::Ended(build.exception.map(|failure| failure.kind))),
            false => Err(unfinished()),
        }
    }

    /// Returns the run of a build.
    pub(super) async fn run_of(&self, build: u64) -> Result<Option<u64>, StorageError> {
        Ok(self.brief(build).await?.and_then(|build| build.run))
    }

    async fn brief(&self, id: u64) -> Result<Option<Build>, StorageError> {
        let storage = Arc::clone(self.parts.recorder.storage());
        apart_if(true, move || sharing::read(&*storage, id)).await
    }

    /// Waits for a build of another run that is the same as a build of this run would be. Returns
    /// `Waited::Again` if this run has to make the build itself, by taking the other one over if it
    /// can.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub(super) async fn wait_for(&self, build: u64, job: &Arc<str>, cancel: &Cancel) -> Result<Waited, StorageError> {
        let tell = || self.parts.publisher.publish(build, job, EventKind::Shared);
        Ok(match sharing::wait_for(self.parts.recorder.storage(), build, cancel, tell).await? {
            Awaited::Ended(end) => Waited::Ended(end),
            Awaited::Cancelled => Waited::Cancelled,
            Awaited::Gone => Waited::Again,
            Awaited::Left(interrupted) => {
                self.takeover.add(*interrupted);
                Waited::Again
            }
        })
    }

    /// Records a skipped build of a job that would use exactly what its last good build used.
    /// Returns `None` if it would use anything else. `skipped` are the jobs that have nothing new
    /// for it.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read or written, or if the config cannot be packed.
    pub(super) async fn skip_unchanged(
        &self,
        checked: &CheckedJob,
        run: &RunOf,
        skipped: &[String],
    ) -> Result<Option<u64>, ExecuteError> {
        let (storage, of) = (Arc::clone(self.parts.recorder.storage()), checked.clone());
        let Some(pins) = apart_if(true, move || pins_if_unchanged(&*storage, &of)).await? else {
            return Ok(None);
        };
        let (job_id, created): (Arc<str>, _) = (checked.job.id.as_str().into(), self.now());
        let new = NewBuild {
            job_id: Arc::clone(&job_id),
            config: pack_config(checked, &[])?,
            run: run.clone(),
            pins: pins.into(),
            plugin: Some(Arc::clone(&checked.plugin.digest)),
            retval_type: checked.signature.retval().map(|ty| to_text(ty).into()),
            created,
            owner: Some(Arc::clone(&self.parts.owner)),
            ..NewBuild::default()
        };
        let id = match self.record(&checked.plugin, new).await {
            Err(ExecuteError::Storage(StorageError::NoPin(_))) => return Ok(None),
            id => id?,
        };
        let (reason, recorder) = (unchanged::reason(skipped), &self.parts.recorder);
        let record = NewRecord::new(created, Level::Info, "jobcontrol", format!("skipped: {reason}"));
        recorder.write(Write::Log(id, pack_record(record))).await?;
        let guard = Guard { owner: Some(Arc::clone(&self.parts.owner)), attempt: 0 };
        let finish = Finish { skipped: true, skip_reason: Some(reason.clone()), ..Finish::default() };
        recorder.write(Write::FinishBuild(pack_finish(id, Some(guard), created, finish))).await?;
        let ending = Ending::Skipped(reason);
        self.parts.publisher.publish(id, &job_id, EventKind::Finished { ending, took: 0 });
        Ok(Some(id))
    }

    /// Publishes that no build of a job can start yet, because its plugin is being compiled.
    pub(super) fn tell_compiling(&self, job: &str, plugin: &Plugin) {
        // For a script this is the interpreter, which all scripts share.
        let Some(code) = self.parts.sandbox.plugins().runtimes().code(plugin) else { return };
        let (shown, bytes) = (code.shown.display().to_string(), code.size);
        self.parts.publisher.publish(NO_BUILD, &Arc::from(job), EventKind::Compiling { plugin: shown, bytes });
    }

    /// Runs a created build to its end, and returns what the store then has. While the build waits
    /// for its next attempt, other builds may use its slot.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read or written.
    pub async fn execute(
        &self,
        prepared: &Prepared,
        created: Created,
        slot: Slot,
        cancel: Cancel,
    ) -> Result<Ending, ExecuteError> {
        Running::run(&self.parts, prepared, created, slot, cancel).await
    }

    /// Sets the interrupted builds that have attempts left. `create` takes one of them over if it
    /// would make the same build.
    pub fn expect(&self, interrupted: Vec<Interrupted>) {
        self.takeover.expect(interrupted);
    }

    /// Takes over an interrupted build that is the same as the wanted one, whatever run it began
    /// in.
    async fn takeover(
        &self,
        wanted: &Wanted<'_>,
        run: &RunOf,
    ) -> Result<Option<(Interrupted, Timestamp)>, StorageError> {
        if self.takeover.is_empty() {
            return Ok(None);
        }
        self.takeover.take(&self.parts.recorder, &self.parts.owner, wanted, run).await
    }

    fn now(&self) -> Timestamp {
        self.parts.recorder.storage().clock().now()
    }

    /// Creates a build whose plugin the store keeps. Another process may just have pruned bytes
    /// that no build uses yet; they are then written again.
    async fn record(&self, plugin: &Plugin, new: NewBuild) -> Result<u64, ExecuteError> {
        for _ in 1..TRIES {
            self.keep_plugin(plugin).await?;
            match self.parts.recorder.write(Write::CreateBuild(new.clone())).await {
                Err(StorageError::NoPlugin(digest)) => drop(lock(&self.recorded_plugins).remove(&digest)),
                created => return Ok(created?),
            }
        }
        self.keep_plugin(plugin).await?;
        Ok(self.parts.recorder.write(Write::CreateBuild(new)).await?)
    }

    /// Stores the plugin's bytes once, because a build must be repeatable from the store alone.
    async fn keep_plugin(&self, plugin: &Plugin) -> Result<(), ExecuteError> {
        if lock(&self.recorded_plugins).contains(&plugin.digest) {
            return Ok(());
        }
        self.parts.recorder.write(Write::Plugin(Arc::clone(&plugin.digest), Arc::clone(&plugin.bytes))).await?;
        lock(&self.recorded_plugins).insert(Arc::clone(&plugin.digest));
        Ok(())
    }
}
