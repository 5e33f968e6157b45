//! Attempts that workers run: offers them, follows what the workers report, and decides when a
//! worker is lost. `core/remote` holds the rules.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::Weak;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use jobcontrol_core::clock::Clock;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::job::Job;
use jobcontrol_core::labels::KEYED;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::limits::show_duration;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::remote::AttemptKey;
use jobcontrol_core::remote::Due;
use jobcontrol_core::remote::Leases;
use jobcontrol_core::remote::SILENCE;
use jobcontrol_core::remote::Verdict;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::pack;
use jobcontrol_sandbox::Called;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Sink;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::bus::carrier::BusError;
use crate::bus::carrier::Disposal;
use crate::bus::carrier::Heard;
use crate::bus::carrier::ServiceEnd;
use crate::bus::seal::PublicKey;
use crate::bus::seal::Sealed;
use crate::bus::wire::Address;
use crate::bus::wire::Answer;
use crate::bus::wire::Beat;
use crate::bus::wire::Body;
use crate::bus::wire::Claim;
use crate::bus::wire::How;
use crate::bus::wire::Note;
use crate::bus::wire::Offer;
use crate::bus::wire::PROTOCOL;
use crate::bus::wire::Report;
use crate::bus::wire::Said;
use crate::bus::wire::progress_of_wire;
use crate::execute::deadline;
use crate::execute::large::apart_if;
use crate::execute::large::is_large;
use crate::execute::large::is_large_packed;
use crate::execute::roster::ALONE;
use crate::execute::roster::Known;
use crate::execute::roster::Roster;
use crate::execute::sink::BuildSink;
use crate::execute::uploads::Uploads;
use crate::execute::uploads::persist;
use crate::execute::windows::Windows;
use crate::lock::lock;

/// How often leases are looked at.
const TICK: Duration = Duration::from_secs(1);

/// A process that was stopped for longer has not heard workers that spoke meanwhile.
const STOPPED: Duration = Duration::from_secs(3);

/// A worker ends a guest at its timeout. The service ends the attempt this much later, if the
/// worker did not.
const LATE: Duration = Duration::from_secs(5);

/// How long the service waits for the last report of an attempt that it cancelled.
const CANCELLED: Duration = Duration::from_secs(1);

/// Clocks that differ by less are left alone; a message takes some time.
const CLOCK_SKEW: i64 = 2_000_000;

/// The attempts that this service gives to workers.
pub struct Remote {
    bus: Arc<dyn ServiceEnd>,
    /// The name of this process of the service on the bus.
    service: String,
    /// The workers that get secrets, by their public key.
    listed: BTreeMap<String, PublicKey>,
    clock: Arc<dyn Clock>,
    began: Instant,
    /// The runtime that drives the bus.
    network: Handle,
    roster: Roster,
    state: Mutex<State>,
    uploads: Uploads,
}

#[derive(Default)]
struct State {
    leases: Leases,
    feeds: BTreeMap<AttemptKey, mpsc::UnboundedSender<Fed>>,
    /// What is encrypted to the worker that gets the attempt.
    sealed: BTreeMap<AttemptKey, Arc<Sealed>>,
    /// The objects that the broker keeps for the attempt.
    objects: BTreeMap<AttemptKey, Vec<String>>,
}

impl State {
    /// Tells the call of an attempt what happened, if it still listens.
    fn feed(&self, key: AttemptKey, fed: Fed) {
        if let Some(feed) = self.feeds.get(&key) {
            let _ = feed.send(fed);
        }
    }
}

/// What happened to one attempt.
enum Fed {
    Granted(Arc<str>),
    /// A report, how far the clock of its worker is off, and how to acknowledge it.
    Said(Said, i64, Box<dyn FnOnce(Disposal) + Send + Sync>),
    OfferAgain,
    Lost(Arc<str>),
    /// Reports are missing.
    Gap,
}

/// What a worker needs to run an attempt.
pub(super) struct Attempt<'a> {
    pub(super) key: AttemptKey,
    pub(super) job_id: &'a str,
    pub(super) store_id: &'a str,
    pub(super) plugin: &'a Plugin,
    pub(super) config: &'a Arc<[u8]>,
    pub(super) needs: Labels,
    pub(super) args: Vec<Value>,
    /// The secrets of the attempt, and whether some are part of its arguments.
    pub(super) secrets: (Secrets, bool),
    pub(super) limits: &'a Limits,
    pub(super) sink: &'a BuildSink,
    /// What changes of the attempt have to compare.
    pub(super) guard: Guard,
    pub(super) cancel: Cancel,
    pub(super) until: Option<Instant>,
}

