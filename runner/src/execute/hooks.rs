//! `cleanup_function` and `repr_function`: functions of a build's own plugin, called with what the
//! build returned.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jobcontrol_core::build::Build;
use jobcontrol_core::config;
use jobcontrol_core::config::job_of_config;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::grants::Grants;
use jobcontrol_core::held_size;
use jobcontrol_core::job::FunctionRef;
use jobcontrol_core::job::Job;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_record;
use jobcontrol_core::types::convert;
use jobcontrol_core::types::from_text;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::Sink;

use crate::catalog::today::Today;
use crate::catalog::workspace::Workspace;
use crate::execute::repeat::stored;
use crate::execute::repeat::stored_plugin;
use crate::execute::secrets::secrets_of;
use crate::record::recorder::Recorder;

/// The most time for `repr_function`. Somebody waits for the text, and a slower function is not
/// worth it.
const REPR_TIME: Duration = Duration::from_secs(5);

/// Selects a hook of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `cleanup_function`, with the grants that a rerun of the build would have.
    Cleanup,
    /// `repr_function`, without any grant.
    Repr,
}

/// Returns the function that a build names, if it names one and has returned something.
pub fn named(build: &Build, which: Which) -> Option<FunctionRef> {
    build.retval.as_ref()?;
    match which {
        Which::Cleanup => config::cleanup_function(&build.config),
        Which::Repr => config::repr_function(&build.config),
    }
}

/// A hook of a build, ready to be called.
pub struct Hook {
    prepared: Function,
    call: Call,
    /// The job, which names the secrets.
    job: Job,
}

impl Hook {
    /// Makes a function ready to be called with what a build returned. Blocks.
    ///
    /// # Errors
    ///
    /// Returns the reason if the store no longer has what is needed, or if something may no longer
    /// be granted.
    pub fn prepare(
        sandbox: &Sandbox,
        workspace: &Workspace,
        storage: &Arc<dyn Storage>,
        build: &Build,
        which: Which,
        function: &FunctionRef,
        today: &Today,
    ) -> Result<Self, String> {
        let mut job = job_of_config(&build.job_id, &build.config, &workspace.context.ceiling)?;
        // A hook does not get the arguments, so it does not need their secrets.
        (job.args, job.kwargs) = Default::default();
        let (mut job, granted) = match which {
            Which::Cleanup => {
                let (checked, granted) = stored(workspace, &**storage, build, job, today)?;
                let mut job = (*checked.job).clone();
                job.limits = job.limits.of_hook(None);
                (job, granted)
            }
            Which::Repr => {
                job.limits = job.limits.of_hook(Some(REPR_TIME));
                (job, Granted::default())
            }
        };
        let plugin = stored_plugin(workspace, &**storage, build, function)?;
        let signature = plugin.find(function.export.as_deref()).map_err(|problem| problem.message)?;
        let (Some(text), Some(retval), Some((_, first))) =
            (&build.retval_type, &build.retval, signature.params.first())
        else {
            return Err("it cannot be called with what the build returned".to_owned());
        };
        let mut args = vec![convert(retval.clone(), &from_text(text)?, first)?];
        args.resize(signature.params.len(), Value::Null);
        let (_switch, cancel) = Cancel::pair();
        let prepared = sandbox.function(&plugin, signature, &cancel).map_err(|error| error.to_string())?;
        let info = BuildInfo {
            build_id: build.id,
            job_id: Arc::from(build.job_id.as_str()),
            attempt: build.attempt,
            store_id: storage.store_id().map_err(|error| error.to_string())?.into(),
        };
        let log = (which == Which::Cleanup).then(|| Recorder::new(Arc::clone(storage)));
        let sink = Arc::new(HookSink { log, build: build.id });
        let account = sandbox.memory().enter();
        account.charge(args.iter().map(held_size::of).sum()).map_err(|full| full.to_string())?;
        let (limits, secrets) = (job.limits.clone(), Secrets::default());
        let call = Call { args, granted, secrets, limits, account, build: info, sink, cancel, until: None };
        if which == Which::Repr {
            job.grants = Grants::default();
        }
        Ok(Self { prepared, call, job })
    }

    /// Calls the hook on a thread of guests, and returns what it returns.
    ///
    /// # Errors
    ///
    /// Returns how the function failed, in words.
    pub async fn call(self, sandbox: &Sandbox) -> Result<Option<Value>, String> {
        let secrets = secrets_of(&self.job, &self.call.granted.sources).await?;
        match sandbox.call(&self.prepared, Call { secrets, ..self.call }).await.outcome {
            Outcome::Returned(value) => Ok(value),
            Outcome::Skipped(_) => Ok(None),
            Outcome::Failed(failure) => Err(format!("{}: {}", failure.kind, failure.message)),
        }
    }
}

/// Writes what a cleanup logs to the log of its build, where it can be read if the build stays.
struct HookSink {
    log: Option<Recorder>,
    build: u64,
}

impl Sink for HookSink {
    fn try_log(&self, record: NewRecord) -> Result<(), NewRecord> {
        let Some(recorder) = &self.log else {
            return Ok(());
        };
        let write = Write::Log(self.build, pack_record(record.clone()));
        recorder.try_write(write, Box::new(drop)).map_err(|_| record)
    }

    fn log(&self, record: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            if let Some(recorder) = &self.log {
                recorder.send(&Arc::default(), Write::Log(self.build, pack_record(record)), Box::new(drop)).await;
            }
            Ok(())
        })
    }

    fn progress(&self, _report: Progress) {}
}
