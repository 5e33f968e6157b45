//! The attempts of one build, from the first start to the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::build::Pin;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::job::Arg;
use jobcontrol_core::job::Key;
use jobcontrol_core::limits::Excess;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::Sink;
use tokio::sync::Notify;

use crate::execute::canceller::Canceller;
use crate::execute::canceller::Ticket;
use crate::execute::canceller::cancelled;
use crate::execute::canceller::cancelled_record;
use crate::execute::ending::Ended;
use crate::execute::error::ExecuteError;
use crate::execute::large::apart_if;
use crate::execute::large::is_large;
use crate::execute::prepared::Created;
use crate::execute::prepared::Prepared;
use crate::execute::publisher::Publisher;
use crate::execute::random::random;
use crate::execute::resolver::Resolver;
use crate::execute::sink::BuildSink;
use crate::execute::slots::Slot;
use crate::execute::tracer::Tracer;
use crate::record::recorder::Recorder;

/// Who cancels a build whose own run was stopped.
const INTERRUPT: &str = "an interrupt of its run";

/// How often a build that waits for a pool looks for room: another process may have made some.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(50);

/// What all builds of a process share.
pub(super) struct Parts {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) recorder: Recorder,
    pub(super) owner: Arc<str>,
    pub(super) store_id: Arc<str>,
    pub(super) canceller: Arc<Canceller>,
    pub(super) publisher: Publisher,
    pub(super) resolver: Arc<Resolver>,
    pub(super) tracer: Tracer,
    /// The sizes of pools.
    pub(super) pools: BTreeMap<String, u32>,
    /// Told when a build of this process gives slots of a pool back.
    pub(super) freed: Arc<Notify>,
}

impl Parts {
    fn now(&self) -> Timestamp {
        self.recorder.storage().clock().now()
    }
}

/// A build that is being executed.
pub(super) struct Running<'a> {
    parts: &'a Parts,
    prepared: &'a Prepared,
    id: u64,
    args: Option<Arc<Vec<Value>>>,
    pins: Arc<[Pin]>,
    overrides: Vec<(Key, Arg)>,
    /// The newest attempt that started; 0 before the first.
    attempt: u32,
    /// When the first attempt started.
    started: Timestamp,
    /// When the newest did.
    attempt_started: Timestamp,
    /// When the build has to end.
    until: Option<Instant>,
    slot: Slot,
    cancel: Cancel,
    ticket: Ticket,
    sink: Arc<BuildSink>,
    /// The first error that lost a log record or a progress report of an earlier attempt.
    lost: Option<String>,
    /// What the newest attempt used.
    usage: Option<Usage>,
    ends_run: bool,
}

impl<'a> Running<'a> {
    /// Runs a build to its end.
    pub(super) async fn run(
        parts: &'a Parts,
        prepared: &'a Prepared,
        created: Created,
        slot: Slot,
        cancel: Cancel,
    ) -> Result<Arc<Outcome>, ExecuteError> {
        let Created { id, args, pins, overrides, attempt, started, due, ends_run } = created;
        let ticket = parts.canceller.enter(id);
        let cancel = cancel.or(ticket.cancel.clone());
        let now = parts.now();
        let first = started.unwrap_or(now);
        let mut running = Self {
            parts,
            prepared,
            id,
            args,
            pins,
            overrides,
            attempt,
            started: first,
            attempt_started: first,
            until: None,
            slot,
            sink: sink(parts, prepared, id, attempt.max(1)),
            cancel,
            ticket,
            lost: None,
            usage: None,
            ends_run,
        };
        running.until = running.end_of(first);
        match (started, due) {
            (_, Some(due)) => {
                let delay = Duration::from_micros(due.since(now));
                let (attempt, of) = (attempt + 1, prepared.retry().attempts);
                running.publish(EventKind::TakenOver { attempt, of, delay });
                if let Some(outcome) = running.wait(delay).await {
                    return running.end(outcome).await;
                }
                running.start_next().await?;
            }
            (Some(_), None) => running.publish(EventKind::Started),
            (None, None) => {
                if let Some(outcome) = running.start_first().await? {
                    return running.end(outcome).await;
                }
            }
        }
        running.run_to_end().await
    }

