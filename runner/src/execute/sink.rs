//! Writes what a running build logs and reports to the store, and then publishes it to watchers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::Weak;
use std::time::Duration;

use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::held_size;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::storage::Assign;
use jobcontrol_core::storage::Completion;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::LogRow;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_record;
use jobcontrol_sandbox::Account;
use jobcontrol_sandbox::HttpExchange;
use jobcontrol_sandbox::Sink;
use tokio::sync::Notify;

use crate::execute::publisher::HostCall;
use crate::execute::publisher::Publisher;
use crate::lock::lock;
use crate::record::recorder::Recorder;

/// How often progress is written and shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Receives the log and the progress of one attempt.
pub(super) struct BuildSink {
    build_id: u64,
    job_id: Arc<str>,
    attempt: u32,
    recorder: Recorder,
    publisher: Publisher,
    /// In the order of their first reports.
    groups: Mutex<Vec<Group>>,
    /// The account that the attempt's records are charged to while they wait. A build that waits
    /// for its next attempt keeps the sink, but must not keep the account.
    account: OnceLock<Weak<Account>>,
    failed: Arc<OnceLock<String>>,
    /// Orders what waits for room in the store, so that the last record is written last. If a guest
    /// is ended while its record waits, the record is still written.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Records with more bytes than this are shown without fields and failure, because thousands of
/// events may wait for a slow watcher.
const SHOWN: u64 = 256 << 10;

/// Returns what watchers see of a record. The store has all of it.
fn shown(record: &NewRecord) -> NewRecord {
    if held_size::record(record) <= SHOWN {
        return record.clone();
    }
    let (message, target) = (record.message.clone(), record.target.clone());
    NewRecord { created: record.created, level: record.level, message, target, fields: Vec::new(), failure: None }
}

/// The newest report of a group, and whether it must still be written to the store.
struct Group {
    report: Progress,
    unwritten: bool,
}

impl BuildSink {
    pub(super) fn new(build_id: u64, attempt: u32, job_id: Arc<str>, recorder: Recorder, publisher: Publisher) -> Self {
        let (groups, account, failed, turn) = Default::default();
        Self { build_id, job_id, attempt, recorder, publisher, groups, account, failed, turn }
    }

    /// Sets the account that the attempt's records were charged to.
    pub(super) fn charge_to(&self, account: &Arc<Account>) {
        let _ = self.account.set(Arc::downgrade(account));
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Group>> {
        lock(&self.groups)
    }

    fn write_of(&self, record: &NewRecord) -> Write {
        Write::Log(self.build_id, LogRow { attempt: Some(self.attempt), ..pack_record(record.clone()) })
    }

    /// Returns a completion. It remembers the first error, for the next record and for the end, or
    /// publishes what the store has.
    fn completion(&self, kind: impl FnOnce(u64) -> EventKind + Send + 'static) -> Completion {
        let (failed, publisher) = (Arc::clone(&self.failed), self.publisher.clone());
        let (build_id, job_id) = (self.build_id, Arc::clone(&self.job_id));
        Box::new(move |result| match result {
            Ok(id) => publisher.publish(build_id, &job_id, kind(id)),
            Err(error) => drop(failed.set(error.to_string())),
        })
    }

    /// Returns the completion for a record. The record is copied only if somebody watches.
    fn recorded(&self, record: &NewRecord) -> Completion {
        if self.publisher.is_watched() {
            let record = shown(record);
            return self.completion(move |id| EventKind::Logged { id, record });
        }
        let failed = Arc::clone(&self.failed);
        Box::new(move |result| {
            if let Err(error) = result {
                let _ = failed.set(error.to_string());
            }
        })
    }

    /// The first error that lost a log record or a progress report. Complete once a later write has
    /// been acknowledged.
    pub(super) fn lost(&self) -> Option<String> {
        self.failed.get().cloned()
    }

    /// Submits the newest reports that were not written yet. Must not be cancelled: a report that
    /// waits for room would still be written, but after later ones.
    pub(super) async fn write_progress(&self) {
        let changed: Vec<_> = {
            let mut groups = self.groups();
            let groups = groups.iter_mut();
            groups.filter_map(|group| std::mem::take(&mut group.unwritten).then(|| group.report.clone())).collect()
        };
        for report in changed {
            let published = report.clone();
            let done = self.completion(move |_| EventKind::Progressed(vec![published]));
            self.recorder.send(&self.turn, Write::Progress(self.build_id, report), done).await;
        }
    }

    /// Submits the name of the worker that runs the attempt; `None` if none does any more.
    pub(super) async fn assigned(&self, guard: Guard, worker: Option<Arc<str>>) {
        let assign = Write::Assign(Assign { id: self.build_id, guard, worker });
        // If another process has taken the attempt over, writing its end fails and reports that.
        self.recorder.send(&self.turn, assign, Box::new(drop)).await;
    }

    /// Submits a record of the runner itself to the store.
    pub(super) async fn say(&self, record: NewRecord) {
        self.recorder.send(&self.turn, self.write_of(&record), self.recorded(&record)).await;
    }

    /// Returns the completion for a record of the guest, which was charged.
    fn recorded_and_given_back(&self, record: &NewRecord) -> Completion {
        let recorded = self.recorded(record);
        let Some(account) = self.account.get().and_then(Weak::upgrade) else {
            return recorded;
        };
        let size = held_size::queued(record);
        Box::new(move |result| {
            recorded(result);
            account.give_back(size);
        })
    }

    /// Writes progress at each beat until the call is over.
    pub(super) async fn beat(&self, over: &Notify) {
        loop {
            tokio::select! {
                biased;
                () = over.notified() => return,
                () = tokio::time::sleep(PROGRESS_EVERY) => {}
            }
            self.write_progress().await;
        }
    }
}

impl Sink for BuildSink {
    fn try_log(&self, record: NewRecord) -> Result<(), NewRecord> {
        if self.failed.get().is_some() {
            return Err(record);
        }
        let write = self.write_of(&record);
        self.recorder.try_write(write, self.recorded_and_given_back(&record)).map_err(|_| record)
    }