/// Removes an attempt from the lists, however its call ends.
struct Listed<'a>(&'a Remote, AttemptKey);

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.leases.end(self.1);
        state.feeds.remove(&self.1);
        state.sealed.remove(&self.1);
        drop(state);
        self.0.forget_objects(self.1);
    }
}

impl Remote {
    /// Starts to follow what workers say. `service` is the name of this process on the bus.
    /// Workers with one of the `listed` keys get secrets. The `windows` are kept as large as the
    /// workers that are heard can use.
    pub fn start(
        bus: Arc<dyn ServiceEnd>,
        service: String,
        listed: BTreeMap<String, PublicKey>,
        windows: Arc<Windows>,
        clock: Arc<dyn Clock>,
        handle: &Handle,
    ) -> Arc<Self> {
        let (state, uploads) = Default::default();
        let (began, network, roster) = (Instant::now(), handle.clone(), Roster::new(windows));
        let remote = Arc::new(Self { bus, service, listed, clock, began, network, roster, state, uploads });
        handle.spawn(hear(Arc::downgrade(&remote), Arc::clone(&remote.bus)));
        handle.spawn(tick(Arc::downgrade(&remote)));
        remote
    }

    /// Returns the workers that were heard lately, by name.
    pub fn workers(&self) -> BTreeMap<String, Known> {
        self.roster.workers()
    }

    /// Returns the workers that are heard.
    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Returns the labels that a job needs of its worker. One without a key cannot have secrets.
    pub(super) fn needs(&self, job: &Job) -> Labels {
        let needs = job.needs.clone();
        if job.secrets().is_empty() || !self.lists_workers() { needs } else { needs.with(KEYED) }
    }