    /// When a build that started then has to end.
    fn end_of(&self, started: Timestamp) -> Option<Instant> {
        let timeout = self.prepared.limits().build_timeout?;
        Instant::now().checked_add(timeout.saturating_sub(Duration::from_micros(self.parts.now().since(started))))
    }

    async fn run_to_end(mut self) -> Result<Arc<Outcome>, ExecuteError> {
        loop {
            let outcome = self.call().await;
            self.sink.write_progress().await;
            let (outcome, packed) = self.settle(outcome).await;
            let Some((failure, delay)) = self.again(&outcome).await else {
                return self.finish(outcome, packed).await;
            };
            self.put_off(failure, packed, delay).await?;
            if let Some(outcome) = self.wait(delay).await {
                return self.end(outcome).await;
            }
            self.start_next().await?;
        }
    }

    fn publish(&self, kind: EventKind) {
        self.parts.publisher.publish(self.id, &self.prepared.job_id, kind);
    }

    fn guard(&self) -> Guard {
        Guard { owner: Some(Arc::clone(&self.parts.owner)), attempt: self.attempt }
    }

    /// Starts the first attempt once there is a slot, and room in the pool; returns the end of the build if it ends
    /// before. Many builds may wait here, so that large arguments are made only now.
    async fn start_first(&mut self) -> Result<Option<Outcome>, ExecuteError> {
        let mut cancel = self.cancel.clone();
        let mut told = None;
        loop {
            tokio::select! {
                biased;
                () = cancel.wait() => return Ok(Some(Outcome::Failed(cancelled(&self.by())))),
                () = self.slot.take() => {}
            }
            if let Err(error) = self.resolve().await {
                return match error {
                    ExecuteError::Arguments(reason) => {
                        Ok(Some(Outcome::Failed(Failure::new(FailureKind::Arguments, reason))))
                    }
                    error => Err(error),
                };
            }
            let freed = Arc::clone(&self.parts.freed);
            let freed = freed.notified();
            match self.try_start().await {
                Err(StorageError::PoolFull(full)) => {
                    self.slot.give_back();
                    if told.as_ref() != Some(&full) {
                        self.publish(EventKind::Waits { reason: full.to_string() });
                        told = Some(full);
                    }
                    tokio::select! {
                        biased;
                        () = cancel.wait() => {}
                        () = freed => {}
                        () = tokio::time::sleep(LOOK_FOR_ROOM) => {}
                    }
                }
                started => {
                    started?;
                    self.publish(EventKind::Started);
                    return Ok(None);
                }
            }
        }
    }

    /// Makes the arguments of a build that waited.
    async fn resolve(&mut self) -> Result<(), ExecuteError> {
        if self.args.is_none() {
            let (checked, pins) = (self.prepared.checked.clone(), Arc::clone(&self.pins));
            let (resolver, overrides) = (Arc::clone(&self.parts.resolver), self.overrides.clone());
            let args = apart_if(true, move || resolver.again(&checked, &pins, &overrides)).await?;
            self.args = Some(Arc::new(args));
        }
        Ok(())
    }

    async fn try_start(&mut self) -> Result<(), StorageError> {
        let time = self.parts.now();
        let start = StartBuild {
            id: self.id,
            guard: Some(self.guard()),
            owner: Some(Arc::clone(&self.parts.owner)),
            pool_size: self.pool_size(),
            time,
        };
        self.parts.recorder.write(Write::StartBuild(start)).await?;
        self.attempt += 1;
        self.attempt_started = time;
        if self.attempt == 1 {
            self.started = time;
            self.until = self.end_of(time);
        }
        Ok(())
    }

