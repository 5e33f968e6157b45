//! The bus over NATS JetStream. No other file names the client's crate.
//!
//! Offers are a work queue (`jobcontrol-offers`): each goes to one worker, and to another one if
//! that worker does not confirm it. Reports are a stream (`jobcontrol-reports`) with one consumer
//! for each service. Claims, heartbeats and notes are plain messages, which may be lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::ConnectOptions;
use async_nats::jetstream;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::object_store;
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;
use tokio::sync::mpsc;

use jobcontrol_core::manifest::BusAddress;
use jobcontrol_core::remote::AttemptKey;

use super::carrier;
use super::carrier::BusError;
use super::carrier::Disposal;
use super::carrier::Heard;
use super::carrier::ServiceEnd;
use super::carrier::Taken;
use super::carrier::WorkerEnd;
use super::wire::Answer;
use super::wire::Beat;
use super::wire::Claim;
use super::wire::Note;
use super::wire::Offer;
use super::wire::Report;
use super::wire::decode;
use super::wire::encode;

const OFFERS: &str = "jobcontrol-offers";
const REPORTS: &str = "jobcontrol-reports";
const OBJECTS: &str = "jobcontrol-objects";

/// The first version of the server with all that is used here.
const OLDEST: (u64, u64) = (2, 12);

/// An offer that its worker does not confirm, or report progress on, goes to another worker.
const OFFER_WAIT: Duration = Duration::from_secs(30);

/// The broker delivers a report again if the service did not confirm it in this time.
const REPORT_WAIT: Duration = Duration::from_secs(10);

/// A report that came too early is delivered again after this time.
const LATER: Duration = Duration::from_secs(1);

/// A message with an id that the broker has seen within this time is kept once.
const SAME_MESSAGE: Duration = Duration::from_secs(120);

/// Objects and reports that nobody fetched: their service is gone.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Between two tries of what the broker has to keep.
const AGAIN: Duration = Duration::from_millis(300);

/// How long a worker waits for the answer to a claim.
const CLAIM_WAIT: Duration = Duration::from_secs(2);

/// An offer that was given back is delivered again after this time.
const BACK: Duration = Duration::from_secs(5);

/// An offer that was given back so often is dropped: its service is gone, or speaks another
/// version. A service that is there offers the attempt again.
const DELIVERIES: i64 = 6;

/// Messages to a service that wait for it. With more than that, the broker keeps them.
const WAITING: usize = 1024;

/// Bytes that a message has beside its payload, at most.
const OVERHEAD: usize = 4096;

/// A connection to a broker that has all that is needed.
struct Link {
    client: Client,
    stream: Context,
    objects: ObjectStore,
}

impl Link {
    /// Connects, and creates the streams where they are missing.
    async fn connect(address: &BusAddress, name: &str, hear: Option<mpsc::Sender<Heard>>) -> Result<Self, BusError> {
        let shown = address.shown();
        let refused = |why: &dyn std::fmt::Display| BusError::Refused(format!("the bus `{shown}`: {why}"));
        let servers: Result<Vec<async_nats::ServerAddr>, _> = address.servers.iter().map(|s| s.parse()).collect();
        let servers = servers.map_err(|e| refused(&e))?;
        let options = options(address, name, hear).await.map_err(|e| refused(&e))?;
        let client = options.connect(&servers[..]).await.map_err(|e| refused(&e))?;
        let info = client.server_info();
        if version(&info.version).is_none_or(|version| version < OLDEST) {
            let (major, minor) = OLDEST;
            return Err(refused(&format_args!(
                "the server has version {}; version {major}.{minor} or newer is needed",
                info.version
            )));
        }
        let stream = jetstream::new(client.clone());
        if stream.query_account().await.is_err() {
            return Err(refused(&"the server has no JetStream, or this account may not use it"));
        }
        let copies = if info.cluster.is_some() { 3 } else { 1 };
        let failed = |e: &dyn std::fmt::Display| BusError::Failed(format!("the bus `{shown}`: {e}"));
        for config in [offers(copies), reports(copies)] {
            stream.get_or_create_stream(config).await.map_err(|e| failed(&e))?;
        }
        let config = object_store::Config {
            bucket: OBJECTS.to_owned(),
            description: Some("plugins and large values of jobcontrol".to_owned()),
            max_age: FORGOTTEN,
            num_replicas: copies,
            ..object_store::Config::default()
        };
        let objects = match stream.get_object_store(OBJECTS).await {
            Ok(objects) => objects,
            Err(_) => stream.create_object_store(config).await.map_err(|e| failed(&e))?,
        };
        Ok(Self { client, stream, objects })
    }

