//! The connection to a broker, and the streams that both ends use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;

use async_nats::Client;
use async_nats::ConnectOptions;
use async_nats::jetstream;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::context::AccountErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::object_store;
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream;
use bytes::Bytes;
use bytes::BytesMut;
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::sync::mpsc;

use jobcontrol_core::labels::Labels;
use jobcontrol_core::manifest::BusAddress;

use crate::bus::carrier::BusError;
use crate::bus::carrier::Heard;
use crate::bus::wire::Beat;
use crate::bus::wire::decode;
use crate::bus::wire::encode;

pub(super) const OFFERS: &str = "jobcontrol-offers";
pub(super) const REPORTS: &str = "jobcontrol-reports";
/// Where a service says that it has come.
pub(super) const GREET: &str = "jobcontrol.greet";
const OBJECTS: &str = "jobcontrol-objects";

/// The first version of the server with all that is used here.
const OLDEST: (u64, u64) = (2, 12);

/// An offer that its worker does not confirm, or report progress on, goes to another worker.
const OFFER_WAIT: Duration = Duration::from_secs(30);

/// A message with an id that the broker has seen within this time is kept once.
const SAME_MESSAGE: Duration = Duration::from_secs(120);

/// Objects and reports that nobody fetched: their service is gone.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// An object that is forgotten within this time is stored again.
const SOON: Duration = Duration::from_secs(24 * 3600);

/// Between two tries of what the broker has to keep.
pub(super) const AGAIN: Duration = Duration::from_millis(300);

/// How long a cluster may take to elect its leaders.
const ELECTION: Duration = Duration::from_secs(30);

/// An object whose next bytes do not come for this long is read again from the start.
const STALLED: Duration = Duration::from_secs(5);

/// How often an object is read at most.
const READS: u32 = 4;

/// Bytes that a message has beside its payload, at most.
const OVERHEAD: usize = 4096;

/// A connection to a broker that has all that is needed.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) stream: Context,
    pub(super) objects: ObjectStore,
    /// How many copies the broker keeps of each message.
    copies: usize,
    pub(super) reconnected: Arc<Reconnected>,
}

/// Tells when the connection to the broker is there again: it may be another broker.
#[derive(Default)]
pub(super) struct Reconnected {
    pub(super) now: Notify,
    pub(super) count: AtomicU64,
}

impl Link {
    /// Connects, and creates the streams where they are missing.
    pub(super) async fn connect(
        address: &BusAddress,
        name: &str,
        hear: Option<mpsc::Sender<Heard>>,
    ) -> Result<Self, BusError> {
        let shown = address.shown();
        let refused = |why: &dyn std::fmt::Display| BusError::Refused(format!("the bus `{shown}`: {why}"));
        let servers: Result<Vec<async_nats::ServerAddr>, _> = address.servers.iter().map(|s| s.parse()).collect();
        let servers = servers.map_err(|e| refused(&e))?;
        let reconnected = Arc::<Reconnected>::default();
        let options = options(address, &servers, name, hear, &reconnected).await.map_err(|e| refused(&e))?;
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
        let failed = |e: &dyn std::fmt::Display| BusError::Failed(format!("the bus `{shown}`: {e}"));
        match stream.query_account().await.map_err(|e| (e.kind(), e)) {
            Ok(_) => {}
            // A cluster that elects a leader cannot say.
            Err((AccountErrorKind::TimedOut | AccountErrorKind::Other, e)) => return Err(failed(&e)),
            Err((_, e)) if info.cluster.is_some() => return Err(failed(&e)),
            Err(_) => return Err(refused(&"the server has no JetStream, or this account may not use it")),
        }
        let copies = if info.cluster.is_some() { 3 } else { 1 };
        let objects = create(&stream, copies).await.map_err(|e| failed(&e))?;
        Ok(Self { client, stream, objects, copies, reconnected })
    }

    /// Creates what is missing, if the broker has lost what it had stored.
    pub(super) async fn renew(&self) -> Result<(), BusError> {
        create(&self.stream, self.copies).await.map(drop).map_err(BusError::Failed)
    }

    /// Waits until the broker knows the subscriptions that were made. It answers in order.
    pub(super) async fn settled(&self) -> Result<(), BusError> {
        let answer = self.stream.query_account().await;
        answer.map(drop).map_err(|e| BusError::Failed(e.to_string()))
    }

