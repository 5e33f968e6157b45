//! One build: created with its pins, started, called, finished.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::Failure;
use jobcontrol_core::build::Pin;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::bind;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::job::Arg;
use jobcontrol_core::job::ArgNode;
use jobcontrol_core::job::Key;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::plan::Request;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;
use jobcontrol_core::types::Retvals;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::from_text;
use jobcontrol_core::types::resolve;
use jobcontrol_core::types::to_text;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::pack;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::SandboxError;
use jobcontrol_sandbox::Sink;

use crate::execute::pins;
use crate::execute::sink::BuildSink;
use crate::execute::sink::Observer;
use crate::record::recorder::Recorder;

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
    granted: Granted,
    function: Function,
    retval_type: Option<Arc<str>>,
    /// The packed config of a build without pins and overrides.
    plain_config: Arc<[u8]>,
    /// The arguments of such a build, if the job depends on nothing.
    plain_args: Option<Vec<Value>>,
}

/// A build that is not yet finished.
pub struct Created {
    /// Its id.
    pub id: u64,
    args: Vec<Value>,
    /// When its first attempt started, if it has.
    started: Option<Timestamp>,
}

/// Makes and runs builds.
pub struct Executor {
    sandbox: Arc<Sandbox>,
    recorder: Recorder,
    owner: Arc<str>,
    store_id: Arc<str>,
    observer: Observer,
    kept_plugins: Mutex<HashSet<Arc<str>>>,
    types: Mutex<HashMap<String, Arc<Type>>>,
}

/// Nobody leaves these half changed, so a panic of another thread does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    /// An executor whose builds belong to `owner`.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn new(
        sandbox: Arc<Sandbox>,
        recorder: Recorder,
        owner: Arc<str>,
        observer: Observer,
    ) -> Result<Self, StorageError> {
        let store_id = recorder.storage().store_id()?.into();
        let (kept_plugins, types) = Default::default();
        Ok(Self { sandbox, recorder, owner, store_id, observer, kept_plugins, types })
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

    /// Creates a build, pinned to the builds that were asked for, and else to the latest successful builds of its
    /// dependencies at this moment. With `start` its first attempt starts in the same commit.
    ///
    /// # Errors
    ///
    /// A dependency that never succeeded, a value that does not fit, or the store.
    pub async fn create(&self, prepared: &Prepared, request: &Request, start: bool) -> Result<Created, ExecuteError> {
        let (args, config) = match &prepared.plain_args {
            Some(args) if *request == Request::default() => (args.clone(), Arc::clone(&prepared.plain_config)),
            _ => {
                let pinned = self.pin(prepared, request)?;
                let pins: Vec<_> = pinned.iter().map(pin_to).collect();
                let args = self.arguments(prepared, &pinned, &request.overrides)?;
                (args, pack_config(&prepared.checked, &pins, request)?)
            }
        };
        self.keep_plugin(prepared).await?;
        let created = self.recorder.storage().clock().now();
        let new = NewBuild {
            job_id: Arc::clone(&prepared.job_id),
            config,
            plugin: Some(Arc::clone(&prepared.checked.plugin.digest)),
            retval_type: prepared.retval_type.clone(),
            created,
            start: start.then(|| Arc::clone(&self.owner)),
        };
        let id = self.recorder.write(Write::CreateBuild(new)).await?;
        Ok(Created { id, args, started: start.then_some(created) })
    }

    /// Runs a created build to its end, and answers with what the store then has.
    ///
    /// # Errors
    ///
    /// The store.
    pub async fn execute(
        &self,
        prepared: &Prepared,
        created: Created,
        cancel: Cancel,
    ) -> Result<Arc<Outcome>, ExecuteError> {
        let Created { id, args, started } = created;
        let attempt = 1;
        let started = match started {
            Some(started) => started,
            None => {
                let time = self.recorder.storage().clock().now();
                let start = StartBuild { id, guard: None, owner: Some(Arc::clone(&self.owner)), time };
                self.recorder.write(Write::StartBuild(start)).await?;
                time
            }
        };
        let sink =
            Arc::new(BuildSink::new(id, Arc::clone(&prepared.job_id), self.recorder.clone(), self.observer.clone()));
        self.observe(&sink, EventKind::Started).await;
        let build = BuildInfo {
            build_id: id,
            job_id: Arc::clone(&prepared.job_id),
            attempt,
            store_id: Arc::clone(&self.store_id),
        };
        let call = Call {
            args,
            granted: prepared.granted.clone(),
            limits: prepared.checked.job.limits.clone(),
            build,
            sink: Arc::clone(&sink) as Arc<dyn Sink>,
            cancel,
        };
        let outcome = tokio::select! {
            biased;
            outcome = self.sandbox.call(&prepared.function, call) => outcome,
            () = sink.beat() => Outcome::Failed(Failure::new("bug", "progress ended before the build")),
        };
        sink.flush().await;
        let (outcome, ended) = self.finish(prepared, &sink, attempt, outcome).await?;
        let outcome = Arc::new(outcome);
        let took = ended.since(started);
        self.observe(&sink, EventKind::Finished { outcome: Arc::clone(&outcome), took }).await;
        Ok(outcome)
    }

    async fn observe(&self, sink: &BuildSink, kind: EventKind) {
        if let Some(observer) = &self.observer {
            let _ = observer.send(sink.event(kind)).await;
        }
    }

    async fn finish(
        &self,
        prepared: &Prepared,
        sink: &BuildSink,
        attempt: u32,
        outcome: Outcome,
    ) -> Result<(Outcome, Timestamp), ExecuteError> {
        let now = self.recorder.storage().clock().now();
        if let Outcome::Skipped(reason) = &outcome {
            let record = NewRecord::new(now, Level::Info, "jobcontrol", format!("skipped: {reason}"));
            // The record is worth less than the end of the build, which reports what is wrong with the store.
            let _ = sink.log(record).await;
        }
        let guard = || Some(Guard { owner: Some(Arc::clone(&self.owner)), attempt });
        let max = prepared.checked.job.limits.retval;
        let mut outcome = outcome;
        let packed = loop {
            let packed = pack_finish(sink.build_id, guard(), now, ending(&outcome));
            match overlong(&packed, &outcome, max) {
                Some(failure) => outcome = Outcome::Failed(failure),
                None => break packed,
            }
        };
        self.recorder.write(Write::FinishBuild(packed)).await?;
        Ok((outcome, now))
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

fn ending(outcome: &Outcome) -> Finish {
    match outcome {
        Outcome::Returned(value) => Finish { retval: value.clone(), ..Finish::default() },
        Outcome::Skipped(_) => Finish { skipped: true, ..Finish::default() },
        Outcome::Failed(failure) => {
            Finish { success: Some(false), exception: Some(failure.clone()), ..Finish::default() }
        }
    }
}

/// A return value that is too large, or could not be packed although the function returned.
fn overlong(packed: &FinishBuild, outcome: &Outcome, max: u64) -> Option<Failure> {
    let Outcome::Returned(_) = outcome else {
        return None;
    };
    let size = packed.retval.as_ref().map_or(0, Vec::len) as u64;
    if size > max {
        let limit = show_bytes(max);
        let message = format!(
            "the return value, encoded, has {size} bytes; above {limit}, raise it with `limits: {{ retval: .. }}`"
        );
        return Some(Failure::new("limit", message));
    }
    packed.exception.as_deref().map(jobcontrol_core::storage::unpack_failure)
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
