//! The attempts of one build, from the first start to the end.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::build::Pin;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Ending;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::held_size;
use jobcontrol_core::job::Arg;
use jobcontrol_core::job::Job;
use jobcontrol_core::job::Key;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::limits::Excess;
use jobcontrol_core::remote::AttemptKey;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Called;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::Sink;
use tokio::sync::Notify;
use tokio::sync::Semaphore;

use crate::execute::canceller::Canceller;
use crate::execute::canceller::Ticket;
use crate::execute::canceller::cancelled;
use crate::execute::canceller::cancelled_record;
use crate::execute::deadline;
use crate::execute::ending::Ended;
use crate::execute::error::ExecuteError;
use crate::execute::large::apart_if;
use crate::execute::large::is_large;
use crate::execute::last_word::write_end;
use crate::execute::pools::Pools;
use crate::execute::prepared::Created;
use crate::execute::prepared::Prepared;
use crate::execute::publisher::Publisher;
use crate::execute::queue::Turn;
use crate::execute::random::random;
use crate::execute::remote::Attempt;
use crate::execute::remote::Remote;
use crate::execute::remote::failed;
use crate::execute::resolver::Resolver;
use crate::execute::secrets::secrets_of;
use crate::execute::sink::BuildSink;
use crate::execute::slots::Slot;
use crate::execute::tracer::Tracer;
use crate::record::recorder::Recorder;

/// The name of the canceller of a build whose own run was stopped.
const INTERRUPT: &str = "an interrupt of its run";

/// The parts that all builds of a process share.
pub(super) struct Parts {
    pub(super) sandbox: Arc<Sandbox>,
    /// Where attempts run if they do not run in this process.
    pub(super) remote: Option<Arc<Remote>>,
    pub(super) recorder: Recorder,
    pub(super) owner: Arc<str>,
    pub(super) store_id: Arc<str>,
    pub(super) canceller: Arc<Canceller>,
    pub(super) publisher: Publisher,
    pub(super) resolver: Arc<Resolver>,
    pub(super) tracer: Tracer,
    /// Limits how many builds make their arguments at once. Arguments are charged only when their
    /// size is known.
    pub(super) making: Semaphore,
    pub(super) pools: Pools,
}

impl Parts {
    /// Returns the labels that an attempt of a job needs of its worker.
    pub(super) fn needs(&self, job: &Job) -> Labels {
        self.remote.as_ref().map(|remote| remote.needs(job)).unwrap_or_default()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.recorder.storage().clock().now()
    }
}

/// A build that is being executed.
pub(super) struct Running<'a> {
    pub(super) parts: &'a Parts,
    pub(super) prepared: &'a Prepared,
    pub(super) id: u64,
    pub(super) args: Option<Arc<Vec<Value>>>,
    pub(super) pins: Arc<[Pin]>,
    pub(super) overrides: Vec<(Key, Arg)>,
    /// The newest attempt that started; 0 before the first.
    pub(super) attempt: u32,
    /// When the first attempt started.
    pub(super) started: Timestamp,
    /// When the newest attempt started.
    pub(super) attempt_started: Timestamp,
    /// When the build has to end.
    pub(super) until: Option<Instant>,
    /// The build's place among the builds that wait.
    pub(super) turn: Turn,
    pub(super) slot: Slot,
    pub(super) cancel: Cancel,
    pub(super) ticket: Ticket,
    pub(super) sink: Arc<BuildSink>,
    /// The first error that lost a log record or a progress report of an earlier attempt.
    pub(super) lost: Option<String>,
    /// What the newest attempt used.
    pub(super) usage: Option<Usage>,
    pub(super) ends_run: bool,
}

