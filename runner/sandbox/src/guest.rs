//! What one running build may still log, and where its records go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use jobcontrol_core::clock::Clock;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::CUT;
use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::held_size;
use jobcontrol_core::limits;
use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::secret::Stream;

use crate::build_info::BuildInfo;
use crate::deadline::Deadlines;
use crate::ledger::Account;
use crate::signal::Signal;
use crate::sink::Sink;
use crate::stop::Stop;

/// What a build may still log, and where its records go. Its output streams share this.
pub(crate) struct Guest {
    pub(crate) build: BuildInfo,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadlines: Arc<Deadlines>,
    pub(crate) account: Arc<Account>,
    /// Ends the call.
    pub(crate) stop: Stop,
    limits: Arc<Limits>,
    said: Mutex<Said>,
    secrets: Secrets,
    /// Records on their way to the sink. A secret may span two of them.
    stream: Mutex<Stream>,
    /// Records that no longer wait for a next one, in order. The task that hands them over may be
    /// dropped after any of them.
    released: Mutex<VecDeque<NewRecord>>,
}

#[derive(Default)]
struct Said {
    bytes: u64,
    /// How many bytes of lists were read for a record that is not admitted yet.
    read: u64,
    records: u64,
    groups: std::collections::HashSet<String>,
    refused_progress: bool,
}

impl Guest {
    pub(crate) fn new(
        build: BuildInfo,
        sink: Arc<dyn Sink>,
        clock: Arc<dyn Clock>,
        deadlines: Arc<Deadlines>,
        account: Arc<Account>,
        limits: Arc<Limits>,
        secrets: Secrets,
    ) -> Self {
        let (said, stream, released, stop) = Default::default();
        Self { build, sink, clock, deadlines, account, stop, limits, said, secrets, stream, released }
    }

    /// Returns the limits of the build.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the secrets of the attempt.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts a record to its limits, counts it, and makes it ready to be handed over, without
    /// secrets. A record that may end with part of a secret waits for the next one.
    pub(crate) fn admit(&self, mut record: NewRecord) -> Result<(), Signal> {
        cut_bytes(&mut record.message, limits::LOG_MESSAGE);
        cut_bytes(&mut record.target, limits::LOG_MESSAGE);
        if self.secrets.is_empty() {
            self.count(&record)?;
            self.released().push_back(record);
            return Ok(());
        }
        let redactor = self.secrets.redactor();
        // For any other message, the next record shows whether a secret continues.
        if record.message.ends_with(CUT) {
            redactor.text(&mut record.message);
        }
        redactor.text(&mut record.target);
        redactor.pairs(&mut record.fields);
        if let Some(failure) = &mut record.failure {
            redactor.failure(failure);
        }
        self.count(&record)?;
        let (released, grown) = self.stream().push(redactor, record);
        self.released().extend(released);
        self.grown(grown)
    }

    /// Charges for the bytes by which messages have grown. A record that waits for the store holds
    /// its text twice.
    fn grown(&self, by: i64) -> Result<(), Signal> {
        let bytes = 2 * by.unsigned_abs();
        if by < 0 {
            self.account.give_back(bytes);
            return Ok(());
        }
        self.account.charge(bytes).map_err(Signal::full)
    }

