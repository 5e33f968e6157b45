//! The one thread that writes. It takes the changes that wait, applies them in one transaction, and
//! reports their results after the commit.

use std::cell::Cell;
use std::cell::OnceCell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::TrySendError;
use jobcontrol_core::storage::Commits;
use jobcontrol_core::storage::Completion;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use rusqlite::Connection;
use rusqlite::ErrorCode;

use super::failure;
use super::leases::Leases;
use super::rows;
use super::settle;
use super::sql::RowError;
use super::stale_log::named;
use crate::say::Say;

/// How many changes may wait. A caller that adds more waits with them.
const QUEUE: usize = 4_096;

/// The most changes in one transaction, so that none waits for a commit that never ends.
const BATCH: usize = 2_048;

/// If more changes than this are expected, commits are full enough without waiting for all of them.
const WORTH_WAITING: usize = 32;

/// The part of the last commit's time to wait for the callers whose changes it wrote.
const PART_OF_COMMIT: u32 = 4;

/// The longest time of a commit that counts for this, so that a slow disk does not get slower.
const LONGEST_COMMIT: Duration = Duration::from_millis(2);

/// How long another process may be in the way before the user is notified.
const TELL_AFTER: Duration = Duration::from_secs(5);

type OnDatabase = Box<dyn FnOnce(&mut Connection, &Patience<'_>) + Send>;

#[expect(clippy::large_enum_variant, reason = "nearly every order is a write")]
enum Order {
    Write(Write, Completion),
    Database(OnDatabase),
}

/// A handle to the writing thread. Dropping it waits until everything that was submitted is
/// written.
pub(super) struct Writer {
    orders: Option<Sender<Order>>,
    thread: Option<thread::JoinHandle<()>>,
    path: PathBuf,
    /// The error for all changes if no thread writes.
    refusal: StorageError,
    counted: Arc<Counted>,
}

/// What was committed so far.
#[derive(Default)]
struct Counted {
    commits: AtomicU64,
    writes: AtomicU64,
}

impl Writer {
    pub(super) fn start(db: Connection, path: &Path, warn: Say, leases: &Arc<Leases>) -> Result<Self> {
        let (orders, queue) = crossbeam_channel::bounded(QUEUE);
        let (path_of_store, leases) = (path.to_owned(), Arc::clone(leases));
        let (log, hurt, marked) = Default::default();
        let counted = Arc::<Counted>::default();
        let counts = Arc::clone(&counted);
        let state = Thread { db, path: path_of_store, warn, leases, queue, settled: false, log, hurt, marked, counts };
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || state.work())
            .map_err(|e| StorageError::Backend(format!("the store's thread cannot start: {e}")))?;
        Ok(Self { orders: Some(orders), thread: Some(thread), path: path.to_owned(), refusal: closed(), counted })
    }

    /// Creates a writer that returns this error for everything that is submitted.
    pub(super) fn refusing(path: &Path, refusal: StorageError) -> Self {
        Self { orders: None, thread: None, path: path.to_owned(), refusal, counted: Arc::default() }
    }

    /// Returns what was committed so far.
    pub(super) fn commits(&self) -> Commits {
        let [commits, writes] =
            [&self.counted.commits, &self.counted.writes].map(|count| count.load(Ordering::Relaxed));
        Commits { commits, writes }
    }

    pub(super) fn is_refusing(&self) -> bool {
        self.thread.is_none()
    }

    pub(super) fn submit(&self, write: Write, done: Completion) {
        let order = Order::Write(write, done);
        let refused = match &self.orders {
            Some(orders) => orders.send(order).err().map(|e| e.0),
            None => Some(order),
        };
        if let Some(Order::Write(_, done)) = refused {
            done(Err(self.refusal.clone()));
        }
    }

    pub(super) fn try_submit(&self, write: Write, done: Completion) -> std::result::Result<(), (Write, Completion)> {
        let Some(orders) = &self.orders else {
            done(Err(self.refusal.clone()));
            return Ok(());
        };
        match orders.try_send(Order::Write(write, done)) {
            Err(TrySendError::Full(Order::Write(write, done))) => Err((write, done)),
            Err(TrySendError::Disconnected(Order::Write(_, done))) => {
                done(Err(self.refusal.clone()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Runs something on the writer's connection, between two transactions. Runs it again if
    /// another process is in the way.
    pub(super) fn with<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = mpsc::channel();
        let order: OnDatabase = Box::new(move |db, patience| {
            let settled = patience.outwait(|| settle(db));
            drop(sender.send(settled.and_then(|()| patience.outwait(|| work(db)))));
        });
        if let Some(orders) = &self.orders {
            let _ = orders.send(Order::Database(order));
        }
        match receiver.recv() {
            Ok(result) => result.map_err(|error| failure(&self.path, &error)),
            Err(_) => Err(self.refusal.clone()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn closed() -> StorageError {
    StorageError::Backend("the store was closed".to_owned())
}

pub(super) fn is_busy(error: &rusqlite::ffi::Error) -> bool {
    matches!(error.code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
}

struct Thread {
    db: Connection,
    path: PathBuf,
    warn: Say,
    leases: Arc<Leases>,
    queue: Receiver<Order>,
    /// Whether the file has its log, which the first change needs.
    settled: bool,
    log: OnceCell<File>,
    /// The builds that have lost a part of their log or progress, with the reason.
    hurt: RefCell<HashMap<u64, String>>,
    /// The log that contains the file's head, by the salt that it began with.
    marked: Cell<Option<[u8; 8]>>,
    counts: Arc<Counted>,
}

impl Thread {
    fn work(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let (mut expected, mut took) = (0, Duration::ZERO);
        while let Ok(first) = self.queue.recv() {
            self.take(&mut batch, first);
            while batch.len() < BATCH
                && let Ok(next) = self.queue.try_recv()
            {
                self.take(&mut batch, next);
            }
            // Callers that have just received a result are about to come back. Waiting for them is
            // worth a part of the commit's own time. Without this, two halves of the builds take
            // turns, each commit half full.
            let until = Instant::now() + took.min(LONGEST_COMMIT) / PART_OF_COMMIT;
            while expected <= WORTH_WAITING
                && batch.len() < expected
                && let Ok(next) = self.queue.recv_deadline(until)
            {
                self.take(&mut batch, next);
            }
            let (since, answered) = (Instant::now(), batch.len());
            let waiting = self.commit(&mut batch);
            expected = (waiting + answered).min(BATCH);
            took = since.elapsed();
        }
        if self.settled {
            // The last process to close the file does this anyway, but others that have it open may
            // be killed.
            let _ = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }

    fn take(&mut self, batch: &mut Vec<(Write, Completion)>, order: Order) {
        match order {
            Order::Write(write, done) => batch.push((write, done)),
            Order::Database(work) => {
                self.commit(batch);
                let Self { db, path, warn, .. } = self;
                work(db, &Patience { path, warn });
            }
        }
    }

    /// Writes a batch and reports the results. Returns the number of changes that had arrived by
    /// then.
    fn commit(&mut self, batch: &mut Vec<(Write, Completion)>) -> usize {
        if batch.is_empty() {
            return self.queue.len();
        }
        let answers = self.settled().and_then(|()| self.transaction(batch.iter().map(|(write, _)| write)));
        let waiting = self.queue.len();
        if answers.is_ok() {
            self.counts.commits.fetch_add(1, Ordering::Relaxed);
            self.counts.writes.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        let answers = answers.unwrap_or_else(|error| self.one_by_one(batch, &error));
        let mut answers = answers.into_iter();
        batch.drain(..).for_each(|(_, done)| done(answers.next().unwrap_or_else(|| Err(closed()))));
        waiting
    }

    /// Writes a batch that could not be written as a whole. A small change may find room where all
    /// together did not. Once a log record or progress report has no room, no other one is tried.
    fn one_by_one(&self, batch: &[(Write, Completion)], error: &rusqlite::Error) -> Vec<Result<u64>> {
        let mut failed = failure(&self.path, error);
        // The content of the log may go into the file now. The log then begins again in the room
        // that it has.
        let _ = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        let mut no_room = false;
        let mut alone = |write: &Write| {
            let said = matches!(write, Write::Log(..) | Write::Progress(..));
            if batch.len() == 1 || !self.settled || said && no_room {
                self.note_loss(write, &failed);
                return Err(failed.clone());
            }
            self.transaction([write]).map_or_else(
                |error| {
                    no_room |= said;
                    failed = failure(&self.path, &error);
                    self.note_loss(write, &failed);
                    Err(failed.clone())
                },
                |mut answers| answers.pop().unwrap_or_else(|| Err(closed())),
            )
        };
        batch.iter().map(|(write, _)| alone(write)).collect()
    }

    /// Writes all of a batch, or nothing of it. A change that is refused does not affect the
    /// others.
    fn transaction<'a>(
        &self,
        batch: impl IntoIterator<Item = &'a Write, IntoIter: Clone>,
    ) -> rusqlite::Result<Vec<Result<u64>>> {
        self.begin()?;
        let is_marked = self.marked.get().is_some() && self.marked.get() == self.salt();
        if !is_marked && let Err(error) = self.mark() {
            let _ = self.db.execute_batch("ROLLBACK");
            return Err(error);
        }
        let batch = batch.into_iter();
        let mut answers = Vec::with_capacity(batch.size_hint().0);
        for write in batch.clone() {
            if let Some(answer) = self.hurt_by_loss(write) {
                answers.push(Err(answer));
                continue;
            }
            match rows::apply(&self.db, &self.leases, write) {
                Ok(written) => answers.push(Ok(written)),
                Err(RowError::Answer(answer)) => answers.push(Err(answer)),
                // SQLite gives up the whole transaction for some errors, a full disk among them.
                Err(RowError::Sqlite(error)) if self.db.is_autocommit() => return Err(error),
                Err(RowError::Sqlite(error)) => {
                    let error = failure(&self.path, &error);
                    self.note_loss(write, &error);
                    answers.push(Err(error));
                }
            }
        }
        match self.db.prepare_cached("COMMIT")?.execute([]) {
            Ok(_) => {
                if !is_marked {
                    self.marked.set(self.salt());
                }
                self.forget_losses(batch);
                Ok(answers)
            }
            Err(error) => {
                let _ = self.db.execute_batch("ROLLBACK");
                Err(error)
            }
        }
    }

    /// Remembers which build has lost something. Whoever finishes the build knows of the loss only
    /// if its error had arrived by then.
    fn note_loss(&self, write: &Write, error: &StorageError) {
        if let Write::Log(build, _) | Write::Progress(build, _) = write {
            self.hurt.borrow_mut().entry(*build).or_insert_with(|| error.to_string());
        }
    }

    /// Forgets the losses of builds that have ended.
    fn forget_losses<'a>(&self, written: impl Iterator<Item = &'a Write>) {
        let mut hurt = self.hurt.borrow_mut();
        if hurt.is_empty() {
            return;
        }
        for write in written {
            if let Write::FinishBuild(finish) = write
                && !finish.success
            {
                hurt.remove(&finish.id);
            }
        }
    }

    /// Returns an error if the build has lost something. It must not end as successful.
    fn hurt_by_loss(&self, write: &Write) -> Option<StorageError> {
        let Write::FinishBuild(finish) = write else { return None };
        let hurt = self.hurt.borrow();
        let reason = hurt.get(&finish.id).filter(|_| finish.success)?;
        Some(StorageError::Backend(format!("a part of the log is lost: {reason}")))
    }

    /// Writes the head of the file into the log, unchanged. SQLite counts that, and the count
    /// distinguishes this log from the log of another file (`stale_log`). Once for each log is
    /// enough.
    fn mark(&self) -> rusqlite::Result<()> {
        let version: i64 = self.db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        self.db.pragma_update(None, "user_version", version)
    }

    /// Returns the salt that the log began with, or `None` if there is no log.
    fn salt(&self) -> Option<[u8; 8]> {
        /// Its position in the log.
        const AT: u64 = 16;
        let mut salt = [0; 8];
        if self.log.get().is_none() {
            let _ = self.log.set(File::open(named(&self.path, "-wal")).ok()?);
        }
        self.log.get()?.read_exact_at(&mut salt, AT).ok()?;
        Some(salt)
    }

    fn settled(&mut self) -> rusqlite::Result<()> {
        if !self.settled {
            Patience { path: &self.path, warn: &self.warn }.outwait(|| settle(&self.db))?;
            self.settled = true;
        }
        Ok(())
    }

    fn begin(&self) -> rusqlite::Result<()> {
        let patience = Patience { path: &self.path, warn: &self.warn };
        patience.outwait(|| self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop))
    }
}

/// Waits for other processes that share a file.
pub(super) struct Patience<'a> {
    pub(super) path: &'a Path,
    pub(super) warn: &'a Say,
}

impl Patience<'_> {
    /// Waits without end for other processes, and reports that once.
    pub(super) fn outwait<T>(&self, mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let since = Instant::now();
        let mut told = false;
        loop {
            match attempt() {
                Err(rusqlite::Error::SqliteFailure(error, _)) if is_busy(&error) => {}
                result => return result,
            }
            if !told && since.elapsed() > TELL_AFTER {
                told = true;
                (self.warn)(&format!("waiting for another process to write to the store `{}`", self.path.display()));
            }
        }
    }
}
