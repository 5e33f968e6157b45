//! What one running build may still say, and where that goes.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use jobcontrol_core::clock::Clock;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
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

/// What a build may still say, and where it goes; shared with its streams.
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
    /// Records on their way out, where a secret may go over two of them.
    stream: Mutex<Stream>,
}

#[derive(Default)]
struct Said {
    bytes: u64,
    /// Bytes of lists that were read for a record that is not admitted yet.
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
        let (said, stream, stop) = Default::default();
        Self { build, sink, clock, deadlines, account, stop, limits, said, secrets, stream }
    }

    /// What the build may use.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The secrets of the attempt.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts a record to its limits, counts it, and returns the records that can go now, without secrets: one that may end
    /// with a part of a secret waits for the next.
    pub(crate) fn admit(&self, mut record: NewRecord) -> Result<Vec<NewRecord>, Signal> {
        cut_bytes(&mut record.message, limits::LOG_MESSAGE);
        cut_bytes(&mut record.target, limits::LOG_MESSAGE);
        if self.secrets.is_empty() {
            self.count(&record)?;
            return Ok(vec![record]);
        }
        let redactor = self.secrets.redactor();
        redactor.text(&mut record.message);
        redactor.text(&mut record.target);
        redactor.pairs(&mut record.fields);
        if let Some(failure) = &mut record.failure {
            redactor.failure(failure);
        }
        self.count(&record)?;
        let (released, grown) = self.stream().push(redactor, record);
        // A record that waits for the store takes its text twice.
        let grown_by = 2 * grown.unsigned_abs();
        if grown < 0 {
            self.account.give_back(grown_by);
        } else {
            self.account.charge(grown_by).map_err(Signal::full)?;
        }
        Ok(released)
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

    /// Counts bytes of a list that is about to be read out of the guest for what it says; none is longer than what the
    /// build may still say.
    pub(crate) fn read(&self, bytes: u64) -> Result<(), Signal> {
        let mut said = self.said();
        said.read = said.read.saturating_add(bytes);
        let bytes = said.bytes.saturating_add(said.read);
        if bytes > self.limits.log_bytes {
            return Err(Signal::Limit(self.limits.exceeded_by(Excess::Log, bytes)));
        }
        Ok(())
    }

    /// A record of the runner's own about this build.
    pub(crate) fn record(&self, level: Level, target: &str, message: String) -> NewRecord {
        NewRecord::new(self.clock.now(), level, target, message)
    }

    /// Hands a record over, waiting while the sink is full.
    pub(crate) async fn log(&self, record: NewRecord) -> Result<(), Signal> {
        for record in self.admit(record)? {
            self.send(record).await?;
        }
        Ok(())
    }

    /// Hands over the records that waited for a next one: no more will come.
    pub(crate) async fn finish(&self) -> Result<(), Signal> {
        let left = self.stream().finish();
        for record in left {
            self.send(record).await?;
        }
        Ok(())
    }

    /// Hands over a record that was admitted before.
    pub(crate) async fn send(&self, record: NewRecord) -> Result<(), Signal> {
        match self.sink.try_log(record) {
            Ok(()) => Ok(()),
            Err(record) => self.sink.log(record).await.map_err(Signal::Storage),
        }
    }

    /// Takes a progress report; one that the columns cannot hold is answered with a warning, once.
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
