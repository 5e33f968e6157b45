//! The worker's end of a bus over NATS.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Weak;
use std::time::Duration;

use async_nats::Subscriber;
use async_nats::jetstream;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::stream::Select;
use futures_util::stream::select;
use tokio::sync::Mutex;

use jobcontrol_core::labels::Labels;
use jobcontrol_core::manifest::BusAddress;
use jobcontrol_core::remote::AttemptKey;

use super::link::AGAIN;
use super::link::GREET;
use super::link::Link;
use super::link::OFFERS;
use super::link::offers_for;
use super::link::patiently;
use super::link::read;
use crate::bus::carrier;
use crate::bus::carrier::BusError;
use crate::bus::carrier::Taken;
use crate::bus::carrier::WorkerEnd;
use crate::bus::wire::Answer;
use crate::bus::wire::Beat;
use crate::bus::wire::Claim;
use crate::bus::wire::Note;
use crate::bus::wire::Offer;
use crate::bus::wire::Report;
use crate::bus::wire::decode;
use crate::bus::wire::encode;
use crate::lock::lock;

/// How long a worker waits for the answer to a claim.
const CLAIM_WAIT: Duration = Duration::from_secs(2);

/// How long the broker keeps a request for an offer.
const TAKE_WAIT: Duration = Duration::from_secs(5);

/// How often a worker looks for sets of labels that some job needs since then.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// An offer that was given back is delivered again after this time.
const BACK: Duration = Duration::from_secs(5);

/// An offer that was given back so often is dropped: its service is gone, or speaks another
/// version. A service that is there offers the attempt again.
const DELIVERIES: i64 = 6;

/// The worker's end of a bus over NATS.
pub struct NatsWorker {
    link: Arc<Link>,
    labels: Labels,
    /// Where offers come from: one consumer for each set of labels that this worker has.
    offers: std::sync::Mutex<BTreeMap<Labels, PullConsumer>>,
    told: Mutex<Select<Subscriber, Subscriber>>,
}

impl NatsWorker {
    /// Connects as the worker of that name, a word without dots, which takes offers that need no
    /// other labels than these. To be called on the runtime that drives the connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the broker cannot be reached, is too old or has no JetStream.
    pub async fn connect(address: &BusAddress, worker: &str, labels: Labels) -> Result<Arc<Self>, BusError> {
        patiently(|| Self::connect_once(address, worker, labels.clone())).await
    }

    async fn connect_once(address: &BusAddress, worker: &str, labels: Labels) -> Result<Arc<Self>, BusError> {
        let link = Arc::new(Link::connect(address, &format!("jobcontrol worker {worker}"), None).await?);
        let failed = |e: &dyn std::fmt::Display| BusError::Failed(e.to_string());
        let stream = link.stream.get_stream(OFFERS).await.map_err(|e| failed(&e))?;
        let none = Labels::default();
        let any = stream.get_or_create_consumer(&none.name(), offers_for(&none)).await.map_err(|e| failed(&e))?;
        let told = link.client.subscribe(format!("jobcontrol.note.{worker}")).await.map_err(|e| failed(&e))?;
        let greeted = link.client.subscribe(GREET).await.map_err(|e| failed(&e))?;
        link.settled().await?;
        let offers = std::sync::Mutex::new(BTreeMap::from([(none, any)]));
        let end = Arc::new(Self { link, labels, offers, told: select(told, greeted).into() });
        if !end.labels.is_empty() {
            end.look(&stream).await;
            tokio::spawn(look_again(Arc::downgrade(&end), stream));
        }
        Ok(end)
    }

    /// Finds the sets of labels that jobs need and this worker has.
    async fn look(&self, stream: &Stream) {
        // What cannot be read now is read the next time.
        let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap_or_default();
        for set in names.iter().filter_map(|name| Labels::named(name)).filter(|set| self.labels.have(set)) {
            if lock(&self.offers).contains_key(&set) {
                continue;
            }
            if let Ok(consumer) = stream.get_consumer(&set.name()).await {
                lock(&self.offers).insert(set, consumer);
            }
        }
    }

    /// Creates the consumers of offers again, if the broker has lost what it had stored.
    async fn renew(&self, reason: &str) {
        tracing::debug!(reason, "the broker gives no offers");
        tokio::time::sleep(AGAIN).await;
        let sets: Vec<Labels> = lock(&self.offers).keys().cloned().collect();
        for set in sets {
            let stream = &self.link.stream;
            let consumer = match stream.create_consumer_on_stream(offers_for(&set), OFFERS).await {
                Ok(consumer) => consumer,
                Err(_) if self.link.renew().await.is_err() => return,
                Err(_) => continue,
            };
            lock(&self.offers).insert(set, consumer);
        }
    }

