//! What a build waits for before an attempt starts: a worker that can run it, room in its pool, a
//! slot, memory.

use std::sync::Arc;
use std::time::Duration;

use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::held_size;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;

use crate::execute::alone::Alone;
use crate::execute::attempts::Running;
use crate::execute::canceller::cancelled;
use crate::execute::error::ExecuteError;
use crate::execute::large::apart_if;
use crate::execute::large::is_large;
use crate::execute::queue::Permit;

/// How often a build that waits for a pool looks for room: another process may have made some.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(50);

impl Running<'_> {
    /// Starts an attempt once there is room in the pool, a slot, and memory. Returns the end of the
    /// build if it ends before that.
    pub(super) async fn start(&mut self) -> Result<Option<Outcome>, ExecuteError> {
        let mut cancel = self.cancel.clone();
        let mut told = None;
        tokio::select! {
            biased;
            () = cancel.wait() => return Ok(Some(Outcome::Failed(cancelled(&self.by())))),
            () = self.wait_for_worker() => {}
        }
        let Ok(_turn) = self.wait_in_line().await else {
            return Ok(Some(Outcome::Failed(cancelled(&self.by()))));
        };
        loop {
            if let Some(outcome) = self.make_ready().await? {
                return Ok(Some(outcome));
            }
            let freed = Arc::clone(&self.parts.pools.freed);
            let freed = freed.notified();
            match self.try_start().await {
                Err(StorageError::PoolFull(full)) => {
                    self.let_go().await;
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
                    return Ok(None);
                }
            }
        }
    }

    /// Waits until some worker could run the attempt. Until then it must not keep others from a
    /// pool.
    pub(super) async fn wait_for_worker(&self) {
        let alone = Alone { parts: self.parts, id: self.id, job_id: &self.prepared.job_id, sink: &self.sink };
        alone.wait(self.slot.needs()).await;
    }

    /// Waits until no build that comes first looks for room in the pool. The turn lasts until the
    /// permit is dropped. An error means that the build was cancelled.
    async fn wait_in_line(&mut self) -> Result<Option<Permit>, ()> {
        let Some(pool) = &self.prepared.checked.job.pool else {
            return Ok(None);
        };
        let (line, any) = (self.parts.pools.line(&pool.name, self.slot.needs()), Labels::default());
        if let Some(permit) = line.try_take(&any) {
            return Ok(Some(permit));
        }
        // The build that has the turn may be waiting for this slot.
        self.let_go().await;
        let before = line.waiting() + 1;
        let builds = if before == 1 { "another build waits".to_owned() } else { format!("{before} builds wait") };
        self.publish(EventKind::Waits { reason: format!("pool {}: {builds} for it, too", pool.name) });
        let mut cancel = self.cancel.clone();
        tokio::select! {
            biased;
            () = cancel.wait() => Err(()),
            permit = line.take(&any, self.turn) => Ok(Some(permit)),
        }
    }

    /// Takes a slot with memory, and makes the arguments if they are missing. Large arguments are
    /// made only now, because many builds may wait. Returns the end of the build if it ends before
    /// that.
    pub(super) async fn make_ready(&mut self) -> Result<Option<Outcome>, ExecuteError> {
        let (mut cancel, mut need) = (self.cancel.clone(), 0);
        loop {
            let (publisher, id, job_id) = (&self.parts.publisher, self.id, &self.prepared.job_id);
            let tell = |reason| publisher.publish(id, job_id, EventKind::Waits { reason });
            let needs = self.slot.needs().clone();
            let alone = Alone { parts: self.parts, id, job_id, sink: &self.sink };
            tokio::select! {
                biased;
                () = cancel.wait() => return Ok(Some(Outcome::Failed(cancelled(&self.by())))),
                () = self.slot.take(need, tell) => {}
                () = alone.say(&needs) => {}
            }
            if self.args.is_some() {
                return Ok(None);
            }
            let (args, size) = match self.resolve(&Secrets::default()).await {
                Ok(made) => made,
                Err(ExecuteError::Arguments(reason)) => {
                    return Ok(Some(Outcome::Failed(Failure::new(FailureKind::Arguments, reason))));
                }
                Err(error) => return Err(error),
            };
            match self.slot.account().charge(size) {
                Ok(()) => {
                    self.args = Some(Arc::new(args));
                    return Ok(None);
                }
                Err(full) => {
                    apart_if(true, move || drop(args)).await;
                    if need > 0 {
                        return Ok(Some(Outcome::Failed(Failure::new(FailureKind::Limit, full.to_string()))));
                    }
                    // The build has not started, so it may wait until there is enough memory.
                    need = size;
                    self.slot.give_back();
                }
            }
        }
    }

    /// Makes the arguments of a build that waited. Returns them with the memory that they hold.
    pub(super) async fn resolve(&self, secrets: &Secrets) -> Result<(Vec<Value>, u64), ExecuteError> {
        let (checked, pins) = (self.prepared.checked.clone(), Arc::clone(&self.pins));
        let (resolver, overrides) = (Arc::clone(&self.parts.resolver), self.overrides.clone());
        let secrets = secrets.clone();
        // The semaphore is never closed.
        let _making = self.parts.making.acquire().await.ok();
        apart_if(true, move || {
            let args = resolver.again(&checked, &pins, &overrides, &secrets)?;
            let size = args.iter().map(held_size::of).sum();
            Ok((args, size))
        })
        .await
    }

    /// Gives the slot and memory to other builds. A build that waits holds neither.
    pub(super) async fn let_go(&mut self) {
        if let Some(args) = self.args.take_if(|args| is_large(args.iter())) {
            apart_if(true, move || drop(args)).await;
        }
        self.slot.give_back();
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

    /// Returns how many slots the job's pool has, if the job uses one.
    fn pool_size(&self) -> Option<u32> {
        let pool = self.prepared.checked.job.pool.as_ref()?;
        Some(self.parts.pools.size(&pool.name))
    }
}