    /// How many slots the pool of the job has, if it takes some. A pool that the operator has removed has no bound.
    fn pool_size(&self) -> Option<u32> {
        let pool = self.prepared.checked.job.pool.as_ref()?;
        Some(self.parts.pools.get(&pool.name).copied().unwrap_or(u32::MAX))
    }

    async fn start_next(&mut self) -> Result<(), ExecuteError> {
        loop {
            match self.try_start().await {
                Err(StorageError::PoolFull(full)) => {
                    self.publish(EventKind::Waits { reason: full.to_string() });
                    tokio::time::sleep(LOOK_FOR_ROOM).await;
                    if self.cancel.is_set() {
                        // The call ends at once, as a cancelled one.
                        break;
                    }
                }
                started => {
                    started?;
                    break;
                }
            }
        }
        self.lost = self.lost.take().or_else(|| self.sink.lost());
        self.sink = sink(self.parts, self.prepared, self.id, self.attempt);
        self.publish(EventKind::AttemptStarted { attempt: self.attempt, of: self.prepared.retry().attempts });
        Ok(())
    }

    async fn call(&mut self) -> Outcome {
        let build = BuildInfo {
            build_id: self.id,
            job_id: Arc::clone(&self.prepared.job_id),
            attempt: self.attempt,
            store_id: Arc::clone(&self.parts.store_id),
        };
        let is_last = self.attempt >= self.prepared.retry().attempts;
        let args = if is_last { self.args.take() } else { self.args.clone() }.unwrap_or_default();
        let large = is_large(args.iter());
        let call = Call {
            args: apart_if(large, move || Arc::unwrap_or_clone(args)).await,
            granted: self.prepared.granted.clone(),
            limits: self.prepared.limits().clone(),
            build,
            sink: Arc::clone(&self.sink) as Arc<dyn Sink>,
            cancel: self.cancel.clone(),
            until: self.until,
        };
        let over = Notify::new();
        let called = async {
            let called = self.parts.sandbox.call(&self.prepared.function, call).await;
            over.notify_one();
            called
        };
        let (called, ()) = tokio::join!(called, self.sink.beat(&over));
        self.usage = Some(called.usage);
        match called.outcome {
            Outcome::Failed(failure) if failure.kind == FailureKind::Cancelled && self.cancel.is_set() => {
                Outcome::Failed(Failure { message: cancelled(&self.by()).message, ..failure })
            }
            outcome => outcome,
        }
    }

    /// Who cancelled it.
    fn by(&self) -> String {
        self.ticket.by().unwrap_or_else(|| INTERRUPT.to_owned())
    }

    /// Whether another attempt follows a failure, and after which time.
    async fn again(&mut self, outcome: &Outcome) -> Option<(Arc<Failure>, Duration)> {
        let Outcome::Failed(failure) = outcome else {
            return None;
        };
        let retry = self.prepared.retry();
        if self.cancel.is_set() || !retry.is_due(self.attempt, failure) {
            return None;
        }
        let delay = retry.delay(self.attempt, random());
        if self.until.is_some_and(|until| Instant::now() + delay >= until) {
            let message = self.prepared.limits().too_late(self.attempt + 1, retry.attempts);
            self.sink.say(NewRecord::new(self.parts.now(), Level::Warning, "jobcontrol", message)).await;
            return None;
        }
        Some((Arc::new(failure.clone()), delay))
    }

    /// Records the end of an attempt that another follows.
    async fn put_off(
        &mut self,
        failure: Arc<Failure>,
        packed: FinishBuild,
        delay: Duration,
    ) -> Result<(), ExecuteError> {
        let Some(exception) = packed.exception else {
            return Ok(());
        };
        let time = packed.time;
        let micros = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
        let retry = RetryBuild {
            id: self.id,
            guard: self.guard(),
            time,
            exception: *exception,
            due: Timestamp(time.0.saturating_add(micros)),
            owner: Arc::clone(&self.parts.owner),
            run: RunOf::Nothing,
            usage: self.usage.take(),
        };
        self.parts.recorder.write(Write::RetryBuild(retry)).await?;
        self.trace(&failure);
        self.free();
        let (attempt, of) = (self.attempt, self.prepared.retry().attempts);
        let took = time.since(self.attempt_started);
        self.publish(EventKind::AttemptFailed { attempt, of, failure, took, delay });
        Ok(())
    }