    /// Publishes a message that the broker has to keep, until it does.
    async fn keep_message(&self, subject: String, id: &str, message: &impl Serialize) -> Result<(), BusError> {
        let payload = Bytes::from(encode(message).map_err(BusError::Refused)?);
        loop {
            let message = PublishMessage::build().payload(payload.clone()).message_id(id);
            let kept = async {
                let sent = self.stream.send_publish(subject.clone(), message).await?;
                sent.await
            };
            match kept.await {
                Ok(_) => return Ok(()),
                Err(error) => {
                    tracing::debug!(subject, reason = error.to_string(), "the broker did not keep a message");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn send(&self, subject: String, message: &impl Serialize) -> Result<(), BusError> {
        let payload = encode(message).map_err(BusError::Refused)?;
        self.client.publish(subject, payload.into()).await.map_err(|e| BusError::Failed(e.to_string()))
    }

    async fn keep(&self, name: &str, bytes: Bytes) -> Result<(), BusError> {
        let kept = self.objects.put(name, &mut &bytes[..]).await;
        kept.map(drop).map_err(|e| BusError::Failed(format!("the object `{name}`: {e}")))
    }

    async fn object(&self, name: &str) -> Result<Bytes, BusError> {
        let failed = |e: &dyn std::fmt::Display| BusError::Failed(format!("the object `{name}`: {e}"));
        let mut object = self.objects.get(name).await.map_err(|e| failed(&e))?;
        let mut bytes = Vec::new();
        object.read_to_end(&mut bytes).await.map_err(|e| failed(&e))?;
        Ok(bytes.into())
    }

    fn value_limit(&self) -> usize {
        self.client.max_payload().saturating_sub(OVERHEAD) / 2
    }
}

async fn options(
    address: &BusAddress,
    name: &str,
    hear: Option<mpsc::Sender<Heard>>,
) -> Result<ConnectOptions, String> {
    let mut options = ConnectOptions::new()
        .name(name)
        .reconnect_delay_callback(|tries| Duration::from_millis(100 * u64::try_from(tries).unwrap_or(20).min(20)))
        .event_callback(move |event| noticed(event, hear.clone()));
    if let Some(file) = &address.credentials {
        let read = options.credentials_file(file).await;
        options = read.map_err(|e| format!("the credentials `{file}`: {e}"))?;
    }
    if let Some(file) = &address.nkey {
        let seed = tokio::fs::read_to_string(file).await;
        let seed = seed.map_err(|e| format!("the NKey `{file}`: {e}"))?;
        options = options.nkey(seed.trim().to_owned());
    }
    if let Some(file) = &address.ca {
        options = options.add_root_certificates(file.into());
    }
    Ok(options)
}

/// Writes what happened to the connection into the log, and tells the service.
async fn noticed(event: async_nats::Event, hear: Option<mpsc::Sender<Heard>>) {
    tracing::info!(event = event.to_string(), "the bus");
    let is_there = match event {
        async_nats::Event::Connected => true,
        async_nats::Event::Disconnected => false,
        _ => return,
    };
    if let Some(hear) = hear {
        let _ = hear.send(Heard::Connection(is_there)).await;
    }
}

/// Listens to the heartbeats of all workers for a while, and returns the last one of each.
///
/// # Errors
///
/// Returns an error if the broker cannot be reached, is too old or has no JetStream.
pub async fn heartbeats(address: &BusAddress, time: Duration) -> Result<BTreeMap<String, Beat>, BusError> {
    let link = Link::connect(address, "jobcontrol workers", None).await?;
    let failed = |e: &dyn std::fmt::Display| BusError::Failed(e.to_string());
    let mut beats = link.client.subscribe("jobcontrol.beat").await.map_err(|e| failed(&e))?;
    let until = tokio::time::Instant::now() + time;
    let mut heard = BTreeMap::new();
    while let Ok(Some(message)) = tokio::time::timeout_at(until, beats.next()).await {
        if let Some(beat) = read::<Beat>(&message.payload) {
            heard.insert(beat.worker.clone(), beat);
        }
    }
    Ok(heard)
}

/// Reads major and minor of a version such as `2.12.1`.
fn version(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split(['.', '-']).map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

fn offers(copies: usize) -> stream::Config {
    stream::Config {
        name: OFFERS.to_owned(),
        description: Some("attempts that jobcontrol offers to workers".to_owned()),
        subjects: vec!["jobcontrol.offer.>".to_owned()],
        retention: stream::RetentionPolicy::WorkQueue,
        storage: stream::StorageType::File,
        num_replicas: copies,
        duplicate_window: SAME_MESSAGE,
        max_age: FORGOTTEN,
        ..stream::Config::default()
    }
}

fn reports(copies: usize) -> stream::Config {
    stream::Config {
        name: REPORTS.to_owned(),
        description: Some("what workers of jobcontrol report".to_owned()),
        subjects: vec!["jobcontrol.report.>".to_owned()],
        ..offers(copies)
    }
}

/// The service's end of a bus over NATS.
pub struct NatsService {
    link: Arc<Link>,
    heard: Mutex<mpsc::Receiver<Heard>>,
}

impl NatsService {
    /// Connects as the service of that name, a word without dots. To be called on the runtime that
    /// drives the connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the broker cannot be reached, is too old or has no JetStream.
    pub async fn connect(address: &BusAddress, service: &str) -> Result<Arc<Self>, BusError> {
        let (hear, heard) = mpsc::channel(WAITING);
        let name = format!("jobcontrol service {service}");
        let link = Arc::new(Link::connect(address, &name, Some(hear.clone())).await?);
        let failed = |e: &dyn std::fmt::Display| BusError::Failed(e.to_string());
        let claims = link.client.subscribe(format!("jobcontrol.claim.{service}")).await.map_err(|e| failed(&e))?;
        tokio::spawn(hear_claims(claims, link.client.clone(), hear.clone()));
        let beats = link.client.subscribe("jobcontrol.beat").await.map_err(|e| failed(&e))?;
        tokio::spawn(hear_beats(beats, hear.clone()));
        let stream = link.stream.get_stream(REPORTS).await.map_err(|e| failed(&e))?;
        let config = pull::Config {
            durable_name: Some(format!("service-{service}")),
            filter_subject: format!("jobcontrol.report.{service}"),
            ack_policy: AckPolicy::Explicit,
            ack_wait: REPORT_WAIT,
            max_ack_pending: 100_000,
            inactive_threshold: Duration::from_secs(3600),
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|e| failed(&e))?;
        tokio::spawn(hear_reports(consumer, hear));
        // Until the broker knows the subscriptions, claims would find nobody.
        link.client.flush().await.map_err(|e| failed(&e))?;
        Ok(Arc::new(Self { link, heard: heard.into() }))
    }
}

/// Decodes a message. Its sender may have another version, or be hostile.
fn read<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    match decode(payload) {
        Ok(message) => Some(message),
        Err(reason) => {
            tracing::warn!(reason, "a message on the bus cannot be read");
            None
        }
    }
}

async fn hear_claims(mut claims: async_nats::Subscriber, client: Client, hear: mpsc::Sender<Heard>) {
    let (answer, mut answers) = mpsc::unbounded_channel::<(async_nats::Subject, Answer)>();
    tokio::spawn(async move {
        while let Some((to, answer)) = answers.recv().await {
            let Ok(payload) = encode(&answer) else { continue };
            let _ = client.publish(to, payload.into()).await;
        }
    });
    while let Some(message) = claims.next().await {
        let (Some(claim), Some(reply)) = (read::<Claim>(&message.payload), message.reply) else { continue };
        let answer = answer.clone();
        let answer = Box::new(move |granted| drop(answer.send((reply, granted))));
        if hear.send(Heard::Claim(claim, answer)).await.is_err() {
            return;
        }
    }
}

async fn hear_beats(mut beats: async_nats::Subscriber, hear: mpsc::Sender<Heard>) {
    while let Some(message) = beats.next().await {
        if let Some(beat) = read::<Beat>(&message.payload)
            && hear.send(Heard::Beat(beat)).await.is_err()
        {
            return;
        }
    }
}

async fn hear_reports(consumer: PullConsumer, hear: mpsc::Sender<Heard>) {
    let (done, mut all_done) = mpsc::unbounded_channel::<(jetstream::message::Acker, Disposal)>();
    tokio::spawn(async move {
        while let Some((acker, disposal)) = all_done.recv().await {
            let kind = match disposal {
                Disposal::Done => AckKind::Ack,
                Disposal::Later => AckKind::Nak(Some(LATER)),
            };
            // What is not confirmed comes again.
            let _ = acker.ack_with(kind).await;
        }
    });
    while !hear.is_closed() {
        let Ok(mut messages) = consumer.messages().await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        while let Some(Ok(message)) = messages.next().await {
            let (message, acker) = message.split();
            let Some(report) = read::<Report>(&message.payload) else {
                let _ = acker.ack_with(AckKind::Term).await;
                continue;
            };
            let done = done.clone();
            if hear
                .send(Heard::Report(report, Box::new(move |disposal| drop(done.send((acker, disposal))))))
                .await
                .is_err()
            {
                return;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

impl ServiceEnd for NatsService {
    fn offer<'a>(&'a self, offer: &'a Offer) -> BoxFuture<'a, Result<(), BusError>> {
        async move {
            // Each call is another offer, whatever the broker saw of an earlier one.
            let id = self.link.client.new_inbox();
            self.link.keep_message("jobcontrol.offer.any".to_owned(), &id, offer).await
        }
        .boxed()
    }

    fn hear(&self) -> BoxFuture<'_, Option<Heard>> {
        async { self.heard.lock().await.recv().await }.boxed()
    }

    fn tell<'a>(&'a self, worker: &'a str, note: &'a Note) -> BoxFuture<'a, Result<(), BusError>> {
        self.link.send(format!("jobcontrol.note.{worker}"), note).boxed()
    }

    fn keep<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), BusError>> {
        self.link.keep(name, bytes).boxed()
    }

    fn has<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, BusError>> {
        async move {
            match self.link.objects.info(name).await {
                Ok(info) => Ok(!info.deleted),
                Err(error) if error.kind() == object_store::InfoErrorKind::NotFound => Ok(false),
                Err(error) => Err(BusError::Failed(error.to_string())),
            }
        }
        .boxed()
    }

    fn object<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Bytes, BusError>> {
        self.link.object(name).boxed()
    }

    fn forget<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), BusError>> {
        async move { self.link.objects.delete(name).await.map_err(|e| BusError::Failed(e.to_string())) }.boxed()
    }

    fn value_limit(&self) -> usize {
        self.link.value_limit()
    }
}

/// The worker's end of a bus over NATS.
pub struct NatsWorker {
    link: Arc<Link>,
    offers: PullConsumer,
    told: Mutex<async_nats::Subscriber>,
}

impl NatsWorker {
    /// Connects as the worker of that name, a word without dots. To be called on the runtime that
    /// drives the connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the broker cannot be reached, is too old or has no JetStream.
    pub async fn connect(address: &BusAddress, worker: &str) -> Result<Arc<Self>, BusError> {
        let link = Arc::new(Link::connect(address, &format!("jobcontrol worker {worker}"), None).await?);
        let failed = |e: &dyn std::fmt::Display| BusError::Failed(e.to_string());
        let stream = link.stream.get_stream(OFFERS).await.map_err(|e| failed(&e))?;
        let config = pull::Config {
            durable_name: Some("any".to_owned()),
            filter_subject: "jobcontrol.offer.any".to_owned(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: OFFER_WAIT,
            max_ack_pending: 100_000,
            // Each slot of each worker waits with one request.
            max_waiting: 100_000,
            ..pull::Config::default()
        };
        let offers = stream.get_or_create_consumer("any", config).await.map_err(|e| failed(&e))?;
        let told = link.client.subscribe(format!("jobcontrol.note.{worker}")).await.map_err(|e| failed(&e))?;
        link.client.flush().await.map_err(|e| failed(&e))?;
        Ok(Arc::new(Self { link, offers, told: told.into() }))
    }

    async fn next_offer(&self) -> Option<carrier::TakenOffer> {
        let fetch = self.offers.fetch().max_messages(1).expires(Duration::from_secs(30));
        let mut messages = fetch.messages().await.ok()?;
        let message = messages.next().await?.ok()?;
        let delivered = message.info().map_or(1, |info| info.delivered);
        let (message, acker) = message.split();
        let Some(offer) = read::<Offer>(&message.payload) else {
            let _ = acker.ack_with(AckKind::Term).await;
            return None;
        };
        Some((offer, Arc::new(TakenOffer(acker, delivered))))
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
        self.link.send("jobcontrol.beat".to_owned(), beat).boxed()
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
