//! The connections of one attempt: those in use, and those kept for a next request.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::http::HttpRules;
use jobcontrol_core::http::Target;
use tokio::sync::Semaphore;

use super::client::Client;
use super::connection::Connection;
use super::meter::Meter;
use super::meter::Open;

/// How long a connection is kept for a next request. Servers close theirs after five seconds or
/// more.
const KEPT: Duration = Duration::from_secs(4);

/// How many names an attempt resolves at once, including lookups that it no longer waits for.
const RESOLVING: usize = 4;

/// The connections of one attempt.
pub(super) struct Connections {
    client: Arc<Client>,
    rules: Arc<HttpRules>,
    meter: Arc<Meter>,
    /// The kept connections, the newest last.
    kept: Mutex<Vec<Kept>>,
    /// Limits the names being resolved: a lookup cannot be stopped, and all attempts share the
    /// threads for lookups.
    resolving: Arc<Semaphore>,
}

struct Kept {
    target: Target,
    since: Instant,
    connection: Connection,
}

impl Connections {
    pub(super) fn new(client: Arc<Client>, rules: Arc<HttpRules>, meter: Arc<Meter>) -> Self {
        Self { client, rules, meter, kept: Mutex::default(), resolving: Arc::new(Semaphore::new(RESOLVING)) }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn rules(&self) -> &HttpRules {
        &self.rules
    }

    pub(super) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    pub(super) fn resolving(&self) -> &Arc<Semaphore> {
        &self.resolving
    }

    /// Opens a connection. If the build has all that it may have, this first closes a kept one.
    pub(super) fn open(&self) -> Option<Open> {
        self.meter.open().or_else(|| {
            let oldest = {
                let mut waiting = self.waiting();
                (!waiting.is_empty()).then(|| waiting.remove(0))
            };
            drop(oldest?);
            self.meter.open()
        })
    }

    /// Keeps a connection for the next request to the same place.
    pub(super) fn keep(&self, target: &Target, connection: Connection) {
        if !connection.sender.is_closed() {
            self.waiting().push(Kept { target: target.clone(), since: Instant::now(), connection });
        }
    }

    /// Returns a kept connection to the same place.
    pub(super) fn kept(&self, target: &Target) -> Option<Connection> {
        let mut waiting = self.waiting();
        waiting.retain(|kept| kept.since.elapsed() < KEPT);
        let to = |target: &Target| (target.scheme, target.host.clone(), target.port);
        let at = waiting.iter().rposition(|kept| to(&kept.target) == to(target))?;
        Some(waiting.remove(at).connection)
    }
}
