//! The attempts of one build, from the first start to the end.

use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::limits::show_duration;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Sink;
use tokio::sync::Notify;

use crate::execute::canceller::Ticket;
use crate::execute::canceller::cancelled;
use crate::execute::canceller::cancelled_record;
use crate::execute::executor::Created;
use crate::execute::executor::ExecuteError;
use crate::execute::executor::Executor;
use crate::execute::executor::Prepared;
use crate::execute::sink::BuildSink;
use crate::execute::slots::Slot;

/// Who cancels a build whose own run was stopped.
const INTERRUPT: &str = "an interrupt of its run";

/// A build that is being executed.
pub(super) struct Running<'a> {
    executor: &'a Executor,
    prepared: &'a Prepared,
    id: u64,
    args: Vec<Value>,
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
    /// Why a part of what earlier attempts said was not written.
    lost: Option<String>,
    /// What the runner itself has said, to be shown once the store has the end: who does not look holds up no end.
    unseen: Vec<NewRecord>,
}

impl<'a> Running<'a> {
    /// Runs a build to its end.
    pub(super) async fn run(
        executor: &'a Executor,
        prepared: &'a Prepared,
        created: Created,
        slot: Slot,
        cancel: Cancel,
    ) -> Result<Arc<Outcome>, ExecuteError> {
        let Created { id, args, attempt, started, due } = created;
        let ticket = executor.canceller.enter(id);
        let cancel = cancel.or(ticket.cancel.clone());
        let now = executor.now();
        let sink = executor.sink(prepared, (id, attempt.max(1)), &cancel);
        let first = started.unwrap_or(now);
        let until = prepared.limits().build_timeout.and_then(|timeout| {
            let left = timeout.saturating_sub(Duration::from_micros(now.since(first)));
            Instant::now().checked_add(left)
        });
        let mut running = Self {
            executor,
            prepared,
            id,
            args,
            attempt,
            started: first,
            attempt_started: first,
            until,
            slot,
            cancel,
            ticket,
            sink,
            lost: None,
            unseen: Vec::new(),
        };
        match (started, due) {
            (_, Some(due)) => {
                let delay = Duration::from_micros(due.since(now));
                let (attempt, of) = (attempt + 1, prepared.retry().attempts);
                running.observe(EventKind::TakenOver { attempt, of, delay }).await;
                if let Some(outcome) = running.wait(delay).await {
                    return running.end(outcome).await;
                }
                running.start_next().await?;
            }
            (Some(_), None) => running.observe(EventKind::Started).await,
            (None, None) => running.start_first(now).await?,
        }
        running.run_to_end().await
    }

