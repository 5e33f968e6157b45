//! One attempt on a worker: from the offer to a function that can be called, and its call.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use jobcontrol_core::clock::Clock;
use jobcontrol_core::config::job_of_config;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::held_size;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::convert;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::digest;
use jobcontrol_core::value::unpack;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Sandbox;

use crate::bus::carrier::BusError;
use crate::bus::carrier::WorkerEnd;
use crate::bus::seal::Key;
use crate::bus::seal::Sealed;
use crate::bus::wire::Body;
use crate::bus::wire::End;
use crate::bus::wire::How;
use crate::bus::wire::Offer;
use crate::bus::wire::Said;
use crate::catalog::grants::grant_without_secrets;
use crate::catalog::plugins::kept_plugin;
use crate::catalog::workspace::Workspace;
use crate::execute::large::apart_if;
use crate::execute::large::is_large;
use crate::lock::lock;
use crate::service::report_sink::ReportSink;

/// Records are collected for this long, so that a guest that writes many needs few reports.
const COLLECT: Duration = Duration::from_millis(20);

/// What all attempts of a worker share.
pub(super) struct Shared {
    pub(super) bus: Arc<dyn WorkerEnd>,
    pub(super) workspace: Workspace,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) clock: Arc<dyn Clock>,
    /// The key that secrets are encrypted to.
    pub(super) key: Option<Key>,
    /// The plugins that were used last, the newest at the end.
    pub(super) plugins: Mutex<Vec<Arc<Plugin>>>,
}

/// Plugins that a worker keeps in memory. Their compiled code is in the cache folder.
const PLUGINS: usize = 32;

/// A plugin that was read, or bytes that are still to be read.
enum Found {
    Read(Arc<Plugin>),
    Bytes(Bytes),
}

/// A function that can be called.
struct Prepared {
    function: Function,
    args: Vec<Value>,
    granted: Granted,
    limits: Limits,
}

impl Shared {
    /// Runs an attempt to its end, and returns its last report. `report` sends another one, and
    /// returns once the broker has it.
    pub(super) async fn run<F: Future<Output = ()>>(
        self: &Arc<Self>,
        offer: Offer,
        sealed: Option<Body>,
        cancel: Cancel,
        report: impl Fn(Said) -> F,
    ) -> Said {
        let until = offer.build_time.and_then(|time| Instant::now().checked_add(Duration::from_millis(time)));
        let object =
            format!("{}.{}.{}.retval", offer.address.service, offer.address.key.build, offer.address.key.attempt);
        let build = BuildInfo {
            build_id: offer.address.key.build,
            job_id: offer.job_id.as_str().into(),
            attempt: offer.address.key.attempt,
            store_id: offer.store_id.as_str().into(),
        };
        let account = self.sandbox.memory().enter();
        let sink = Arc::new(ReportSink::new(&account));
        let mut secrets = Secrets::default();
        let prepared = match self.fetch(&offer, sealed.as_ref()).await {
            Ok((plugin, mut args, sealed)) => {
                if let Some(sealed) = sealed {
                    secrets = Secrets::new(sealed.secrets.into_iter().map(|(n, value)| (n, value.into())).collect());
                    args = sealed.args.unwrap_or(args);
                }
                let (shared, cancel) = (Arc::clone(self), cancel.clone());
                let prepared = tokio::task::spawn_blocking(move || shared.prepare(&offer, plugin, &args, &cancel));
                prepared.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
            }
            Err(failure) => Err(failure),
        };
        let (outcome, usage) = match prepared {
            Err(failure) => (Outcome::Failed(failure), Usage::default()),
            Ok(Prepared { function, args, granted, limits }) => {
                let charged = account.charge(args.iter().map(held_size::of).sum());
                let (to, cancel) = (Arc::clone(&sink) as _, cancel.clone());
                let call = Call { args, granted, secrets, limits, account, build, sink: to, cancel, until };
                match charged {
                    Ok(()) => self.call(&function, call, &sink, &report).await,
                    Err(full) => {
                        (Outcome::Failed(Failure::new(FailureKind::Limit, full.to_string())), Usage::default())
                    }
                }
            }
        };
        let end = self.end(outcome, usage, object).await;
        Said { end: Some(end), ..sink.take().unwrap_or_default() }
    }

    /// Calls the function, and reports meanwhile what it says.
    async fn call<F: Future<Output = ()>>(
        &self,
        function: &Function,
        call: Call,
        sink: &ReportSink,
        report: &impl Fn(Said) -> F,
    ) -> (Outcome, Usage) {
        let mut called = std::pin::pin!(self.sandbox.call(function, call));
        loop {
            tokio::select! {
                biased;
                called = &mut called => return (called.outcome, called.usage),
                () = sink.said.notified() => {}
            }
            tokio::select! {
                biased;
                called = &mut called => return (called.outcome, called.usage),
                () = tokio::time::sleep(COLLECT) => {}
            }
            let Some(said) = sink.take() else { continue };
            tokio::select! {
                biased;
                called = &mut called => return (called.outcome, called.usage),
                // A report that was handed over is sent, whoever waits for it.
                () = report(said) => {}
            }
        }
    }

