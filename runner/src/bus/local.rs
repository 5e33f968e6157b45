//! The bus between a service and workers of its own process. It keeps nothing: what is on it ends
//! with the process, and so do both ends.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jobcontrol_core::labels::Labels;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::carrier::BusError;
use super::carrier::Disposal;
use super::carrier::Heard;
use super::carrier::ServiceEnd;
use super::carrier::Taken;
use super::carrier::TakenOffer;
use super::carrier::WorkerEnd;
use super::wire::Answer;
use super::wire::Beat;
use super::wire::Claim;
use super::wire::Note;
use super::wire::Offer;
use super::wire::Report;
use crate::lock::lock;

/// A report that came too early is delivered again after this time.
const LATER: Duration = Duration::from_secs(1);

/// An offer that was given back is delivered again after this time.
const BACK: Duration = Duration::from_secs(5);

/// An offer that was given back so often is dropped. Its service offers the attempt again.
const DELIVERIES: u32 = 6;

/// Messages to the service that wait for it. With more than that, workers wait.
const WAITING: usize = 1024;

/// What both ends share.
struct Shared {
    service: String,
    /// Offers that wait, with how often each was delivered before.
    offers: Mutex<VecDeque<(Offer, u32)>>,
    came: Notify,
    hear: mpsc::Sender<Heard>,
    workers: Mutex<BTreeMap<String, mpsc::UnboundedSender<Note>>>,
    objects: Mutex<BTreeMap<String, Bytes>>,
}

/// The service's end.
pub struct LocalService {
    shared: Arc<Shared>,
    heard: tokio::sync::Mutex<mpsc::Receiver<Heard>>,
}

/// The end of one worker.
pub struct LocalWorker {
    shared: Arc<Shared>,
    labels: Labels,
    told: tokio::sync::Mutex<mpsc::UnboundedReceiver<Note>>,
}

impl LocalService {
    /// Creates the bus of the service of that name.
    pub fn new(service: &str) -> Arc<Self> {
        let (hear, heard) = mpsc::channel(WAITING);
        let (offers, came, workers, objects) = Default::default();
        let shared = Arc::new(Shared { service: service.to_owned(), offers, came, hear, workers, objects });
        Arc::new(Self { shared, heard: heard.into() })
    }

    /// Adds the worker of that name, which takes offers that need no other labels than these.
    pub fn worker(&self, name: &str, labels: Labels) -> Arc<LocalWorker> {
        let (tell, told) = mpsc::unbounded_channel();
        lock(&self.shared.workers).insert(name.to_owned(), tell);
        Arc::new(LocalWorker { shared: Arc::clone(&self.shared), labels, told: told.into() })
    }
}

impl Shared {
    fn put(&self, offer: Offer, delivered: u32) {
        lock(&self.offers).push_back((offer, delivered));
        self.came.notify_waiters();
    }

    /// Takes the first offer that a worker with these labels can run.
    fn take(&self, labels: &Labels) -> Option<(Offer, u32)> {
        let mut offers = lock(&self.offers);
        let fits = |(offer, _): &(Offer, u32)| labels.have(&Labels::of(offer.needs.iter().cloned()));
        let at = offers.iter().position(fits)?;
        offers.remove(at)
    }

    async fn say(&self, heard: Heard) -> Result<(), BusError> {
        self.hear.send(heard).await.map_err(|_| gone())
    }

    fn keep(&self, name: &str, bytes: Bytes) {
        lock(&self.objects).insert(name.to_owned(), bytes);
    }

    fn object(&self, name: &str) -> Result<Bytes, BusError> {
        let missing = || BusError::Failed(format!("the object `{name}`: there is none"));
        lock(&self.objects).get(name).cloned().ok_or_else(missing)
    }
}

fn gone() -> BusError {
    BusError::Refused("the service of the bus is gone".to_owned())
}

impl ServiceEnd for LocalService {
    fn offer<'a>(&'a self, offer: &'a Offer) -> BoxFuture<'a, Result<(), BusError>> {
        // A second offer of an attempt takes the place of the first.
        lock(&self.shared.offers).retain(|(other, _)| other.address != offer.address);
        self.shared.put(offer.clone(), 0);
        async { Ok(()) }.boxed()
    }

