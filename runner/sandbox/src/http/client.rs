//! What all attempts of a process share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::runtime::Builder;
use tokio::runtime::Handle;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::names::Names;
use super::names::System;
use super::tls;

/// Threads of the network: they copy and encrypt. Each has a runtime of its own, so that none takes
/// a task from another.
const THREADS: usize = 2;

/// Names that a thread has resolved at once; more wait.
const RESOLVING: usize = 16;

/// What all attempts of a process share. What it needs is made at its first use.
pub(crate) struct Client {
    pub(super) names: Arc<dyn Names>,
    network: OnceLock<Result<Vec<Runtime>, String>>,
    /// How often a thread was asked for.
    asked: AtomicUsize,
    /// Whom to trust, by the file that says so.
    trusting: Mutex<BTreeMap<Option<String>, TlsConnector>>,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with_names(Arc::new(System))
    }

    pub(crate) fn with_names(names: Arc<dyn Names>) -> Self {
        Self { names, network: OnceLock::new(), asked: AtomicUsize::new(0), trusting: Mutex::default() }
    }

    /// A thread of the network, each in turn.
    pub(super) fn network(&self) -> Result<Handle, String> {
        let threads = self.network.get_or_init(start).as_ref().map_err(Clone::clone)?;
        Ok(threads[self.asked.fetch_add(1, Ordering::Relaxed) % THREADS].handle().clone())
    }

    /// Whom to trust: the system's certificates, or those of a file. They are read once.
    pub(super) fn tls(&self, ca: Option<&str>) -> Result<TlsConnector, String> {
        let mut trusting = self.trusting.lock().unwrap_or_else(PoisonError::into_inner);
        let key = ca.map(str::to_owned);
        if let Some(connector) = trusting.get(&key) {
            return Ok(connector.clone());
        }
        let connector = tls::connector(ca)?;
        trusting.insert(key, connector.clone());
        Ok(connector)
    }
}

/// Starts the threads of the network.
fn start() -> Result<Vec<Runtime>, String> {
    let mut threads = Vec::new();
    for _ in 0..THREADS {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).max_blocking_threads(RESOLVING).thread_name("network").enable_all();
        match builder.build() {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                // Who asked may not wait for them.
                threads.into_iter().for_each(Runtime::shutdown_background);
                return Err(format!("a thread of the network cannot start: {error}"));
            }
        }
    }
    Ok(threads)
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(Ok(threads)) = self.network.take() {
            // Names may be resolving still.
            threads.into_iter().for_each(Runtime::shutdown_background);
        }
    }
}