    /// Returns whether some worker may get secrets.
    pub(super) fn lists_workers(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Returns how many attempts workers have, and how many wait for one.
    pub fn counts(&self) -> (usize, usize) {
        lock(&self.state).leases.counts()
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Runs an attempt on a worker, and returns how it ended.
    pub(super) async fn call(&self, mut attempt: Attempt<'_>) -> Called {
        let (key, mut cancel, until) = (attempt.key, attempt.cancel.clone(), attempt.until);
        let plugin = Arc::clone(&attempt.plugin.digest);
        let _listed = Listed(self, key);
        let (feed, fed) = mpsc::unbounded_channel();
        let args = Value::List(std::mem::take(&mut attempt.args));
        let work = async {
            let (offer, sealed) = match self.prepare(&attempt, args).await {
                Ok(prepared) => prepared,
                Err(failure) => return failed(failure),
            };
            {
                let mut state = lock(&self.state);
                state.sealed.extend(sealed.map(|sealed| (key, Arc::new(sealed))));
                state.leases.offer(key, self.now());
                state.feeds.insert(key, feed);
            }
            self.follow(&attempt, &offer, fed).await
        };
        let mut work = std::pin::pin!(work);
        let ended = tokio::select! {
            biased;
            called = &mut work => {
                if matches!(&called.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Interrupted) {
                    // The plugin may be what the worker did not find.
                    self.uploads.look_again(Some(&plugin));
                }
                return called;
            }
            () = cancel.wait() => FailureKind::Cancelled,
            () = deadline::reached(until.map(|until| until + LATE)) => FailureKind::Timeout,
        };
        if ended == FailureKind::Cancelled {
            self.tell(key, Note::Cancel(self.address(key))).await;
            // The worker knows where the guest was.
            if let Ok(called) = tokio::time::timeout(CANCELLED, work).await {
                return called;
            }
            self.tell(key, Note::Stop(self.address(key))).await;
            return failed(Failure::new(FailureKind::Cancelled, "the build was cancelled"));
        }
        self.tell(key, Note::Stop(self.address(key))).await;
        failed(Failure::new(FailureKind::Timeout, attempt.limits.exceeded(Excess::Build)))
    }

    fn address(&self, key: AttemptKey) -> Address {
        Address { service: self.service.clone(), key }
    }

    /// Tells the worker of an attempt something, if it has one.
    async fn tell(&self, key: AttemptKey, note: Note) {
        let worker = lock(&self.state).leases.worker(key).cloned();
        if let Some(worker) = worker {
            let _ = self.bus.tell(&worker, &note).await;
        }
    }

    /// Uploads what the worker needs, and writes the offer.
    async fn prepare(&self, attempt: &Attempt<'_>, args: Value) -> Result<(Offer, Option<Sealed>), Failure> {
        let Attempt { key, job_id, store_id, plugin, config, needs, until, .. } = attempt;
        self.uploads.upload(&*self.bus, plugin).await?;
        let packed = apart_if(is_large([&args]), move || pack(&args)).await;
        let packed = packed.map_err(|error| Failure::new(FailureKind::Arguments, error.to_string()))?;
        let (secrets, are_args) = &attempt.secrets;
        let (mut sealed, mut open) = (None, Bytes::from(packed));
        if !secrets.is_empty() {
            let args = are_args.then(|| std::mem::take(&mut open));
            let secrets =
                secrets.iter().map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value))).collect();
            sealed = Some(Sealed { secrets, args });
        }
        let args = self.body(*key, "args", open).await?;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()).as_millis());
        let offer = Offer {
            protocol: PROTOCOL,
            address: self.address(*key),
            job_id: (*job_id).to_owned(),
            store_id: (*store_id).to_owned(),
            plugin: plugin.digest.to_string(),
            plugin_name: plugin.path.display().to_string(),
            config: Bytes::copy_from_slice(config),
            args,
            build_time: left.map(|left| u64::try_from(left).unwrap_or(u64::MAX)),
            needs: needs.iter().map(str::to_owned).collect(),
        };
        Ok((offer, sealed))
    }

    /// Puts bytes into a message, or into an object of the attempt if they are too many for one.
    async fn body(&self, key: AttemptKey, what: &str, bytes: Bytes) -> Result<Body, Failure> {
        if bytes.len() <= self.bus.value_limit() {
            return Ok(Body::Here(bytes));
        }
        let name = format!("{}.{}.{}.{what}", self.service, key.build, key.attempt);
        lock(&self.state).objects.entry(key).or_default().push(name.clone());
        persist(|| self.bus.keep(&name, bytes.clone())).await?;
        Ok(Body::Object(name))
    }

    /// Offers an attempt, and records what its worker reports until it ends.
    async fn follow(&self, attempt: &Attempt<'_>, offer: &Offer, mut fed: mpsc::UnboundedReceiver<Fed>) -> Called {
        if let Err(BusError::Refused(reason)) = self.bus.offer(offer).await {
            return failed(Failure::new(FailureKind::Storage, format!("the attempt cannot be offered: {reason}")));
        }
        let (mut late, mut granted) = (None, None);
        let look = || Instant::now().checked_add(ALONE);
        let mut alone = look();
        loop {
            let next = tokio::select! {
                biased;
                next = fed.recv() => next,
                () = deadline::reached(alone) => {
                    alone = match self.roster.missing(&attempt.needs) {
                        Some(message) => {
                            self.note(attempt, Level::Warning, message).await;
                            None
                        }
                        None => look(),
                    };
                    continue;
                }
                () = deadline::reached(late) => {
                    self.tell(attempt.key, Note::Stop(offer.address.clone())).await;
                    return failed(Failure::new(FailureKind::Timeout, attempt.limits.exceeded(Excess::Attempt)));
                }
            };
            match next {
                Some(Fed::Granted(worker)) => {
                    (late, alone) = (Instant::now().checked_add(attempt.limits.timeout + LATE), None);
                    granted = Some(Instant::now());
                    attempt.sink.assigned(attempt.guard.clone(), Some(worker)).await;
                }
                Some(Fed::OfferAgain) => {
                    (late, alone) = (None, look());
                    attempt.sink.assigned(attempt.guard.clone(), None).await;
                    let _ = self.bus.offer(offer).await;
                }
                Some(Fed::Lost(worker)) => {
                    let silence = show_duration(SILENCE);
                    let message = format!("the worker `{worker}` was not heard for {silence}");
                    return failed(Failure::new(FailureKind::Interrupted, message));
                }
                Some(Fed::Gap) | None => {
                    self.tell(attempt.key, Note::Stop(offer.address.clone())).await;
                    let message = "the broker lost a report of the worker";
                    return failed(Failure::new(FailureKind::Interrupted, message));
                }
                Some(Fed::Said(said, shift, acknowledge)) => {
                    let called = self.record(attempt, said, shift).await;
                    acknowledge(Disposal::Done);
                    if let Some(called) = called {
                        if let Some(since) = granted {
                            self.roster.windows().ended(&attempt.needs, since.elapsed(), Instant::now());
                        }
                        return called;
                    }
                }
            }
        }
    }

    /// Writes a record of the service into the log of the build.
    async fn note(&self, attempt: &Attempt<'_>, level: Level, message: String) {
        // The first error is remembered by the sink, and fails the build at its end.
        let _ = attempt.sink.log(NewRecord::new(self.clock.now(), level, "jobcontrol", message)).await;
    }

    /// Records a report, and returns the result of the call if it is the last one.
    async fn record(&self, attempt: &Attempt<'_>, said: Said, shift: i64) -> Option<Called> {
        for record in said.records {
            // The first error is remembered by the sink, and fails the build at its end.
            let _ = attempt.sink.log(record.shifted(shift)).await;
        }
        said.progress.into_iter().filter_map(progress_of_wire).for_each(|report| attempt.sink.progress(report));
        let end = said.end?;
        let usage = end.usage();
        let value = match &end.how {
            How::Returned(Some(Body::Here(bytes))) => Some(bytes.clone()),
            How::Returned(Some(Body::Object(name))) => match persist(|| self.bus.object(name)).await {
                Ok(bytes) => {
                    let _ = self.bus.forget(name).await;
                    Some(bytes)
                }
                Err(failure) => return Some(failed(failure)),
            },
            _ => None,
        };
        // One that is handed back is offered again, and goes on being followed.
        let large = value.as_ref().is_some_and(|value| is_large_packed(value.len()));
        let outcome = apart_if(large, move || end.how.outcome(value.as_deref())).await?;
        Some(Called { outcome, usage })
    }

    /// Encrypts what a worker needs to the key that it named in its claim.
    async fn seal(&self, claim: &Claim) -> Option<Answer> {
        let sealed = lock(&self.state).sealed.get(&claim.key).cloned()?;
        let key = self.listed.get(claim.public.as_ref()?)?.clone();
        let bytes = tokio::task::spawn_blocking(move || key.seal(&sealed)).await.ok()?.ok()?;
        let body = self.body(claim.key, "sealed", bytes).await;
        if !lock(&self.state).sealed.contains_key(&claim.key) {
            // The attempt has ended meanwhile.
            self.forget_objects(claim.key);
            return None;
        }
        // Without an answer, the worker asks again.
        body.ok().map(Answer::Sealed)
    }

    /// Removes the objects of an attempt from the broker.
    fn forget_objects(&self, key: AttemptKey) {
        for name in lock(&self.state).objects.remove(&key).unwrap_or_default() {
            let bus = Arc::clone(&self.bus);
            // What is not forgotten now, the broker forgets after a week.
            self.network.spawn(async move { drop(bus.forget(&name).await) });
        }
    }

    fn claimed(&self, claim: &Claim) -> Answer {
        let (worker, mut state) = (Arc::from(claim.worker.as_str()), lock(&self.state));
        if claim.protocol != PROTOCOL {
            return Answer::Refused;
        }
        let is_listed = || claim.public.as_ref().is_some_and(|key| self.listed.contains_key(key));
        if state.sealed.contains_key(&claim.key) && state.leases.worker(claim.key) != Some(&worker) && !is_listed() {
            return Answer::Unlisted;
        }
        // A worker that runs the attempt asks from time to time whether it still has it.
        let had_it = state.leases.worker(claim.key) == Some(&worker);
        let answer = state.leases.claim(claim.key, &worker, self.now());
        if answer == jobcontrol_core::remote::Claim::Refused {
            return Answer::Refused;
        }
        if !had_it {
            state.feed(claim.key, Fed::Granted(worker));
        }
        Answer::Granted
    }

    fn reported(&self, report: Report, acknowledge: Box<dyn FnOnce(Disposal) + Send + Sync>) {
        let Report { worker, key, number, sent, said, .. } = report;
        let (worker, mut state) = (Arc::from(worker.as_str()), lock(&self.state));
        let fed = match state.leases.report(key, &worker, number, self.now()) {
            Verdict::New if matches!(said.end.as_ref().map(|end| &end.how), Some(How::HandedBack)) => {
                state.leases.hand_back(key, &worker, self.now());
                acknowledge(Disposal::Done);
                Fed::OfferAgain
            }
            Verdict::New => {
                let off = self.clock.now().0.saturating_sub(sent);
                Fed::Said(said, if off.abs() > CLOCK_SKEW { off } else { 0 }, acknowledge)
            }
            Verdict::Repeated | Verdict::Refused => return acknowledge(Disposal::Done),
            Verdict::Early => return acknowledge(Disposal::Later),
            Verdict::Gap => {
                acknowledge(Disposal::Done);
                Fed::Gap
            }
        };
        state.feed(key, fed);
    }

    /// Notes a heartbeat, and returns the attempts that its worker should stop.
    fn beat(&self, beat: Beat) -> Vec<AttemptKey> {
        let Beat { protocol, version, worker, slots, labels, stops, public, works_on } = beat;
        let is_unlisted = public.is_some_and(|key| !self.listed.contains_key(&key));
        // Without a listed key, it cannot have secrets.
        let labels = Labels::of(labels.into_iter().filter(|label| !is_unlisted || label != KEYED));
        let works_on: Vec<_> =
            works_on.into_iter().filter(|address| address.service == self.service).map(|address| address.key).collect();
        let mut state = lock(&self.state);
        let strange = state.leases.heard(&Arc::from(worker.as_str()), &works_on, self.now());
        drop(state);
        let builds = works_on.iter().filter(|key| !strange.contains(key)).map(|key| key.build).collect();
        self.roster.heard(
            worker,
            Known { version, protocol, slots, labels, stops, is_unlisted, builds, heard: Instant::now() },
        );
        strange
    }

    fn look_at_leases(&self) {
        let mut state = lock(&self.state);
        for due in state.leases.due(self.now()) {
            let (key, fed) = match due {
                Due::Offer(key) => (key, Fed::OfferAgain),
                Due::Lost(key, worker) => (key, Fed::Lost(worker)),
            };
            state.feed(key, fed);
        }
        drop(state);
        self.roster.look();
    }
}