    async fn run_to_end(mut self) -> Result<Arc<Outcome>, ExecuteError> {
        loop {
            let outcome = self.call().await;
            self.sink.write_progress().await;
            let (outcome, packed) = self.settle(outcome);
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

    async fn observe(&self, kind: EventKind) {
        self.executor.observe(&self.sink, kind).await;
    }

    fn guard(&self) -> Guard {
        Guard { owner: Some(Arc::clone(&self.executor.owner)), attempt: self.attempt }
    }

    async fn start_first(&mut self, time: Timestamp) -> Result<(), ExecuteError> {
        let guard = Some(Guard { owner: None, attempt: 0 });
        let start = StartBuild { id: self.id, guard, owner: Some(Arc::clone(&self.executor.owner)), time };
        self.executor.recorder.write(Write::StartBuild(start)).await?;
        self.attempt = 1;
        self.observe(EventKind::Started).await;
        Ok(())
    }

    async fn start_next(&mut self) -> Result<(), ExecuteError> {
        let time = self.executor.now();
        let guard = Some(self.guard());
        let start = StartBuild { id: self.id, guard, owner: Some(Arc::clone(&self.executor.owner)), time };
        self.executor.recorder.write(Write::StartBuild(start)).await?;
        self.attempt += 1;
        self.attempt_started = time;
        self.lost = self.lost.take().or_else(|| self.sink.lost());
        self.sink = self.executor.sink(self.prepared, (self.id, self.attempt), &self.cancel);
        self.observe(EventKind::AttemptStarted { attempt: self.attempt, of: self.prepared.retry().attempts }).await;
        Ok(())
    }

    async fn call(&mut self) -> Outcome {
        let build = BuildInfo {
            build_id: self.id,
            job_id: Arc::clone(&self.prepared.job_id),
            attempt: self.attempt,
            store_id: Arc::clone(&self.executor.store_id),
        };
        let is_last = self.attempt >= self.prepared.retry().attempts;
        let args = if is_last { std::mem::take(&mut self.args) } else { self.args.clone() };
        let call = Call {
            args,
            granted: self.prepared.granted.clone(),
            limits: self.prepared.limits().clone(),
            build,
            sink: Arc::clone(&self.sink) as Arc<dyn Sink>,
            cancel: self.cancel.clone(),
            until: self.until,
        };
        let over = Notify::new();
        let called = async {
            let called = self.executor.sandbox.call(&self.prepared.function, call).await;
            over.notify_one();
            called.outcome
        };
        let (outcome, ()) = tokio::join!(called, self.sink.beat(&over));
        match outcome {
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

    /// Hands a record of the runner's own to the store, and keeps it to be shown.
    async fn say(&mut self, record: NewRecord) {
        self.sink.write_record(&record).await;
        self.unseen.push(record);
    }

    /// Shows what the store has by now.
    async fn show_rest(&mut self) {
        self.sink.show_progress().await;
        for record in std::mem::take(&mut self.unseen) {
            self.observe(EventKind::Logged(record)).await;
        }
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
            let timeout = self.prepared.limits().build_timeout.map(show_duration).unwrap_or_default();
            let message = format!(
                "attempt {} of {} is not made: it would begin after the {timeout} that `timeout: {{ build: .. }}` allows",
                self.attempt + 1,
                retry.attempts
            );
            self.say(NewRecord::new(self.executor.now(), Level::Warning, "jobcontrol", message)).await;
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
        let time = packed.time;
        let micros = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
        let retry = RetryBuild {
            id: self.id,
            guard: self.guard(),
            time,
            exception: packed.exception.unwrap_or_default(),
            exception_tb: packed.exception_tb,
            due: Timestamp(time.0.saturating_add(micros)),
            owner: Arc::clone(&self.executor.owner),
        };
        self.executor.recorder.write(Write::RetryBuild(retry)).await?;
        self.show_rest().await;
        let (attempt, of) = (self.attempt, self.prepared.retry().attempts);
        let took = time.since(self.attempt_started);
        self.observe(EventKind::AttemptFailed { attempt, of, failure, took, delay }).await;
        Ok(())
    }

    /// Waits for the next attempt, in the slot of nobody; answers the end of the build if it is cancelled before, or its
    /// time is up.
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
                return Some(Outcome::Failed(Failure::new(FailureKind::Timeout, self.prepared.limits().exceeded(Excess::Build))));
            }
            () = async {
                tokio::time::sleep(delay).await;
                slot.take().await;
            } => return None,
        }
        Some(Outcome::Failed(cancelled(&self.by())))
    }

    /// An outcome with what the store will keep of it: what is too large or cannot be packed is a failure.
    fn settle(&self, mut outcome: Outcome) -> (Outcome, FinishBuild) {
        let now = self.executor.now();
        loop {
            let packed = pack_finish(self.id, Some(self.guard()), now, ending(&outcome));
            match overlong(&packed, &outcome, self.prepared.limits()) {
                Some(failure) => outcome = Outcome::Failed(failure),
                None => return (outcome, packed),
            }
        }
    }

    async fn end(&mut self, outcome: Outcome) -> Result<Arc<Outcome>, ExecuteError> {
        let (outcome, packed) = self.settle(outcome);
        self.finish(outcome, packed).await
    }

    async fn finish(&mut self, outcome: Outcome, packed: FinishBuild) -> Result<Arc<Outcome>, ExecuteError> {
        let said = match &outcome {
            Outcome::Skipped(reason) => {
                Some(NewRecord::new(packed.time, Level::Info, "jobcontrol", format!("skipped: {reason}")))
            }
            Outcome::Failed(failure) if failure.kind == FailureKind::Cancelled && self.cancel.is_set() => {
                Some(cancelled_record(&**self.executor.recorder.storage(), &self.by()))
            }
            _ => None,
        };
        if let Some(record) = said {
            self.say(record).await;
        }
        let took = packed.time.since(self.started);
        self.executor.recorder.write(Write::FinishBuild(packed)).await?;
        self.show_rest().await;
        let outcome = Arc::new(outcome);
        self.observe(EventKind::Finished { outcome: Arc::clone(&outcome), took }).await;
        // The end of a build is smaller than its log: on a full disk it may find room where the log did not.
        match self.lost.clone().or_else(|| self.sink.lost()) {
            Some(reason) => {
                Err(StorageError::Backend(format!("a part of the log of build {} is lost: {reason}", self.id)))?
            }
            None => Ok(outcome),
        }
    }
}

/// A number from 0 up to 1, from the system's randomness. It only has to keep builds apart.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(u32::MAX)
}

fn ending(outcome: &Outcome) -> Finish {
    match outcome {
        Outcome::Returned(value) => Finish { retval: value.clone(), ..Finish::default() },
        Outcome::Skipped(_) => Finish { skipped: true, ..Finish::default() },
        Outcome::Failed(failure) => {
            Finish { success: Some(false), exception: Some(failure.clone()), ..Finish::default() }
        }
    }
}

/// A return value that is too large, or could not be packed although the function returned.
fn overlong(packed: &FinishBuild, outcome: &Outcome, limits: &Limits) -> Option<Failure> {
    let Outcome::Returned(_) = outcome else {
        return None;
    };
    let size = packed.retval.as_ref().map_or(0, Vec::len) as u64;
    if size > limits.retval {
        return Some(Failure::new(FailureKind::Limit, limits.exceeded(Excess::Encoded("the return value"))));
    }
    packed.exception.as_deref().map(jobcontrol_core::storage::unpack_failure)
}