impl<'a> Running<'a> {
    /// Runs a build to its end.
    pub(super) async fn run(
        parts: &'a Parts,
        prepared: &'a Prepared,
        created: Created,
        mut slot: Slot,
        cancel: Cancel,
    ) -> Result<Ending, ExecuteError> {
        let Created { id, args, pins, overrides, attempt, started, due, ends_run } = created;
        let turn = Turn::new(prepared.priority(), id);
        slot.for_turn(turn);
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
            turn,
            slot,
            sink: sink(parts, prepared, id, attempt.max(1)),
            cancel,
            ticket,
            lost: None,
            usage: None,
            ends_run,
        };
        running.until = running.end_of(first);
        let (ending, packed) = match running.work(started, due).await {
            // The build could not start, or its next attempt could not be recorded. That ends it.
            Err(ExecuteError::Storage(error @ StorageError::Backend(_))) => {
                let message = format!("the build could not go on: {error}");
                running.settle(Outcome::Failed(Failure::new(FailureKind::Storage, message))).await
            }
            end => end?,
        };
        running.finish(ending, packed).await
    }

    /// Runs all attempts. Returns the end of the build, which the store does not have yet.
    async fn work(
        &mut self,
        started: Option<Timestamp>,
        due: Option<Timestamp>,
    ) -> Result<(Ending, FinishBuild), ExecuteError> {
        match (started, due) {
            (_, Some(due)) => {
                let delay = Duration::from_micros(due.since(self.parts.now()));
                let (attempt, of) = (self.attempt + 1, self.prepared.retry().attempts);
                self.publish(EventKind::TakenOver { attempt, of, delay });
                if let Some(outcome) = self.next_after(delay).await? {
                    return Ok(self.settle(outcome).await);
                }
            }
            (Some(_), None) => self.publish(EventKind::Started),
            (None, None) => {
                if let Some(outcome) = self.start().await? {
                    return Ok(self.settle(outcome).await);
                }
                self.publish(EventKind::Started);
            }
        }
        self.run_to_end().await
    }

    /// Returns when a build that started at `started` has to end.
    pub(super) fn end_of(&self, started: Timestamp) -> Option<Instant> {
        let timeout = self.prepared.limits().build_timeout?;
        Instant::now().checked_add(timeout.saturating_sub(Duration::from_micros(self.parts.now().since(started))))
    }

    async fn run_to_end(&mut self) -> Result<(Ending, FinishBuild), ExecuteError> {
        loop {
            let outcome = self.call().await;
            self.sink.write_progress().await;
            // Decided first: the decision needs the failure's value, and packing drops a large one.
            let due = matches!(&outcome, Outcome::Failed(failure) if self.is_due(failure));
            let returned = matches!(outcome, Outcome::Returned(_));
            let (ending, packed) = self.settle(outcome).await;
            let (failure, delay) = match ending {
                Ending::Failed(failure) if due || returned && self.is_due(&failure) => match self.delay().await {
                    Some(delay) => (failure, delay),
                    None => return Ok((Ending::Failed(failure), packed)),
                },
                ending => return Ok((ending, packed)),
            };
            self.put_off(Arc::new(failure), packed, delay).await?;
            if let Some(outcome) = self.next_after(delay).await? {
                return Ok(self.settle(outcome).await);
            }
        }
    }

    pub(super) fn publish(&self, kind: EventKind) {
        self.parts.publisher.publish(self.id, &self.prepared.job_id, kind);
    }

    pub(super) fn guard(&self) -> Guard {
        Guard { owner: Some(Arc::clone(&self.parts.owner)), attempt: self.attempt }
    }

    /// Starts the next attempt after `delay`. Returns the end of the build if it ends before that.
    async fn next_after(&mut self, delay: Duration) -> Result<Option<Outcome>, ExecuteError> {
        if let Some(outcome) = self.wait(delay).await? {
            return Ok(Some(outcome));
        }
        if let Some(outcome) = self.start().await? {
            return Ok(Some(outcome));
        }
        self.lost = self.lost.take().or_else(|| self.sink.lost());
        self.sink = sink(self.parts, self.prepared, self.id, self.attempt);
        self.publish(EventKind::AttemptStarted { attempt: self.attempt, of: self.prepared.retry().attempts });
        Ok(None)
    }

    async fn call(&mut self) -> Outcome {
        let is_last = self.attempt >= self.prepared.retry().attempts;
        let large = self.args.as_ref().is_some_and(|args| is_large(args.iter()));
        // Large arguments are made again for the next attempt.
        let mut args = if is_last || large { self.args.take() } else { self.args.clone() }.unwrap_or_default();
        let secrets = match self.secrets(&mut args).await {
            Ok(secrets) => secrets,
            Err(failure) => return Outcome::Failed(failure),
        };
        let args = apart_if(large, move || Arc::unwrap_or_clone(args)).await;
        let over = Notify::new();
        let called = async {
            let called = match (&self.prepared.function, &self.parts.remote) {
                (Some(function), _) => self.call_here(function, args, secrets).await,
                (None, Some(remote)) => self.call_on_worker(remote, args, secrets).await,
                (None, None) => failed(Failure::new(FailureKind::Arguments, "the function is not ready")),
            };
            over.notify_one();
            called
        };
        let (called, ()) = tokio::join!(called, self.sink.beat(&over));
        self.usage = Some(called.usage);
        let mut outcome = called.outcome;
        if let Outcome::Failed(failure) = &mut outcome {
            self.parts.tracer.known(&self.prepared.checked.plugin, failure);
        }
        match outcome {
            Outcome::Failed(failure) if failure.kind == FailureKind::Cancelled && self.cancel.is_set() => {
                Outcome::Failed(Failure { message: cancelled(&self.by()).message, ..failure })
            }
            outcome => outcome,
        }
    }

    /// Calls the function in this process.
    async fn call_here(&self, function: &Function, args: Vec<Value>, secrets: Secrets) -> Called {
        let account = self.slot.account();
        self.sink.charge_to(&account);
        let call = Call {
            args,
            granted: self.prepared.granted.clone(),
            secrets,
            limits: self.prepared.limits().clone(),
            account,
            build: BuildInfo {
                build_id: self.id,
                job_id: Arc::clone(&self.prepared.job_id),
                attempt: self.attempt,
                store_id: Arc::clone(&self.parts.store_id),
            },
            sink: Arc::clone(&self.sink) as Arc<dyn Sink>,
            cancel: self.cancel.clone(),
            until: self.until,
        };
        self.parts.sandbox.call(function, call).await
    }

    /// Has a worker call the function.
    async fn call_on_worker(&self, remote: &Remote, args: Vec<Value>, secrets: Secrets) -> Called {
        let job = &self.prepared.checked.job;
        let are_args = !job.argument_secrets().is_empty();
        remote
            .call(Attempt {
                key: AttemptKey { build: self.id, attempt: self.attempt },
                job_id: &self.prepared.job_id,
                store_id: &self.parts.store_id,
                plugin: &self.prepared.checked.plugin,
                config: &self.prepared.plain_config,
                needs: self.slot.needs().clone(),
                args,
                secrets: (secrets, are_args),
                limits: self.prepared.limits(),
                sink: &self.sink,
                guard: self.guard(),
                cancel: self.cancel.clone(),
                until: self.until,
            })
            .await
    }

    /// Returns the current values of the secrets that the job names. Also puts them into the
    /// arguments, which were made without them.
    async fn secrets(&self, args: &mut Arc<Vec<Value>>) -> Result<Secrets, Failure> {
        let job = &self.prepared.checked.job;
        if let Some(remote) = &self.parts.remote
            && let Some((name, _)) = job.secrets().first()
            && !remote.lists_workers()
        {
            let message = format!(
                "the secret `{name}` is sent only to workers that jobcontrol.yaml lists: run `jobcontrol worker key` \
                 on a worker, and add `workers: [age1..]` with what it prints"
            );
            return Err(Failure::new(FailureKind::Secret, message));
        }
        let mut cancel = self.cancel.clone();
        let secrets = tokio::select! {
            biased;
            () = cancel.wait() => return Err(cancelled(&self.by())),
            () = deadline::reached(self.until) => return Err(self.out_of_time()),
            secrets = secrets_of(job, &self.prepared.granted.sources) => secrets,
        };
        let secrets = secrets.map_err(|reason| Failure::new(FailureKind::Secret, reason))?;
        if job.argument_secrets().is_empty() {
            return Ok(secrets);
        }
        let before: u64 = args.iter().map(held_size::of).sum();
        let (made, size) = self.resolve(&secrets).await.map_err(|error| match error {
            ExecuteError::Arguments(reason) => Failure::new(FailureKind::Arguments, reason),
            error => Failure::new(FailureKind::Storage, error.to_string()),
        })?;
        let charged = self.slot.account().charge(size.saturating_sub(before));
        charged.map_err(|full| Failure::new(FailureKind::Limit, full.to_string()))?;
        *args = Arc::new(made);
        Ok(secrets)
    }

    fn out_of_time(&self) -> Failure {
        Failure::new(FailureKind::Timeout, self.prepared.limits().exceeded(Excess::Build))
    }

    /// Returns who cancelled the build.
    pub(super) fn by(&self) -> String {
        self.ticket.by().unwrap_or_else(|| INTERRUPT.to_owned())
    }

    /// Returns whether another attempt should follow a failure.
    fn is_due(&self, failure: &Failure) -> bool {
        !self.cancel.is_set() && self.prepared.retry().is_due(self.attempt, failure)
    }

    /// Returns how long to wait before the next attempt, or `None` if the build has no time left
    /// for one.
    async fn delay(&mut self) -> Option<Duration> {
        let retry = self.prepared.retry();
        let delay = retry.delay(self.attempt, random());
        if self.until.is_some_and(|until| Instant::now() + delay >= until) {
            let message = self.prepared.limits().too_late(self.attempt + 1, retry.attempts);
            self.sink.say(NewRecord::new(self.parts.now(), Level::Warning, "jobcontrol", message)).await;
            return None;
        }
        Some(delay)
    }

    /// Records the end of an attempt that another attempt will follow.
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

    /// Starts the search for the names and lines of a failure's calls, which the stored failure
    /// lacks.
    fn trace(&self, failure: &Failure) {
        self.parts.tracer.begin(self.id, self.attempt, &self.prepared.checked.plugin, failure);
    }

    /// Wakes the builds that wait for the pool, as there may be room now.
    fn free(&self) {
        if self.prepared.checked.job.pool.is_some() {
            self.parts.pools.freed.notify_waiters();
        }
    }

    /// Waits for the next attempt without a slot. Returns the end of the build if it is cancelled
    /// or its time is up first.
    async fn wait(&mut self, delay: Duration) -> Result<Option<Outcome>, ExecuteError> {
        self.let_go().await;
        let (mut cancel, until) = (self.cancel.clone(), self.until);
        tokio::select! {
            biased;
            () = cancel.wait() => {}
            () = deadline::reached(until) => return Ok(Some(Outcome::Failed(self.out_of_time()))),
            ready = async {
                tokio::time::sleep(delay).await;
                self.wait_for_worker().await;
                self.make_ready().await
            } => return ready,
        }
        Ok(Some(Outcome::Failed(cancelled(&self.by()))))
    }

    /// Returns the end of a call, and what the store will keep of it. A value that is too large or
    /// cannot be packed becomes a failure.
    async fn settle(&mut self, outcome: Outcome) -> (Ending, FinishBuild) {
        let value = match &outcome {
            Outcome::Returned(value) => value.as_ref(),
            Outcome::Failed(failure) => failure.value.as_ref(),
            Outcome::Skipped(_) => None,
        };
        let large = value.is_some_and(|value| is_large([value]));
        let (storage, limits) = (Arc::clone(self.parts.recorder.storage()), self.prepared.limits().clone());
        let ended = Ended { id: self.id, guard: self.guard(), time: self.parts.now() };
        let (ending, mut packed) = apart_if(large, move || ended.settle(&*storage, &limits, outcome)).await;
        packed.usage = self.usage;
        packed.ends_run = self.ends_run;
        (ending, packed)
    }

    /// Returns the first error that lost a part of the log or of the progress.
    fn lost(&self) -> Option<String> {
        self.lost.clone().or_else(|| self.sink.lost())
    }

    async fn finish(mut self, mut ending: Ending, mut packed: FinishBuild) -> Result<Ending, ExecuteError> {
        if let Some(reason) = self.lost() {
            let message = format!("a part of the log is lost: {reason}");
            if matches!(ending, Ending::Failed(_)) {
                // The failure already has its reason. This record may find room where the rest of
                // the log did not.
                self.sink.say(NewRecord::new(self.parts.now(), Level::Warning, "jobcontrol", message)).await;
            } else {
                // The guest's next record would have caused the same failure.
                (ending, packed) = self.settle(Outcome::Failed(Failure::new(FailureKind::Storage, message))).await;
            }
        }
        let said = match &ending {
            Ending::Skipped(reason) => {
                Some(NewRecord::new(packed.time, Level::Info, "jobcontrol", format!("skipped: {reason}")))
            }
            Ending::Failed(failure) if failure.kind == FailureKind::Cancelled && self.cancel.is_set() => {
                Some(cancelled_record(&**self.parts.recorder.storage(), &self.by()))
            }
            _ => None,
        };
        if let Some(record) = said {
            self.sink.say(record).await;
        }
        let took = packed.time.since(self.started);
        let ending = write_end(&self.parts.recorder, ending, packed).await?;
        if let Ending::Failed(failure) = &ending {
            self.trace(failure);
        }
        self.free();
        self.publish(EventKind::Finished { ending: ending.clone(), took });
        Ok(ending)
    }
}

fn sink(parts: &Parts, prepared: &Prepared, id: u64, attempt: u32) -> Arc<BuildSink> {
    let job_id = Arc::clone(&prepared.job_id);
    Arc::new(BuildSink::new(id, attempt, job_id, parts.recorder.clone(), parts.publisher.clone()))
}