/// Returns the result of a call that did not get far enough to use anything.
pub(super) fn failed(failure: Failure) -> Called {
    Called { outcome: Outcome::Failed(failure), usage: Usage::default() }
}

/// Follows what workers say, until the service is gone.
async fn hear(remote: Weak<Remote>, bus: Arc<dyn ServiceEnd>) {
    while let Some(heard) = bus.hear().await {
        let Some(remote) = remote.upgrade() else { return };
        match heard {
            Heard::Claim(claim, answer) => match remote.claimed(&claim) {
                // What was encrypted may have to be stored first.
                Answer::Granted if claim.public.is_some() && lock(&remote.state).sealed.contains_key(&claim.key) => {
                    tokio::spawn(async move {
                        if let Some(sealed) = remote.seal(&claim).await {
                            answer(sealed);
                        }
                    });
                }
                answered => answer(answered),
            },
            Heard::Report(report, acknowledge) => remote.reported(report, acknowledge),
            Heard::Connection(true) => {
                lock(&remote.state).leases.back(remote.now());
                remote.roster.back();
                // It may be another broker.
                remote.uploads.look_again(None);
            }
            Heard::Connection(false) => {
                lock(&remote.state).leases.cut_off();
                remote.roster.cut_off();
            }
            Heard::Beat(beat) => {
                let worker = beat.worker.clone();
                for key in remote.beat(beat) {
                    let _ = bus.tell(&worker, &Note::Stop(remote.address(key))).await;
                }
            }
        }
    }
}

async fn tick(remote: Weak<Remote>) {
    loop {
        let before = Instant::now();
        tokio::time::sleep(TICK).await;
        let Some(remote) = remote.upgrade() else { return };
        if before.elapsed() > STOPPED {
            lock(&remote.state).leases.still(remote.now());
            remote.roster.still();
        }
        remote.look_at_leases();
    }
}
