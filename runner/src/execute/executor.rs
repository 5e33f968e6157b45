//! One build: created with its pins, started, called, finished.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::Pin;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::bind;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::job::Arg;
use jobcontrol_core::job::ArgNode;
use jobcontrol_core::job::Key;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::request::Request;
use jobcontrol_core::retry::Retry;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::types::Retvals;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::from_text;
use jobcontrol_core::types::resolve;
use jobcontrol_core::types::to_text;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::pack;
use jobcontrol_core::value::unpack;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::SandboxError;

use crate::execute::attempts::Running;
use crate::execute::canceller::Canceller;
use crate::execute::pins;
use crate::execute::sink::BuildSink;
use crate::execute::sink::Observer;
use crate::execute::slots::Slot;
use crate::execute::takeover::Interrupted;
use crate::execute::takeover::Takeover;
use crate::execute::takeover::Wanted;
use crate::record::recorder::Recorder;

/// How often a build is created anew whose plugin or dependency another process deletes in the moment before; one that
/// does so each time is no accident any more.
const TRIES: u32 = 10;

/// Why there is no build, or none that ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExecuteError {
    /// Dependencies without a successful build.
    #[error("missing dependencies: {} never built successfully", .0.join(", "))]
    MissingDependencies(Vec<String>),
    /// A pinned value, or an override, that does not fit the function.
    #[error("{0}")]
    Arguments(String),
    /// The plugin cannot be made ready.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A job ready to be built any number of times.
pub struct Prepared {
    /// The job's id.
    pub job_id: Arc<str>,
    checked: CheckedJob,
    pub(super) granted: Granted,
    pub(super) function: Function,
    retval_type: Option<Arc<str>>,
    /// The packed config of a build without pins and overrides.
    plain_config: Arc<[u8]>,
    /// The arguments of such a build, if the job depends on nothing.
    plain_args: Option<Vec<Value>>,
}

impl Prepared {
    pub(super) fn limits(&self) -> &Limits {
        &self.checked.job.limits
    }

    pub(super) fn retry(&self) -> &Retry {
        &self.checked.job.retry
    }
}

/// A build that is not yet finished.
pub struct Created {
    /// Its id.
    pub id: u64,
    pub(super) args: Vec<Value>,
    /// The newest attempt that started; 0 before the first.
    pub(super) attempt: u32,
    /// When its first attempt started, if it has.
    pub(super) started: Option<Timestamp>,
    /// When its next attempt is due, if one has failed.
    pub(super) due: Option<Timestamp>,
}

/// Makes and runs builds.
pub struct Executor {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) recorder: Recorder,
    pub(super) owner: Arc<str>,
    pub(super) store_id: Arc<str>,
    pub(super) canceller: Arc<Canceller>,
    observer: Observer,
    takeover: Takeover,
    kept_plugins: Mutex<HashSet<Arc<str>>>,
    types: Mutex<HashMap<String, Arc<Type>>>,
}