    /// Publishes a message that the broker has to keep, until it does.
    pub(super) async fn keep_message(
        &self,
        subject: String,
        id: &str,
        message: &impl Serialize,
    ) -> Result<(), BusError> {
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
                    let _ = self.renew().await;
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    pub(super) async fn send(&self, subject: String, message: &impl Serialize) -> Result<(), BusError> {
        let payload = encode(message).map_err(BusError::Refused)?;
        self.client.publish(subject, payload.into()).await.map_err(|e| BusError::Failed(e.to_string()))
    }

    pub(super) async fn keep(&self, name: &str, bytes: Bytes) -> Result<(), BusError> {
        let kept = self.objects.put(name, &mut &bytes[..]).await;
        if kept.is_err() {
            let _ = self.renew().await;
        }
        kept.map(drop).map_err(|e| BusError::Failed(format!("the object `{name}`: {e}")))
    }

    /// Reads an object. If it is stored again meanwhile, the broker removes the rest of the old
    /// one, and a reader would wait forever. A read that stalls therefore starts again.
    pub(super) async fn object(&self, name: &str) -> Result<Bytes, BusError> {
        let mut error = BusError::Failed(format!("the object `{name}`: the broker sends no more of it"));
        for _ in 0..READS {
            match self.object_once(name).await {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => {}
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    /// Returns `None` if the broker stops sending it.
    async fn object_once(&self, name: &str) -> Result<Option<Bytes>, BusError> {
        let failed = |e: &dyn std::fmt::Display| BusError::Failed(format!("the object `{name}`: {e}"));
        let mut object = self.objects.get(name).await.map_err(|e| failed(&e))?;
        let mut bytes = BytesMut::new();
        loop {
            let Ok(read) = tokio::time::timeout(STALLED, object.read_buf(&mut bytes)).await else {
                return Ok(None);
            };
            if read.map_err(|e| failed(&e))? == 0 {
                return Ok(Some(bytes.freeze()));
            }
        }
    }

    pub(super) fn value_limit(&self) -> usize {
        self.client.max_payload().saturating_sub(OVERHEAD) / 2
    }
}

/// Creates the streams and the object store where they are missing.
async fn create(stream: &Context, copies: usize) -> Result<ObjectStore, String> {
    for config in [offers(copies), reports(copies)] {
        stream.get_or_create_stream(config).await.map_err(|e| e.to_string())?;
    }
    let config = object_store::Config {
        bucket: OBJECTS.to_owned(),
        description: Some("plugins and large values of jobcontrol".to_owned()),
        max_age: FORGOTTEN,
        num_replicas: copies,
        ..object_store::Config::default()
    };
    match stream.get_object_store(OBJECTS).await {
        Ok(objects) => Ok(objects),
        Err(_) => stream.create_object_store(config).await.map_err(|e| e.to_string()),
    }
}

/// Connects. What a broker cannot do now is tried again for [`ELECTION`].
pub(super) async fn patiently<T, F>(mut connect: impl FnMut() -> F) -> Result<T, BusError>
where
    F: Future<Output = Result<T, BusError>>,
{
    let until = tokio::time::Instant::now() + ELECTION;
    loop {
        match connect().await {
            Err(BusError::Failed(reason)) if tokio::time::Instant::now() < until => {
                tracing::warn!(reason, "the broker is not ready; trying again");
                tokio::time::sleep(AGAIN).await;
            }
            connected => return connected,
        }
    }
}

async fn options(
    address: &BusAddress,
    servers: &[async_nats::ServerAddr],
    name: &str,
    hear: Option<mpsc::Sender<Heard>>,
    reconnected: &Arc<Reconnected>,
) -> Result<ConnectOptions, String> {
    let reconnected = Arc::clone(reconnected);
    let mut options = ConnectOptions::new()
        .name(name)
        .reconnect_delay_callback(|tries| Duration::from_millis(100 * u64::try_from(tries).unwrap_or(20).min(20)))
        .event_callback(move |event| noticed(event, hear.clone(), Arc::clone(&reconnected)));
    if let Some(file) = &address.credentials {
        let read = options.credentials_file(file).await;
        options = read.map_err(|e| format!("the credentials `{file}`: {e}"))?;
    }
    if let Some(file) = &address.nkey {
        let seed = tokio::fs::read_to_string(file).await;
        let seed = seed.map_err(|e| format!("the NKey `{file}`: {e}"))?;
        options = options.nkey(seed.trim().to_owned());
    }
    // The client itself does not look at these.
    if let Some((user, password)) = signed(servers) {
        options = match password {
            Some(password) => options.user_and_password(user, password),
            None => options.token(user),
        };
    }
    if let Some(file) = &address.ca {
        options = options.add_root_certificates(file.into());
    }
    Ok(options)
}

/// Returns the user and the password in the address of a server, or the token in the user's place.
fn signed(servers: &[async_nats::ServerAddr]) -> Option<(String, Option<String>)> {
    let server = servers.iter().find(|server| server.has_user_pass())?;
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((plain(server.username()?), server.password().map(plain)))
}

/// Writes what happened to the connection into the log, and tells the service.
async fn noticed(event: async_nats::Event, hear: Option<mpsc::Sender<Heard>>, reconnected: Arc<Reconnected>) {
    let is_there = match event {
        async_nats::Event::Connected => true,
        async_nats::Event::Disconnected => false,
        event => return tracing::info!(event = event.to_string(), "the bus"),
    };
    if is_there {
        tracing::info!("the broker is there");
        reconnected.count.fetch_add(1, Ordering::Relaxed);
        reconnected.now.notify_waiters();
    } else {
        tracing::warn!("the broker cannot be reached; attempts go on, and this is tried again");
    }
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
    let link = patiently(|| Link::connect(address, "jobcontrol workers", None)).await?;
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

/// Returns whether an object that was stored at that second since 1970 is not forgotten soon. If a
/// clock is wrong, it is stored once more, or a worker misses it and the service stores it then.
pub(super) fn stays(stored: i64) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let stored = Duration::from_secs(u64::try_from(stored).unwrap_or(0));
    now.saturating_sub(stored) < FORGOTTEN - SOON
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

/// Returns the consumer of the offers that need a set of labels.
pub(super) fn offers_for(labels: &Labels) -> pull::Config {
    let name = labels.name();
    pull::Config {
        filter_subject: format!("jobcontrol.offer.{name}"),
        durable_name: Some(name),
        ack_policy: AckPolicy::Explicit,
        ack_wait: OFFER_WAIT,
        max_ack_pending: 100_000,
        // Each slot of each worker waits with one request.
        max_waiting: 100_000,
        ..pull::Config::default()
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

/// Decodes a message. Its sender may have another version, or be hostile.
pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    match decode(payload) {
        Ok(message) => Some(message),
        Err(reason) => {
            tracing::warn!(reason, "a message on the bus cannot be read");
            None
        }
    }
}
