//! The service's end of a bus over NATS.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::object_store;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::sync::mpsc;

use jobcontrol_core::labels::Labels;
use jobcontrol_core::manifest::BusAddress;

use super::link::AGAIN;
use super::link::GREET;
use super::link::Link;
use super::link::OFFERS;
use super::link::REPORTS;
use super::link::offers_for;
use super::link::patiently;
use super::link::read;
use super::link::stays;
use crate::bus::carrier::BusError;
use crate::bus::carrier::Disposal;
use crate::bus::carrier::Heard;
use crate::bus::carrier::ServiceEnd;
use crate::bus::wire::Answer;
use crate::bus::wire::Beat;
use crate::bus::wire::Claim;
use crate::bus::wire::Note;
use crate::bus::wire::Offer;
use crate::bus::wire::Report;
use crate::bus::wire::encode;

/// The broker delivers a report again if the service did not confirm it in this time.
const REPORT_WAIT: Duration = Duration::from_secs(10);

/// A report that came too early is delivered again after this time.
const LATER: Duration = Duration::from_secs(1);

/// How often a service sends itself a message.
const ECHO: Duration = Duration::from_secs(1);

/// A service that does not hear itself for this long hears nobody else either. Less than the time
/// after which a worker counts as silent.
const DEAF: Duration = Duration::from_secs(4);

/// Messages to a service that wait for it. With more than that, the broker keeps them.
const WAITING: usize = 1024;

/// The service's end of a bus over NATS.
pub struct NatsService {
    link: Arc<Link>,
    heard: Mutex<mpsc::Receiver<Heard>>,
    /// The sets of labels whose offers have a consumer, since the connection of that number.
    sets: Mutex<(u64, HashSet<Labels>)>,
}

impl NatsService {
    /// Connects as the service of that name, a word without dots. To be called on the runtime that
    /// drives the connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the broker cannot be reached, is too old or has no JetStream.
    pub async fn connect(address: &BusAddress, service: &str) -> Result<Arc<Self>, BusError> {
        patiently(|| Self::connect_once(address, service)).await
    }

    async fn connect_once(address: &BusAddress, service: &str) -> Result<Arc<Self>, BusError> {
        let (hear, heard) = mpsc::channel(WAITING);
        let name = format!("jobcontrol service {service}");
        let link = Arc::new(Link::connect(address, &name, Some(hear.clone())).await?);
        let failed = |e: &dyn std::fmt::Display| BusError::Failed(e.to_string());
        let claims = link.client.subscribe(format!("jobcontrol.claim.{service}")).await.map_err(|e| failed(&e))?;
        let beats = link.client.subscribe("jobcontrol.beat").await.map_err(|e| failed(&e))?;
        let echo = format!("jobcontrol.echo.{service}");
        let echoes = link.client.subscribe(echo.clone()).await.map_err(|e| failed(&e))?;
        reports_of(&link, service).await?;
        // Until the broker knows the subscriptions, claims would find nobody.
        link.settled().await?;
        link.send(GREET.to_owned(), &Note::Greet).await?;
        tokio::spawn(hear_claims(claims, link.client.clone(), hear.clone()));
        tokio::spawn(hear_beats(beats, hear.clone()));
        tokio::spawn(hear_echoes(echoes, echo, link.client.clone(), hear.clone()));
        tokio::spawn(hear_reports(Arc::clone(&link), service.to_owned(), hear));
        Ok(Arc::new(Self { link, heard: heard.into(), sets: Mutex::default() }))
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

/// Finds out whether the broker still delivers. A connection may stay open to one that hangs.
async fn hear_echoes(mut echoes: async_nats::Subscriber, subject: String, client: Client, hear: mpsc::Sender<Heard>) {
    let (mut heard, mut is_deaf) = (Instant::now(), false);
    loop {
        // If it cannot be sent, no echo comes.
        let _ = client.publish(subject.clone(), Bytes::new()).await;
        let is_there = match tokio::time::timeout(ECHO, echoes.next()).await {
            Ok(Some(_)) => {
                heard = Instant::now();
                tokio::time::sleep(ECHO).await;
                true
            }
            Ok(None) => return,
            Err(_) => heard.elapsed() < DEAF,
        };
        if is_there == is_deaf {
            is_deaf = !is_there;
            if is_deaf {
                tracing::warn!("the broker delivers nothing; attempts go on");
            }
            if hear.send(Heard::Connection(is_there)).await.is_err() {
                return;
            }
        }
    }
}

/// Returns the consumer of the reports to a service, and creates it if it is missing.
async fn reports_of(link: &Link, service: &str) -> Result<PullConsumer, BusError> {
    let config = pull::Config {
        durable_name: Some(format!("service-{service}")),
        filter_subject: format!("jobcontrol.report.{service}"),
        ack_policy: AckPolicy::Explicit,
        ack_wait: REPORT_WAIT,
        max_ack_pending: 100_000,
        inactive_threshold: Duration::from_secs(3600),
        ..pull::Config::default()
    };
    let consumer = link.stream.create_consumer_on_stream(config, REPORTS).await;
    consumer.map_err(|e| BusError::Failed(e.to_string()))
}

/// Returns whether the broker has lost that consumer.
async fn has_lost_reports(link: &Link, service: &str) -> bool {
    let name = format!("service-{service}");
    link.stream.get_consumer_from_stream::<pull::Config, _, _>(name, REPORTS).await.is_err()
}

async fn hear_reports(link: Arc<Link>, service: String, hear: mpsc::Sender<Heard>) {
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
        let messages = async { reports_of(&link, &service).await.ok()?.messages().await.ok() };
        let Some(mut messages) = messages.await else {
            let _ = link.renew().await;
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        loop {
            let message = tokio::select! {
                biased;
                message = messages.next() => message,
                () = link.reconnected.now.notified() => match has_lost_reports(&link, &service).await {
                    true => break,
                    false => continue,
                }
            };
            let Some(Ok(message)) = message else { break };
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

impl NatsService {
    /// Creates the consumer of the offers that need these labels, until the broker has it.
    async fn consumed(&self, needs: &Labels) {
        let mut sets = self.sets.lock().await;
        let count = self.link.reconnected.count.load(Ordering::Relaxed);
        if sets.0 != count {
            *sets = (count, HashSet::new());
        }
        while !sets.1.contains(needs) {
            let config = offers_for(needs);
            let name = config.durable_name.clone().unwrap_or_default();
            let made = async {
                let stream = self.link.stream.get_stream_no_info(OFFERS).await.map_err(|e| e.to_string())?;
                stream.get_or_create_consumer(&name, config).await.map(drop).map_err(|e| e.to_string())
            };
            match made.await {
                Ok(()) => drop(sets.1.insert(needs.clone())),
                Err(reason) => {
                    tracing::debug!(reason, name, "the broker did not create a consumer");
                    let _ = self.link.renew().await;
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

impl ServiceEnd for NatsService {
    fn offer<'a>(&'a self, offer: &'a Offer) -> BoxFuture<'a, Result<(), BusError>> {
        async move {
            let needs = Labels::of(offer.needs.iter().cloned());
            self.consumed(&needs).await;
            // Each call is another offer, whatever the broker saw of an earlier one.
            let id = self.link.client.new_inbox();
            self.link.keep_message(format!("jobcontrol.offer.{}", needs.name()), &id, offer).await
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
                Ok(info) => Ok(!info.deleted && info.modified.is_some_and(|at| stays(at.unix_timestamp()))),
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
