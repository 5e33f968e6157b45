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
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Sink;
use tokio::sync::Notify;
use tokio::sync::mpsc::Permit;
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
    cancel: Cancel,
}

#[derive(Default)]
struct Newest {
    /// In the order of their first report.
    groups: Vec<Group>,
}

/// The newest report of a group, and what is still to be done with it.
struct Group {
    report: Progress,
    unwritten: bool,
    unseen: bool,
}

impl BuildSink {
    pub(super) fn new(
        (build_id, attempt): (u64, u32),
        job_id: Arc<str>,
        recorder: Recorder,
        observer: Observer,
        cancel: Cancel,
    ) -> Self {
        let (newest, failed) = Default::default();
        Self { build_id, job_id, attempt, recorder, observer, newest, failed, cancel }
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

    /// Room to show something. Waits for who is slow to look, but not for the sake of a build that is to end.
    async fn room(&self) -> Option<Permit<'_, Event>> {
        let mut cancel = self.cancel.clone();
        let observer = self.observer.as_ref()?;
        tokio::select! {
            biased;
            permit = observer.reserve() => permit.ok(),
            () = cancel.wait() => None,
        }
    }

    /// Hands over the newest reports that were not written yet. Not to be dropped half way: what waits for room is
    /// written all the same, later than what would come after it.
    pub(super) async fn write_progress(&self) {
        let changed: Vec<_> = {
            let mut newest = self.newest();
            let groups = newest.groups.iter_mut();
            groups.filter_map(|group| std::mem::take(&mut group.unwritten).then(|| group.report.clone())).collect()
        };
        for report in changed {
            self.recorder.send(Write::Progress(self.build_id, report), self.completion()).await;
        }
    }

    /// Shows the newest reports that were not shown yet.
    pub(super) async fn show_progress(&self) {
        if !self.newest().groups.iter().any(|group| group.unseen) {
            return;
        }
        let Some(permit) = self.room().await else { return };
        let mut newest = self.newest();
        let unseen = newest
            .groups
            .iter_mut()
            .filter_map(|group| std::mem::take(&mut group.unseen).then(|| group.report.clone()));
        permit.send(self.event(EventKind::Progressed(unseen.collect())));
    }

    /// Hands a record of the runner's own to the store.
    pub(super) async fn write_record(&self, record: &NewRecord) {
        self.recorder.send(self.write_of(record), self.completion()).await;
    }

    /// Writes and shows progress at each beat until the call is over.
    pub(super) async fn beat(&self, over: &Notify) {
        loop {
            tokio::select! {
                biased;
                () = over.notified() => return,
                () = tokio::time::sleep(PROGRESS_EVERY) => {}
            }
            self.write_progress().await;
            tokio::select! {
                biased;
                () = over.notified() => return,
                () = self.show_progress() => {}
            }
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
            if let Some(permit) = self.room().await {
                permit.send(self.event(EventKind::Logged(record)));
            }
            Ok(())
        })
    }

    fn progress(&self, report: Progress) {
        let mut newest = self.newest();
        let group = Group { report, unwritten: true, unseen: true };
        match newest.groups.iter_mut().find(|known| known.report.group_name == group.report.group_name) {
            Some(known) => *known = group,
            None => newest.groups.push(group),
        }
    }
}

#[cfg(test)]
mod tests {
    use jobcontrol_core::clock::SystemClock;
    use jobcontrol_core::event::Level;
    use jobcontrol_core::progress;
    use jobcontrol_core::value::Value;

    use super::*;
    use crate::record::backend::from_url;
    use crate::record::url::StoreUrl;

    /// Progress whose beat waits for room when the call ends is written all the same.
    #[tokio::test]
    async fn progress_that_waits_for_room_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::sqlite(folder.path().join("store.db"));
        let storage = from_url(&url, true, Arc::new(SystemClock), Arc::new(|_: &str| {})).unwrap();
        let id = storage.create_build("j", &Value::Null).unwrap();
        let (_switch, cancel) = Cancel::pair();
        let sink = BuildSink::new((id, 1), "j".into(), Recorder::new(Arc::clone(&storage)), None, cancel);
        // The store is busy for as long as we want, and its queue fills.
        let record = || NewRecord::new(storage.clock().now(), Level::Info, "x", "x".to_owned());
        let (free, busy) = std::sync::mpsc::channel::<()>();
        storage.submit(Write::Log(id, pack_record(record())), Box::new(move |_| busy.recv().unwrap_or_default()));
        while sink.try_log(record()).is_ok() {}
        let groups = 500;
        (0..groups).for_each(|i| sink.progress(progress::checked(&[i.to_string()], 1, 1, "").unwrap()));
        let over = Notify::new();
        let end = async {
            while sink.newest().groups.iter().any(|group| group.unwritten) {
                tokio::task::yield_now().await;
            }
            over.notify_one();
            drop(free);
        };
        tokio::join!(end, sink.beat(&over));
        // What was handed over before this is written before it.
        storage.log_message(id, record()).unwrap();
        assert_eq!(storage.get_build_progress_info(id).unwrap().len(), groups);
        assert_eq!(sink.lost(), None);
    }
}