    fn log(&self, record: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            if let Some(reason) = self.failed.get() {
                return Err(reason.clone());
            }
            self.recorder.send(&self.turn, self.write_of(&record), self.recorded_and_given_back(&record)).await;
            Ok(())
        })
    }

    fn progress(&self, report: Progress) {
        let mut groups = self.groups();
        let group = Group { report, unwritten: true };
        match groups.iter_mut().find(|known| known.report.group_name == group.report.group_name) {
            Some(known) => *known = group,
            None => groups.push(group),
        }
    }

    fn requested(&self, exchange: HttpExchange) {
        self.publisher.called(HostCall { build_id: self.build_id, attempt: self.attempt, exchange });
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

    /// Checks that progress is written even if it still waits for room when the call ends.
    #[tokio::test]
    async fn progress_that_waits_for_room_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::sqlite(folder.path().join("store.db"));
        let storage = from_url(&url, true, Arc::new(SystemClock), Arc::new(|_: &str| {})).unwrap();
        let id = storage.create_build("j", &Value::Null).unwrap();
        let sink = BuildSink::new(id, 1, "j".into(), Recorder::new(Arc::clone(&storage)), Publisher::default());
        // The store is busy for as long as we want, and its queue fills.
        let record = || NewRecord::new(storage.clock().now(), Level::Info, "x", "x".to_owned());
        let (free, busy) = std::sync::mpsc::channel::<()>();
        storage.submit(Write::Log(id, pack_record(record())), Box::new(move |_| busy.recv().unwrap_or_default()));
        while sink.try_log(record()).is_ok() {}
        let groups = 500;
        (0..groups).for_each(|i| sink.progress(progress::checked(&[i.to_string()], 1, 1, "").unwrap()));
        let over = Notify::new();
        let end = async {
            while sink.groups().iter().any(|group| group.unwritten) {
                tokio::task::yield_now().await;
            }
            over.notify_one();
            drop(free);
        };
        tokio::join!(end, sink.beat(&over));
        // Everything that was submitted before this is written before it.
        storage.log_message(id, record()).unwrap();
        assert_eq!(storage.get_build_progress_info(id).unwrap().len(), groups);
        assert_eq!(sink.lost(), None);
    }
}
