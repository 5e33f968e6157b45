//! What a running build says: to the store, and to who watches.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::storage::Completion;
use jobcontrol_core::storage::LogRow;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_record;
use jobcontrol_sandbox::Sink;
use tokio::sync::mpsc::Sender;

use crate::record::recorder::Recorder;

/// How often progress is written and shown.
pub(super) const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Who watches builds, if anybody does.
pub type Observer = Option<Sender<Event>>;

/// The ends of one attempt's log and progress.
pub(super) struct BuildSink {
    pub(super) build_id: u64,
    pub(super) job_id: Arc<str>,
    attempt: u32,
    pub(super) recorder: Recorder,
    pub(super) observer: Observer,
    newest: Mutex<Newest>,
    failed: Arc<OnceLock<String>>,
}

#[derive(Default)]
struct Newest {
    /// In the order of their first report, with whether each is still to be written.
    groups: Vec<(Progress, bool)>,
}

impl BuildSink {
    pub(super) fn new(build_id: u64, job_id: Arc<str>, attempt: u32, recorder: Recorder, observer: Observer) -> Self {
        Self { build_id, job_id, attempt, recorder, observer, newest: Mutex::default(), failed: Arc::default() }
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn event(&self, kind: EventKind) -> Event {
        Event { build_id: self.build_id, job_id: Arc::clone(&self.job_id), kind }
    }

    fn write_of(&self, record: &NewRecord) -> Write {
        Write::Log(self.build_id, LogRow { attempt: Some(self.attempt), ..pack_record(record.clone()) })
    }

    /// Remembers the first error, for the next record and for the end.
    fn completion(&self) -> Completion {
        let failed = Arc::clone(&self.failed);
        Box::new(move |answer| {
            if let Err(error) = answer {
                let _ = failed.set(error.to_string());
            }
        })
    }

    /// Why a part of what the build said was not written, if that is so. All of it is answered once a later write is.
    pub(super) fn lost(&self) -> Option<String> {
        self.failed.get().cloned()
    }

    /// Writes and shows the groups that have newer reports.
    pub(super) async fn flush(&self) {
        let changed: Vec<_> = {
            let mut newest = self.newest();
            let changed = newest
                .groups
                .iter_mut()
                .filter_map(|(report, changed)| std::mem::take(changed).then(|| report.clone()));
            changed.collect()
        };
        for report in &changed {
            self.recorder.send(Write::Progress(self.build_id, report.clone()), self.completion()).await;
        }
        if let Some(observer) = self.observer.as_ref().filter(|_| !changed.is_empty()) {
            let _ = observer.send(self.event(EventKind::Progressed(changed))).await;
        }
    }

    /// Flushes at each beat for as long as the build runs.
    pub(super) async fn beat(&self) {
        loop {
            tokio::time::sleep(PROGRESS_EVERY).await;
            self.flush().await;
        }
    }
}

impl Sink for BuildSink {
    fn try_log(&self, record: NewRecord) -> Result<(), NewRecord> {
        if self.failed.get().is_some() {
            return Err(record);
        }
        let permit = match &self.observer {
            None => None,
            Some(observer) => match observer.try_reserve() {
                Ok(permit) => Some(permit),
                Err(tokio::sync::mpsc::error::TrySendError::Closed(())) => None,
                Err(tokio::sync::mpsc::error::TrySendError::Full(())) => return Err(record),
            },
        };
        let write = self.write_of(&record);
        if self.recorder.try_write(write, self.completion()).is_err() {
            return Err(record);
        }
        if let Some(permit) = permit {
            permit.send(self.event(EventKind::Logged(record)));
        }
        Ok(())
    }

    fn log(&self, record: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            if let Some(reason) = self.failed.get() {
                return Err(reason.clone());
            }
            let write = self.write_of(&record);
            self.recorder.send(write, self.completion()).await;
            if let Some(observer) = &self.observer {
                let _ = observer.send(self.event(EventKind::Logged(record))).await;
            }
            Ok(())
        })
    }

    fn progress(&self, report: Progress) {
        let mut newest = self.newest();
        match newest.groups.iter_mut().find(|(known, _)| known.group_name == report.group_name) {
            Some(known) => *known = (report, true),
            None => newest.groups.push((report, true)),
        }
    }
}
