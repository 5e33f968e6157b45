//! State that all attempts of a process share.

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

/// Threads of the network; they copy and encrypt. Each has a separate runtime, so that none takes a
/// task from another.
const THREADS: usize = 2;

/// How many names a thread resolves at once; further lookups wait.
const RESOLVING: usize = 16;

/// State that all attempts of a process share. Its parts are made at their first use.
pub(crate) struct Client {
    pub(super) names: Arc<dyn Names>,
    network: OnceLock<Result<Vec<Runtime>, String>>,
    /// How many times a thread was requested.
    asked: AtomicUsize,
    /// The trusted certificates, by the file that they come from.
    trusting: Mutex<BTreeMap<Option<String>, TlsConnector>>,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with_names(Arc::new(System))
    }

    pub(crate) fn with_names(names: Arc<dyn Names>) -> Self {
        Self { names, network: OnceLock::new(), asked: AtomicUsize::new(0), trusting: Mutex::default() }
    }

    /// Returns a thread of the network, in turn.
    pub(super) fn network(&self) -> Result<Handle, String> {
        let threads = self.network.get_or_init(start).as_ref().map_err(Clone::clone)?;
        Ok(threads[self.asked.fetch_add(1, Ordering::Relaxed) % THREADS].handle().clone())
    }

    /// Returns a connector that trusts the system's certificates, or those of a file. They are read
    /// once.
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
                // The caller must not wait for them.
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
            // Lookups may still be running.
            threads.into_iter().for_each(Runtime::shutdown_background);
        }
    }
}
