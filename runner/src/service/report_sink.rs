//! What a guest says on a worker, until the next report takes it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::Weak;

use jobcontrol_core::event::NewRecord;
use jobcontrol_core::held_size;
use jobcontrol_core::progress::Progress;
use jobcontrol_sandbox::Account;
use jobcontrol_sandbox::Sink;
use tokio::sync::Notify;

use crate::bus::wire::Said;
use crate::bus::wire::progress_to_wire;
use crate::lock::lock;

/// Records that wait for the next report. With more than that, the guest waits.
const RECORDS: usize = 1_000;

/// Bytes of such records. A report has to fit into a message of the broker, 1 MiB by default.
const BYTES: u64 = 256 << 10;

/// What a guest says, until the next report takes it.
pub(super) struct ReportSink {
    waiting: Mutex<Waiting>,
    account: Weak<Account>,
    /// Something was said.
    pub(super) said: Notify,
    /// A report took what was there.
    room: Notify,
}

#[derive(Default)]
struct Waiting {
    records: Vec<NewRecord>,
    bytes: u64,
    progress: Vec<Progress>,
}

impl ReportSink {
    /// Creates a sink whose records are charged to an account while they wait.
    pub(super) fn new(account: &Arc<Account>) -> Self {
        let (waiting, said, room) = Default::default();
        Self { waiting, account: Arc::downgrade(account), said, room }
    }

    /// Takes what was said since the last time; `None` if that is nothing.
    pub(super) fn take(&self) -> Option<Said> {
        let Waiting { records, bytes, progress } = std::mem::take(&mut *lock(&self.waiting));
        self.room.notify_waiters();
        if let Some(account) = self.account.upgrade() {
            account.give_back(bytes);
        }
        if records.is_empty() && progress.is_empty() {
            return None;
        }
        let records = records.into_iter().map(Into::into).collect();
        let progress = progress.into_iter().map(progress_to_wire).collect();
        Some(Said { records, progress, end: None })
    }
}

impl Sink for ReportSink {
    fn try_log(&self, record: NewRecord) -> Result<(), NewRecord> {
        let mut waiting = lock(&self.waiting);
        if waiting.records.len() >= RECORDS || waiting.bytes >= BYTES {
            return Err(record);
        }
        waiting.bytes += held_size::queued(&record);
        waiting.records.push(record);
        drop(waiting);
        self.said.notify_one();
        Ok(())
    }

    fn log(&self, record: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            let mut record = record;
            loop {
                // Before the look, so that no room is missed.
                let room = self.room.notified();
                match self.try_log(record) {
                    Ok(()) => return Ok(()),
                    Err(back) => record = back,
                }
                room.await;
            }
        })
    }

    fn progress(&self, report: Progress) {
        let mut waiting = lock(&self.waiting);
        match waiting.progress.iter_mut().find(|known| known.group_name == report.group_name) {
            Some(known) => *known = report,
            None => waiting.progress.push(report),
        }
        drop(waiting);
        self.said.notify_one();
    }
}