    /// Has names and lines of a failure's calls found, which the store has without.
    fn trace(&self, failure: &Failure) {
        self.parts.tracer.begin(self.id, self.attempt, &self.prepared.checked.plugin, failure);
    }

    /// Tells those that wait for the pool that there may be room.
    fn free(&self) {
        if self.prepared.checked.job.pool.is_some() {
            self.parts.freed.notify_waiters();
        }
    }

    /// Waits for the next attempt without a slot; returns the end of the build if it is cancelled before, or its time is
    /// up.
    async fn wait(&mut self, delay: Duration) -> Option<Outcome> {
        self.slot.give_back();
        let (mut cancel, until, slot) = (self.cancel.clone(), self.until, &mut self.slot);
        let time_is_up = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancel.wait() => {}
            () = time_is_up => {
                let message = self.prepared.limits().exceeded(Excess::Build);
                return Some(Outcome::Failed(Failure::new(FailureKind::Timeout, message)));
            }
            () = async {
                tokio::time::sleep(delay).await;
                slot.take().await;
            } => return None,
        }
        Some(Outcome::Failed(cancelled(&self.by())))
    }

    /// An outcome with what the store will keep of it: what is too large or cannot be packed is a failure.
    async fn settle(&mut self, outcome: Outcome) -> (Outcome, FinishBuild) {
        let large = matches!(&outcome, Outcome::Returned(Some(value)) if is_large([value]));
        let (storage, limits) = (Arc::clone(self.parts.recorder.storage()), self.prepared.limits().clone());
        let ended = Ended { id: self.id, guard: self.guard(), time: self.parts.now() };
        let (outcome, mut packed) = apart_if(large, move || ended.settle(&*storage, &limits, outcome)).await;
        packed.usage = self.usage;
        packed.ends_run = self.ends_run;
        (outcome, packed)
    }

    async fn end(mut self, outcome: Outcome) -> Result<Arc<Outcome>, ExecuteError> {
        let (outcome, packed) = self.settle(outcome).await;
        self.finish(outcome, packed).await
    }

    async fn finish(self, outcome: Outcome, packed: FinishBuild) -> Result<Arc<Outcome>, ExecuteError> {
        let said = match &outcome {
            Outcome::Skipped(reason) => {
                Some(NewRecord::new(packed.time, Level::Info, "jobcontrol", format!("skipped: {reason}")))
            }
            Outcome::Failed(failure) if failure.kind == FailureKind::Cancelled && self.cancel.is_set() => {
                Some(cancelled_record(&**self.parts.recorder.storage(), &self.by()))
            }
            _ => None,
        };
        if let Some(record) = said {
            self.sink.say(record).await;
        }
        let took = packed.time.since(self.started);
        self.parts.recorder.write(Write::FinishBuild(packed)).await?;
        if let Outcome::Failed(failure) = &outcome {
            self.trace(failure);
        }
        self.free();
        let outcome = Arc::new(outcome);
        self.publish(EventKind::Finished { outcome: Arc::clone(&outcome), took });
        // The end of a build is smaller than its log: on a full disk it may find room where the log did not.
        match self.lost.clone().or_else(|| self.sink.lost()) {
            Some(reason) => {
                Err(StorageError::Backend(format!("a part of the log of build {} is lost: {reason}", self.id)))?
            }
            None => Ok(outcome),
        }
    }
}

fn sink(parts: &Parts, prepared: &Prepared, id: u64, attempt: u32) -> Arc<BuildSink> {
    let job_id = Arc::clone(&prepared.job_id);
    Arc::new(BuildSink::new(id, attempt, job_id, parts.recorder.clone(), parts.publisher.clone()))
}