    /// Asks for an offer of each set at once, and takes the first that comes.
    async fn next_offer(&self) -> Option<carrier::TakenOffer> {
        let all: Vec<PullConsumer> = lock(&self.offers).values().cloned().collect();
        let mut asked: FuturesUnordered<_> = all.into_iter().map(one).collect();
        let mut first = None;
        while first.is_none() {
            match asked.next().await? {
                Ok(message) => first = message,
                Err(reason) => self.renew(&reason).await,
            }
        }
        if !asked.is_empty() {
            tokio::spawn(pass_on(asked));
        }
        let message = first?;
        let delivered = message.info().map_or(1, |info| info.delivered);
        let (message, acker) = message.split();
        let Some(offer) = read::<Offer>(&message.payload) else {
            let _ = acker.ack_with(AckKind::Term).await;
            return None;
        };
        Some((offer, Arc::new(TakenOffer(acker, delivered))))
    }
}

/// Asks a consumer for one message.
async fn one(consumer: PullConsumer) -> Result<Option<jetstream::Message>, String> {
    let fetch = consumer.fetch().max_messages(1).expires(TAKE_WAIT);
    let next = fetch.messages().await.map_err(|e| e.to_string())?.next().await;
    next.transpose().map_err(|e| e.to_string())
}

/// Gives back offers that arrive after the slot was taken, so that another slot gets them at once.
async fn pass_on(mut asked: FuturesUnordered<impl Future<Output = Result<Option<jetstream::Message>, String>>>) {
    while let Some(message) = asked.next().await {
        if let Ok(Some(message)) = message {
            let _ = message.ack_with(AckKind::Nak(None)).await;
        }
    }
}

async fn look_again(end: Weak<NatsWorker>, stream: Stream) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(end) = end.upgrade() else { return };
        end.look(&stream).await;
    }
}

/// An offer, and how often it was delivered.
struct TakenOffer(jetstream::message::Acker, i64);

impl TakenOffer {
    async fn say(&self, kind: AckKind) {
        // What the broker does not hear, it finds out after `OFFER_WAIT`.
        let _ = self.0.ack_with(kind).await;
    }
}

impl Taken for TakenOffer {
    fn progress(&self) -> BoxFuture<'_, ()> {
        self.say(AckKind::Progress).boxed()
    }

    fn done(&self) -> BoxFuture<'_, ()> {
        self.say(AckKind::Ack).boxed()
    }

    fn back(&self) -> BoxFuture<'_, ()> {
        if self.1 >= DELIVERIES {
            return self.say(AckKind::Term).boxed();
        }
        self.say(AckKind::Nak(Some(BACK))).boxed()
    }
}

impl WorkerEnd for NatsWorker {
    fn take(&self) -> BoxFuture<'_, Result<carrier::TakenOffer, BusError>> {
        async {
            loop {
                match self.next_offer().await {
                    Some(taken) => return Ok(taken),
                    // Nothing for half a minute, or the broker is away. Neither may spin.
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        }
        .boxed()
    }

    fn claim<'a>(&'a self, service: &'a str, claim: &'a Claim) -> BoxFuture<'a, Result<Option<Answer>, BusError>> {
        async move {
            let payload = encode(claim).map_err(BusError::Refused)?;
            let asked = self.link.client.request(format!("jobcontrol.claim.{service}"), payload.into());
            match tokio::time::timeout(CLAIM_WAIT, asked).await {
                Ok(Ok(message)) => decode(&message.payload).map(Some).map_err(BusError::Failed),
                Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::NoResponders => Ok(None),
                Ok(Err(error)) => Err(BusError::Failed(error.to_string())),
                Err(_) => Err(BusError::Failed("the service did not answer".to_owned())),
            }
        }
        .boxed()
    }

    fn report<'a>(&'a self, service: &'a str, report: &'a Report) -> BoxFuture<'a, Result<(), BusError>> {
        async move {
            let AttemptKey { build, attempt } = report.key;
            let id = format!("{service}.{}.{build}.{attempt}.{}", report.worker, report.number);
            self.link.keep_message(format!("jobcontrol.report.{service}"), &id, report).await
        }
        .boxed()
    }

    fn beat<'a>(&'a self, beat: &'a Beat) -> BoxFuture<'a, Result<(), BusError>> {
        async {
            self.link.send("jobcontrol.beat".to_owned(), beat).await?;
            if beat.stops {
                // The connection may end next.
                self.link.client.flush().await.map_err(|e| BusError::Failed(e.to_string()))?;
            }
            Ok(())
        }
        .boxed()
    }

    fn told(&self) -> BoxFuture<'_, Option<Note>> {
        async {
            let mut told = self.told.lock().await;
            loop {
                let message = told.next().await?;
                if let Some(note) = read(&message.payload) {
                    return Some(note);
                }
            }
        }
        .boxed()
    }

    fn keep<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), BusError>> {
        self.link.keep(name, bytes).boxed()
    }

    fn object<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Bytes, BusError>> {
        self.link.object(name).boxed()
    }

    fn value_limit(&self) -> usize {
        self.link.value_limit()
    }
}
