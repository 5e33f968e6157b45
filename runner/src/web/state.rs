//! The state that all requests share, and the view of the program that one request gets.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::storage::Storage;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use super::access::Csrf;
use super::client::Source;
use super::guard::Names;
use super::kept_logs::KeptLogs;
use super::problem::Problem;
use super::problem::Sort;
use super::rate::Rates;
use crate::catalog::watch::Reload;
use crate::catalog::workspace::Workspace;
use crate::lock::lock;
use crate::service::serving::Service;
use crate::service::snapshot::Snapshot;

/// Most clients that watch events at once. Each holds a connection and up to 256 KiB of events.
const WATCHERS: usize = 1_100;

/// How requests are let in.
#[derive(Clone, Debug, Default)]
pub(super) struct Admission {
    /// The host names that a request may ask for.
    pub(super) names: Names,
    /// The proxy whose headers about clients are trusted.
    pub(super) proxy: Option<IpAddr>,
    /// Whether other machines can reach the service, which means that each request needs a token.
    pub(super) exposed: bool,
}

/// The state that all requests share.
#[derive(Clone)]
pub(super) struct Web(Arc<Inner>);

struct Inner {
    service: Arc<Service>,
    admission: Admission,
    rates: Mutex<Rates<Source>>,
    watchers: Arc<Semaphore>,
    csrf: Csrf,
    logs: KeptLogs,
    began: Instant,
    requests: AtomicU64,
    /// Distinguishes the requests of this process from those of others.
    name: String,
}

impl Web {
    pub(super) fn new(service: Arc<Service>, admission: Admission) -> Self {
        let name = format!("{:x}", service.storage().clock().now().0);
        let (rates, requests) = Default::default();
        let watchers = Arc::new(Semaphore::new(WATCHERS));
        // Without the store no request succeeds, whatever proof a form carries.
        let csrf = Csrf::of_store(service.storage().store_id().as_deref().unwrap_or(&name));
        let (began, logs) = (Instant::now(), KeptLogs::default());
        Self(Arc::new(Inner { service, admission, rates, watchers, csrf, logs, began, requests, name }))
    }

    /// Returns an id for the next request.
    pub(super) fn request_id(&self) -> String {
        format!("{}-{}", self.0.name, self.0.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns the proof that forms of callers without a token send back.
    pub(super) fn csrf(&self) -> &Csrf {
        &self.0.csrf
    }

    /// Returns the cache of long logs.
    pub(super) fn logs(&self) -> &KeptLogs {
        &self.0.logs
    }

    pub(super) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    /// Takes one request from a client's limit.
    pub(super) fn take(&self, source: Source) -> Result<(), Duration> {
        lock(&self.0.rates).take(source, self.0.began.elapsed())
    }

    /// Takes a place among the clients that watch events. Dropping the permit frees the place.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0.watchers).try_acquire_owned().map_err(|_| Problem::busy())
    }

    /// Does work that may block, away from the threads that serve connections.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let service = Arc::clone(&self.0.service);
        match tokio::task::spawn_blocking(move || work(&service)).await {
            Ok(result) => result,
            // The panic was reported where it happened.
            Err(_) => Err(Problem::new(Sort::Internal, "a bug in the service stopped this request")),
        }
    }

    /// Answers a request from the active catalog and the store.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        answer: impl FnOnce(&Look<'_>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.blocking(move |service| {
            let snapshot = service.current();
            let Snapshot { reload: current, workspace, .. } = &*snapshot;
            answer(&Look { service, workspace, current, storage: &**service.storage() })
        })
        .await
    }
}

/// The view of the program that one request gets.
pub(super) struct Look<'a> {
    /// The service that runs builds.
    pub(super) service: &'a Service,
    /// Where jobs and plugins are.
    pub(super) workspace: &'a Workspace,
    /// The active jobs.
    pub(super) current: &'a Reload,
    /// Where builds are stored.
    pub(super) storage: &'a dyn Storage,
}