    fn hear(&self) -> BoxFuture<'_, Option<Heard>> {
        async { self.heard.lock().await.recv().await }.boxed()
    }

    fn tell<'a>(&'a self, worker: &'a str, note: &'a Note) -> BoxFuture<'a, Result<(), BusError>> {
        if let Some(tell) = lock(&self.shared.workers).get(worker) {
            // Lost if the worker does not listen any more.
            let _ = tell.send(note.clone());
        }
        async { Ok(()) }.boxed()
    }

    fn keep<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), BusError>> {
        self.shared.keep(name, bytes);
        async { Ok(()) }.boxed()
    }

    fn has<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, BusError>> {
        let has = lock(&self.shared.objects).contains_key(name);
        async move { Ok(has) }.boxed()
    }

    fn object<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Bytes, BusError>> {
        let object = self.shared.object(name);
        async { object }.boxed()
    }

    fn forget<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), BusError>> {
        lock(&self.shared.objects).remove(name);
        async { Ok(()) }.boxed()
    }

    fn value_limit(&self) -> usize {
        usize::MAX
    }
}

/// An offer that a worker has. It goes back if the worker drops it without a word.
struct LocalOffer {
    shared: Arc<Shared>,
    held: Mutex<Option<(Offer, u32)>>,
}

impl Taken for LocalOffer {
    fn progress(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn done(&self) -> BoxFuture<'_, ()> {
        lock(&self.held).take();
        async {}.boxed()
    }

    fn back(&self) -> BoxFuture<'_, ()> {
        let (held, shared) = (lock(&self.held).take(), Arc::clone(&self.shared));
        async move {
            if let Some((offer, delivered)) = held.filter(|(_, delivered)| *delivered < DELIVERIES) {
                tokio::spawn(async move {
                    tokio::time::sleep(BACK).await;
                    shared.put(offer, delivered);
                });
            }
        }
        .boxed()
    }
}

impl Drop for LocalOffer {
    fn drop(&mut self) {
        if let Some((offer, delivered)) = lock(&self.held).take() {
            self.shared.put(offer, delivered);
        }
    }
}

impl WorkerEnd for LocalWorker {
    fn take(&self) -> BoxFuture<'_, Result<TakenOffer, BusError>> {
        async {
            loop {
                // Before the look, so that no offer is missed.
                let came = self.shared.came.notified();
                if let Some((offer, delivered)) = self.shared.take(&self.labels) {
                    let held = Mutex::new(Some((offer.clone(), delivered + 1)));
                    let taken = LocalOffer { shared: Arc::clone(&self.shared), held };
                    return Ok((offer, Arc::new(taken) as Arc<dyn Taken>));
                }
                came.await;
            }
        }
        .boxed()
    }

    fn claim<'a>(&'a self, service: &'a str, claim: &'a Claim) -> BoxFuture<'a, Result<Option<Answer>, BusError>> {
        async move {
            if service != self.shared.service {
                return Ok(None);
            }
            let (answer, answered) = oneshot::channel();
            self.shared.say(Heard::Claim(claim.clone(), Box::new(move |said| drop(answer.send(said))))).await?;
            answered.await.map(Some).map_err(|_| BusError::Failed("the service did not answer".to_owned()))
        }
        .boxed()
    }

    fn report<'a>(&'a self, service: &'a str, report: &'a Report) -> BoxFuture<'a, Result<(), BusError>> {
        async move {
            if service != self.shared.service {
                return Err(gone());
            }
            // No broker stores the report, so it is sent once the service has recorded it.
            loop {
                let (dispose, disposed) = oneshot::channel();
                let dispose = Box::new(move |disposal| {
                    let _ = dispose.send(disposal);
                });
                self.shared.say(Heard::Report(report.clone(), dispose)).await?;
                match disposed.await {
                    Ok(Disposal::Done) => return Ok(()),
                    Ok(Disposal::Later) | Err(_) => tokio::time::sleep(LATER).await,
                }
            }
        }
        .boxed()
    }

    fn beat<'a>(&'a self, beat: &'a Beat) -> BoxFuture<'a, Result<(), BusError>> {
        self.shared.say(Heard::Beat(beat.clone())).boxed()
    }

    fn told(&self) -> BoxFuture<'_, Option<Note>> {
        async { self.told.lock().await.recv().await }.boxed()
    }

    fn keep<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), BusError>> {
        self.shared.keep(name, bytes);
        async { Ok(()) }.boxed()
    }

    fn object<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Bytes, BusError>> {
        let object = self.shared.object(name);
        async { object }.boxed()
    }

    fn value_limit(&self) -> usize {
        usize::MAX
    }
}