    fn released(&self) -> std::sync::MutexGuard<'_, VecDeque<NewRecord>> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream(&self) -> std::sync::MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, record: &NewRecord) -> Result<(), Signal> {
        self.deadlines.sign();
        let bytes = held_size::record(record);
        let mut said = self.said();
        said.read = 0;
        said.bytes = said.bytes.saturating_add(bytes);
        said.records += 1;
        if said.bytes > self.limits.log_bytes {
            return Err(Signal::Limit(self.limits.exceeded_by(Excess::Log, said.bytes)));
        }
        if said.records > self.limits.log_records {
            return Err(Signal::Limit(self.limits.exceeded(Excess::LogRecords)));
        }
        drop(said);
        self.account.charge(held_size::queued(record)).map_err(Signal::full)
    }

    /// Counts the bytes of a list that is about to be read out of the guest as log output. A list
    /// may be no longer than what the build may still log.
    pub(crate) fn read(&self, bytes: u64) -> Result<(), Signal> {
        let mut said = self.said();
        said.read = said.read.saturating_add(bytes);
        let bytes = said.bytes.saturating_add(said.read);
        if bytes > self.limits.log_bytes {
            return Err(Signal::Limit(self.limits.exceeded_by(Excess::Log, bytes)));
        }
        Ok(())
    }

    /// Creates a record of the runner about this build.
    pub(crate) fn record(&self, level: Level, target: &str, message: String) -> NewRecord {
        NewRecord::new(self.clock.now(), level, target, message)
    }

    /// Hands a record over and waits while the sink is full.
    pub(crate) async fn log(&self, record: NewRecord) -> Result<(), Signal> {
        self.admit(record)?;
        self.drain().await
    }

    /// Hands over the records that waited for a next one, as no more will come.
    pub(crate) async fn finish(&self) -> Result<(), Signal> {
        let (left, grown) = self.stream().finish(self.secrets.redactor());
        self.released().extend(left);
        self.grown(grown)?;
        self.drain().await
    }

    /// Hands over as many ready records as the sink takes without waiting.
    pub(crate) fn try_drain(&self) {
        let mut released = self.released();
        while let Some(record) = released.pop_front() {
            if let Err(record) = self.sink.try_log(record) {
                released.push_front(record);
                break;
            }
        }
    }

    /// Returns whether no record waits for the sink.
    pub(crate) fn is_drained(&self) -> bool {
        self.released().is_empty()
    }

    /// Hands over all ready records and waits while the sink is full.
    pub(crate) async fn drain(&self) -> Result<(), Signal> {
        loop {
            self.try_drain();
            let Some(record) = self.released().pop_front() else {
                return Ok(());
            };
            self.sink.log(record).await.map_err(Signal::Storage)?;
        }
    }

    /// Takes a progress report. The first report that the columns cannot hold is logged as a
    /// warning.
    pub(crate) async fn progress(&self, report: Result<Progress, String>) -> Result<(), Signal> {
        self.deadlines.sign();
        let report = match report {
            Ok(report) => report,
            Err(reason) => {
                if std::mem::replace(&mut self.said().refused_progress, true) {
                    return Ok(());
                }
                let message = format!("a progress report was ignored: {reason}");
                return self.log(self.record(Level::Warning, "jobcontrol", message)).await;
            }
        };
        {
            let mut said = self.said();
            if !said.groups.contains(&report.group_name) {
                said.groups.insert(report.group_name.clone());
                if said.groups.len() as u64 > self.limits.progress_groups {
                    return Err(Signal::Limit(self.limits.exceeded(Excess::ProgressGroups)));
                }
            }
        }
        self.sink.progress(report);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering;
    use std::task::Context;
    use std::task::Waker;

    use jobcontrol_core::clock::SystemClock;

    use super::*;
    use crate::ledger::Ledger;

    /// A sink that has no room at first.
    #[derive(Default)]
    struct Narrow {
        has_room: AtomicBool,
        taken: Mutex<Vec<String>>,
    }

    impl Sink for Narrow {
        fn try_log(&self, record: NewRecord) -> Result<(), NewRecord> {
            if !self.has_room.load(Ordering::Relaxed) {
                return Err(record);
            }
            self.taken.lock().expect("no panic").push(record.message);
            Ok(())
        }

        fn log(&self, _: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
            Box::pin(std::future::pending())
        }

        fn progress(&self, _: Progress) {}
    }

    #[tokio::test]
    async fn a_call_that_ends_while_it_waits_loses_no_record_behind_the_one_on_its_way() {
        let sink = Arc::new(Narrow::default());
        let build = BuildInfo { build_id: 1, job_id: "job".into(), attempt: 1, store_id: "store".into() };
        let limits = Arc::new(Limits::default());
        let deadlines = Arc::new(Deadlines::new(&limits, None));
        let secrets = Secrets::new(vec![("TOKEN".to_owned(), b"hunter2-hunter3".to_vec())]);
        let account = Ledger::new(1 << 20).enter();
        let clock = Arc::new(SystemClock);
        let guest = Guest::new(build, Arc::clone(&sink) as Arc<dyn Sink>, clock, deadlines, account, limits, secrets);
        let record = |message: &str| guest.record(Level::Info, "", message.to_owned());
        for held in ["a hunter2-", "", ""] {
            guest.admit(record(held)).expect("within its limits");
        }
        {
            let mut log = std::pin::pin!(guest.log(record("b")));
            assert!(log.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        sink.has_room.store(true, Ordering::Relaxed);
        guest.finish().await.expect("within its limits");
        assert_eq!(*sink.taken.lock().expect("no panic"), ["", "", "b"]);
    }
}
