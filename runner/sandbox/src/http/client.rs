//! What all attempts of a process share.

use std::sync::Arc;
use std::sync::OnceLock;

use jobcontrol_core::http::HttpRules;
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
    pub(super) rules: HttpRules,
    pub(super) names: Arc<dyn Names>,
    network: OnceLock<Result<Runtime, String>>,
    tls: OnceLock<Result<TlsConnector, String>>,
}

impl Client {
    pub(crate) fn new(rules: HttpRules) -> Self {
        Self::with_names(rules, Arc::new(System))
    }

    pub(crate) fn with_names(rules: HttpRules, names: Arc<dyn Names>) -> Self {
        Self { rules, names, network: OnceLock::new(), tls: OnceLock::new() }
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

    /// Whom to trust; reads the certificates at its first use.
    pub(super) fn tls(&self) -> Result<&TlsConnector, String> {
        self.tls.get_or_init(|| tls::connector(self.rules.ca.as_deref())).as_ref().map_err(Clone::clone)
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