    /// Fetches the plugin, unless it was used lately, the arguments, and what was encrypted for
    /// this worker.
    async fn fetch(&self, offer: &Offer, sealed: Option<&Body>) -> Result<(Found, Bytes, Option<Sealed>), Failure> {
        let interrupted = |error: &dyn std::fmt::Display| Failure::new(FailureKind::Interrupted, error.to_string());
        let known = lock(&self.plugins).iter().find(|plugin| *plugin.digest == *offer.plugin).cloned();
        let plugin = match known {
            Some(plugin) => Found::Read(plugin),
            None => {
                let bytes = self.bus.object(&offer.plugin).await.map_err(|e| interrupted(&e))?;
                if digest(&bytes) != offer.plugin {
                    let message = format!("the broker has other bytes for the plugin sha256:{}", offer.plugin);
                    return Err(Failure::new(FailureKind::Interrupted, message));
                }
                Found::Bytes(bytes)
            }
        };
        let args = self.body(&offer.args).await.map_err(|e| interrupted(&e))?;
        let sealed = match (sealed, &self.key) {
            (Some(body), Some(key)) => {
                let bytes = self.body(body).await.map_err(|e| interrupted(&e))?;
                let opened = key.open(&bytes);
                Some(opened.map_err(|e| Failure::new(FailureKind::Secret, format!("the secrets: {e}")))?)
            }
            _ => None,
        };
        Ok((plugin, args, sealed))
    }

    async fn body(&self, body: &Body) -> Result<Bytes, BusError> {
        match body {
            Body::Here(bytes) => Ok(bytes.clone()),
            Body::Object(name) => self.bus.object(name).await,
        }
    }

    /// Makes the function ready. Blocks while the plugin is read and compiled.
    fn prepare(&self, offer: &Offer, plugin: Found, args: &[u8], cancel: &Cancel) -> Result<Prepared, Failure> {
        let refused = |error: String| Failure::new(FailureKind::Arguments, error);
        let workspace = &self.workspace;
        let plugin = match plugin {
            Found::Read(plugin) => plugin,
            Found::Bytes(bytes) => {
                let plugin = kept_plugin(workspace, bytes.into(), Path::new(&offer.plugin_name), &offer.plugin);
                let plugin = Arc::new(plugin.map_err(refused)?);
                let mut plugins = lock(&self.plugins);
                plugins.push(Arc::clone(&plugin));
                let extra = plugins.len().saturating_sub(PLUGINS);
                plugins.drain(..extra);
                plugin
            }
        };
        let config = unpack(&offer.config).map_err(|error| refused(error.to_string()))?;
        let mut job = job_of_config(&offer.job_id, &config, &workspace.context.ceiling).map_err(refused)?;
        let signature = plugin.find(job.function.export.as_deref()).map_err(|problem| refused(problem.message))?;
        if !job.grants.files.is_empty() && workspace.files.ceiling.is_none() {
            return Err(refused(format!(
                "this worker grants no folders: add `ceiling: {{ files: [..] }}` to {} on the worker",
                workspace.files.operator
            )));
        }
        if job.place.folder.is_empty() {
            job.place.folder = workspace.jobs.display().to_string();
        }
        let (granted, problems) = grant_without_secrets(workspace, &job, Some(&plugin));
        if let Some(problem) = problems.into_iter().next() {
            return Err(refused(format!("on the worker, {}", problem.message)));
        }
        let types: Vec<&Type> = signature.params.iter().map(|(_, ty)| ty).collect();
        let args = arguments(args, &types).map_err(refused)?;
        let function = self.sandbox.function(&plugin, signature, cancel).map_err(|error| refused(error.to_string()))?;
        Ok(Prepared { function, args, granted, limits: job.limits })
    }

    /// Returns the end of an attempt. A value that is too large for a message becomes an object.
    async fn end(&self, outcome: Outcome, usage: Usage, object: String) -> End {
        let large = matches!(&outcome, Outcome::Returned(Some(value)) if is_large([value]));
        let mut end = apart_if(large, move || End::of(outcome, usage)).await;
        if let How::Returned(Some(Body::Here(bytes))) = &end.how
            && bytes.len() > self.bus.value_limit()
        {
            end.how = match self.bus.keep(&object, bytes.clone()).await {
                Ok(()) => How::Returned(Some(Body::Object(object))),
                Err(error) => {
                    let message = format!("the return value cannot be sent: {error}");
                    End::of(Outcome::Failed(Failure::new(FailureKind::Interrupted, message)), usage).how
                }
            };
        }
        end
    }
}

/// Decodes arguments as the types of the parameters want them.
fn arguments(packed: &[u8], types: &[&Type]) -> Result<Vec<Value>, String> {
    let Value::List(args) = unpack(packed).map_err(|error| error.to_string())? else {
        return Err("the arguments cannot be read".to_owned());
    };
    if args.len() != types.len() {
        return Err(format!("expected {} arguments, found {}", types.len(), args.len()));
    }
    args.into_iter().zip(types).map(|(arg, ty)| convert(arg, ty, ty)).collect()
}
