//! What all requests share, and the look that one of them takes at the program.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use axum::response::Response;
use jobcontrol_core::run::Requester;
use jobcontrol_core::storage::Result as StorageResult;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::token::Token;

use super::client::Source;
use super::guard::Names;
use super::problem::Problem;
use super::problem::Sort;
use super::rate::Rates;
use crate::app::App;
use crate::catalog::watch::Reload;
use crate::lock::lock;
use crate::request::ready::Ready;
use crate::service::engine::EngineError;

/// What the web needs of a service that runs.
pub trait Serving: Send + Sync {
    /// The program.
    fn app(&self) -> &Arc<App>;

    /// The catalog that is in force now.
    fn current(&self) -> Arc<Reload>;

    /// Whether runs can be started: the files were read, and the store can be written.
    fn is_ready(&self) -> bool;

    /// Starts a run in the background; returns its number once it is recorded.
    ///
    /// # Errors
    ///
    /// The store, the engine or the machine.
    fn start(&self, ready: Ready, requester: &Requester) -> Result<u64, EngineError>;

    /// All tokens, those that are good no more included.
    ///
    /// # Errors
    ///
    /// The store's.
    fn tokens(&self) -> StorageResult<Vec<Token>>;
}

/// How requests are let in.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// The hosts that may be asked for.
    pub names: Names,
    /// The proxy whose words about other clients are believed.
    pub proxy: Option<IpAddr>,
    /// Whether others than this machine's users get here, so that each request needs a token.
    pub exposed: bool,
}

/// What all requests share.
#[derive(Clone)]
pub(super) struct Web(Arc<Inner>);

struct Inner {
    serving: Arc<dyn Serving>,
    admission: Admission,
    rates: Mutex<Rates<Source>>,
    began: Instant,
    requests: AtomicU64,
    /// Tells the requests of this process from those of others.
    name: String,
}

impl Web {
    pub(super) fn new(serving: Arc<dyn Serving>, admission: Admission) -> Self {
        let name = format!("{:x}", serving.app().clock.now().0);
        let (rates, requests) = Default::default();
        Self(Arc::new(Inner { serving, admission, rates, began: Instant::now(), requests, name }))
    }

    /// A name for the next request.
    pub(super) fn request_id(&self) -> String {
        format!("{}-{}", self.0.name, self.0.requests.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    /// Takes one request of a client's.
    pub(super) fn take(&self, source: Source) -> Result<(), Duration> {
        lock(&self.0.rates).take(source, self.0.began.elapsed())
    }

    /// Does work that may block, away from the threads that serve connections.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Serving) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let serving = Arc::clone(&self.0.serving);
        match tokio::task::spawn_blocking(move || work(&*serving)).await {
            Ok(result) => result,
            // The panic was reported where it happened.
            Err(_) => Err(Problem::new(Sort::Internal, "the service has met a bug of its own")),
        }
    }

    /// Answers out of the catalog that is in force and the store.
    pub(super) async fn look(
        &self,
        answer: impl FnOnce(&Look<'_>) -> Result<Response, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        self.blocking(move |serving| {
            let app = serving.app();
            answer(&Look { app, current: &serving.current(), storage: &*app.storage(false)? })
        })
        .await
    }
}

/// What a request is answered out of.
pub(super) struct Look<'a> {
    pub(super) app: &'a App,
    pub(super) current: &'a Reload,
    pub(super) storage: &'a dyn Storage,
}
