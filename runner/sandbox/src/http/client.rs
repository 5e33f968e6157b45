//! What all attempts of a process share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;

use tokio::runtime::Builder;
use tokio::runtime::Handle;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::names::Names;
use super::names::System;
use super::tls;

/// Threads of the network: they copy and encrypt.
const THREADS: usize = 2;

/// Names that are resolved at once; more wait.
const RESOLVING: usize = 32;

/// What all attempts of a process share. What it needs is made at its first use.
pub(crate) struct Client {
    pub(super) names: Arc<dyn Names>,
    network: OnceLock<Result<Runtime, String>>,
    /// Whom to trust, by the file that says so.
    trusting: Mutex<BTreeMap<Option<String>, TlsConnector>>,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with_names(Arc::new(System))
    }

    pub(crate) fn with_names(names: Arc<dyn Names>) -> Self {
        Self { names, network: OnceLock::new(), trusting: Mutex::default() }
    }

    /// The threads of the network.
    pub(super) fn network(&self) -> Result<&Handle, String> {
        let start = || {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(THREADS).max_blocking_threads(RESOLVING).thread_name("network").enable_all();
            builder.build().map_err(|e| format!("the threads of the network cannot start: {e}"))
        };
        self.network.get_or_init(start).as_ref().map(Runtime::handle).map_err(Clone::clone)
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

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(Ok(network)) = self.network.take() {
            // Names may be resolving still.
            network.shutdown_background();
        }
    }
}