/// Nobody leaves these half changed, so a panic of another thread does not matter.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    /// An executor whose builds belong to `owner`.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or the machine gives no thread.
    pub fn new(
        sandbox: Arc<Sandbox>,
        recorder: Recorder,
        owner: Arc<str>,
        observer: Observer,
    ) -> Result<Self, StorageError> {
        let store_id = recorder.storage().store_id()?.into();
        let canceller = Canceller::start(recorder.storage(), &owner).map_err(|e| {
            StorageError::Backend(format!("the thread that looks for cancelled builds cannot start: {e}"))
        })?;
        let takeover = Takeover::new(recorder.clone(), Arc::clone(&owner));
        let (kept_plugins, types) = Default::default();
        Ok(Self { sandbox, recorder, owner, store_id, canceller, observer, takeover, kept_plugins, types })
    }

    /// Makes a job ready. Blocks while its plugin is compiled.
    ///
    /// # Errors
    ///
    /// The plugin cannot be compiled or linked.
    pub fn prepare(&self, checked: &CheckedJob, granted: Granted) -> Result<Prepared, ExecuteError> {
        let function = self.sandbox.function(&checked.plugin, &checked.signature)?;
        let retval_type = checked.signature.retval().map(|ty| Arc::from(to_text(ty)));
        let plain_config = pack_config(checked, &[], &Request::default())?;
        let job_id = Arc::from(checked.job.id.as_str());
        let checked = checked.clone();
        let mut prepared = Prepared { job_id, checked, granted, function, retval_type, plain_config, plain_args: None };
        if prepared.checked.job.dependency_ids().is_empty() {
            prepared.plain_args = Some(self.arguments(&prepared, &[], &[])?);
        }
        Ok(prepared)
    }

    /// Creates a build, or takes up an interrupted one that is the very same. It is pinned to the builds that were asked for, and else to the latest successful builds of its
    /// dependencies at this moment. With `start` its first attempt starts in the same commit.
    ///
    /// # Errors
    ///
    /// A dependency that never succeeded, a value that does not fit, or the store.
    pub async fn create(&self, prepared: &Prepared, request: &Request, start: bool) -> Result<Created, ExecuteError> {
        for _ in 1..TRIES {
            match self.create_once(prepared, request, start).await {
                // It went in this moment: the job's next one is taken, or what was asked for is told to be gone.
                Err(ExecuteError::Storage(StorageError::NoPin(_))) => {}
                created => return created,
            }
        }
        self.create_once(prepared, request, start).await
    }

    async fn create_once(&self, prepared: &Prepared, request: &Request, start: bool) -> Result<Created, ExecuteError> {
        let (args, config, pins) = match &prepared.plain_args {
            Some(args) if *request == Request::default() => {
                (args.clone(), Arc::clone(&prepared.plain_config), Arc::default())
            }
            _ => {
                let pinned = self.pin(prepared, request)?;
                let pins: Vec<_> = pinned.iter().map(pin_to).collect();
                let args = self.arguments(prepared, &pinned, &request.overrides)?;
                let config = pack_config(&prepared.checked, &pins, request)?;
                (args, config, pins.iter().map(|pin| pin.build).collect())
            }
        };
        if let Some((Interrupted { build, started, .. }, due)) = self.interrupted(prepared, request, &config).await? {
            let (started, due) = (Some(started), Some(due));
            return Ok(Created { id: build.id, args, attempt: build.attempt, started, due });
        }
        let created = self.recorder.storage().clock().now();
        let new = NewBuild {
            job_id: Arc::clone(&prepared.job_id),
            config,
            pins,
            plugin: Some(Arc::clone(&prepared.checked.plugin.digest)),
            retval_type: prepared.retval_type.clone(),
            created,
            start: start.then(|| Arc::clone(&self.owner)),
        };
        let id = self.record(prepared, new).await?;
        Ok(Created { id, args, attempt: u32::from(start), started: start.then_some(created), due: None })
    }

    /// Runs a created build to its end, in a slot that others have while it waits for its next attempt, and answers
    /// with what the store then has.
    ///
    /// # Errors
    ///
    /// The store.
    pub async fn execute(
        &self,
        prepared: &Prepared,
        created: Created,
        slot: Slot,
        cancel: Cancel,
    ) -> Result<Arc<Outcome>, ExecuteError> {
        Running::run(self, prepared, created, slot, cancel).await
    }

    /// Expects builds whose process is gone and that have attempts left: `create` takes one over where it would make the
    /// very same.
    pub fn expect(&self, interrupted: Vec<Interrupted>) {
        self.takeover.expect(interrupted);
    }

    /// Ends those that nothing asked for, and answers the ids of all that `create` and this have ended.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn end_left_over(&self) -> Result<Vec<u64>, StorageError> {
        self.takeover.end_left_over().await
    }

    /// An interrupted build that is what a new one would be, in whatever run it began.
    async fn interrupted(
        &self,
        prepared: &Prepared,
        request: &Request,
        config: &[u8],
    ) -> Result<Option<(Interrupted, Timestamp)>, StorageError> {
        if self.takeover.is_empty() {
            return Ok(None);
        }
        let config = unpack(config).unwrap_or(Value::Null);
        let (job_id, plugin) = (&prepared.job_id, &prepared.checked.plugin.digest);
        self.takeover.take(&Wanted { job_id, plugin, config, rerun_of: request.rerun_of }).await
    }

    pub(super) fn now(&self) -> Timestamp {
        self.recorder.storage().clock().now()
    }

    pub(super) fn sink(&self, prepared: &Prepared, (id, attempt): (u64, u32), cancel: &Cancel) -> Arc<BuildSink> {
        let (job_id, recorder) = (Arc::clone(&prepared.job_id), self.recorder.clone());
        Arc::new(BuildSink::new((id, attempt), job_id, recorder, self.observer.clone(), cancel.clone()))
    }

    pub(super) async fn observe(&self, sink: &BuildSink, kind: EventKind) {
        if let Some(observer) = &self.observer {
            let _ = observer.send(sink.event(kind)).await;
        }
    }

    /// The builds of all dependencies: those that were asked for, and else the latest successful ones.
    fn pin(&self, prepared: &Prepared, request: &Request) -> Result<Vec<Build>, ExecuteError> {
        let storage = self.recorder.storage();
        let (mut pinned, mut missing) = (Vec::new(), Vec::new());
        for (id, _) in prepared.checked.job.dependency_ids() {
            match request.pins.get(id) {
                Some(chosen) => pinned.push(pins::usable(storage.get_build(*chosen)?, id)?),
                None => match storage.get_latest_successful_build(id)? {
                    Some(build) => pinned.push(build),
                    None => missing.push(format!("`{id}`")),
                },
            }
        }
        if missing.is_empty() { Ok(pinned) } else { Err(ExecuteError::MissingDependencies(missing)) }
    }

    fn arguments(
        &self,
        prepared: &Prepared,
        pinned: &[Build],
        overrides: &[(Key, Arg)],
    ) -> Result<Vec<Value>, ExecuteError> {
        let mut job = Cow::Borrowed(&*prepared.checked.job);
        if !overrides.is_empty() {
            apply_overrides(job.to_mut(), &prepared.checked, overrides);
        }
        let mut diagnostics = Vec::new();
        let bound = bind(&job, &prepared.checked.signature, &mut diagnostics);
        if let Some(first) = diagnostics.first() {
            return Err(ExecuteError::Arguments(first.message.clone()));
        }
        let retvals = PinnedRetvals::new(self, pinned)?;
        let mut problems = Vec::new();
        let params = prepared.checked.signature.params.iter().zip(bound);
        let args = params.map(|((name, ty), arg)| match arg {
            Some(arg) => resolve(&arg, name, ty, &retvals, &mut problems),
            None => Value::Null,
        });
        let args: Vec<_> = args.collect();
        if problems.is_empty() {
            return Ok(args);
        }
        let all = problems.iter().map(|p| format!("{}: {}", p.path, p.reason)).collect::<Vec<_>>().join("; ");
        let stale = if pinned.is_empty() { "" } else { " (with --deps, outdated dependencies are built again first)" };
        Err(ExecuteError::Arguments(format!("{all}{stale}")))
    }

    fn stored_type(&self, text: &str) -> Result<Arc<Type>, ExecuteError> {
        if let Some(ty) = lock(&self.types).get(text) {
            return Ok(Arc::clone(ty));
        }
        let read = from_text(text)
            .map_err(|e| ExecuteError::Arguments(format!("the stored type of a return value cannot be read: {e}")))?;
        let ty = Arc::new(read);
        lock(&self.types).insert(text.to_owned(), Arc::clone(&ty));
        Ok(ty)
    }

    /// Creates a build whose plugin the store keeps. Bytes that no build has yet may be pruned by another process in
    /// the moment before, and are written again.
    async fn record(&self, prepared: &Prepared, new: NewBuild) -> Result<u64, ExecuteError> {
        for _ in 1..TRIES {
            self.keep_plugin(prepared).await?;
            match self.recorder.write(Write::CreateBuild(new.clone())).await {
                Err(StorageError::NoPlugin(digest)) => drop(lock(&self.kept_plugins).remove(&digest)),
                created => return Ok(created?),
            }
        }
        self.keep_plugin(prepared).await?;
        Ok(self.recorder.write(Write::CreateBuild(new)).await?)
    }

    /// The store alone can repeat a build, so it keeps the plugin's bytes, once.
    async fn keep_plugin(&self, prepared: &Prepared) -> Result<(), ExecuteError> {
        let plugin = &prepared.checked.plugin;
        if lock(&self.kept_plugins).contains(&plugin.digest) {
            return Ok(());
        }
        self.recorder.write(Write::Plugin(Arc::clone(&plugin.digest), Arc::clone(&plugin.bytes))).await?;
        lock(&self.kept_plugins).insert(Arc::clone(&plugin.digest));
        Ok(())
    }
}

fn pin_to(build: &Build) -> Pin {
    Pin { job: build.job_id.clone(), build: build.id, retval_digest: build.retval_digest.clone() }
}

fn pack_config(checked: &CheckedJob, pins: &[Pin], request: &Request) -> Result<Arc<[u8]>, ExecuteError> {
    let mut config = checked.job.to_config();
    if let Value::Map(entries) = &mut config {
        let pins = pins.iter().map(|pin| (pin.job.clone(), pin.to_value())).collect();
        entries.push(("pins".to_owned(), Value::Map(pins)));
        entries.extend(request.to_config());
    }
    let packed = pack(&config).map_err(|e| StorageError::Refused(format!("the build config: {e}")))?;
    Ok(packed.into())
}

/// An override takes the place of the argument of that name, wherever that was written.
fn apply_overrides(job: &mut jobcontrol_core::job::Job, checked: &CheckedJob, overrides: &[(Key, Arg)]) {
    let same = jobcontrol_core::types::same_name;
    for (key, arg) in overrides {
        if let (true, ArgNode::List(argv)) = (checked.signature.command, &arg.node) {
            job.args.clone_from(argv);
            continue;
        }
        let position = checked.signature.params.iter().position(|(name, _)| same(name, &key.name));
        if let Some(slot) = position.and_then(|at| job.args.get_mut(at)) {
            *slot = arg.clone();
            continue;
        }
        job.kwargs.retain(|(other, _)| !same(&other.name, &key.name));
        job.kwargs.push((key.clone(), arg.clone()));
    }
}

/// Return values of pinned builds, of the types they had when they were built.
struct PinnedRetvals<'a>(HashMap<&'a str, (Arc<Type>, &'a Value)>);

impl<'a> PinnedRetvals<'a> {
    fn new(executor: &Executor, pinned: &'a [Build]) -> Result<Self, ExecuteError> {
        let mut retvals = HashMap::new();
        for build in pinned {
            if let (Some(text), Some(value)) = (&build.retval_type, &build.retval) {
                retvals.insert(build.job_id.as_str(), (executor.stored_type(text)?, value));
            }
        }
        Ok(Self(retvals))
    }
}

impl Retvals for PinnedRetvals<'_> {
    fn retval(&self, job: &str) -> Option<(&Type, Option<&Value>)> {
        self.0.get(job).map(|(ty, value)| (&**ty, Some(*value)))
    }
}
