//! The store in one SQLite file. Readers have their own connections, and one writer commits
//! together what waits together.

mod assigned;
mod builds;
mod histories;
mod kept;
pub(crate) mod leases;
mod logs;
#[cfg(test)]
mod plans;
mod pools;
mod restore;
mod rows;
mod runs;
mod schema;
mod services;
mod sharing;
mod sql;
mod stale_log;
mod tokens;
mod traffic;
mod trouble;
mod unwritable;
mod v3;
mod v5;
mod v6;
mod writer;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::ControlFlow;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Clock;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunCounts;
use jobcontrol_core::status::JobHistory;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::CancelRequests;
use jobcontrol_core::storage::Commits;
use jobcontrol_core::storage::Completion;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogMap;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::Mark;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::PruneLog;
use jobcontrol_core::storage::ReloadRow;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::ScheduleState;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::token::Token;
use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::OptionalExtension;
use rusqlite::TransactionBehavior;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use crate::record::url::StoreFile;
use crate::say::Say;

use leases::Leases;
pub use restore::restore;
pub use restore::version;
use rows::BRIEF;
use rows::BUILD;
use trouble::failure;
use trouble::shortened;
use writer::Patience;
use writer::Writer;

/// How long SQLite itself waits for a lock before we look again.
const BUSY: std::time::Duration = std::time::Duration::from_millis(100);

/// How long a reader waits while a repair or a removal holds the whole file.
const READ_PATIENCE: std::time::Duration = std::time::Duration::from_mins(10);

/// How many readers are kept open.
const READERS: usize = 8;

/// The version of the tables that this program reads and writes.
pub const VERSION: i64 = schema::VERSION;

/// A store in one SQLite file.
pub struct SqliteStorage {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    /// A connection that is only used to see whether others have changed the file.
    looker: Mutex<Option<Connection>>,
    leases: Arc<Leases>,
    say: Say,
}

impl SqliteStorage {
    /// Opens the file, and creates it if it is missing. `install` creates its tables.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder is missing, if the file cannot be written or is not a
    /// database, or if the store is newer.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, warn: Say) -> Result<Self> {
        let failed = |error| failure(path, &error);
        // SQLite takes `:memory:` and `file:..` for more than paths; an absolute path is only a
        // path.
        let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(failed)?;
        refuse_foreign(&db, path, &warn)?;
        not_newer(&db, path)?;
        db.set_prepared_statement_cache_capacity(64);
        let (leases, say) = (Arc::new(Leases::of(path)), Arc::clone(&warn));
        let writer = Writer::start(db, path, warn, &leases)?;
        let (path, readers, looker) = (path.to_owned(), Mutex::default(), Mutex::default());
        Ok(Self { path, clock, writer, readers, looker, leases, say })
    }

    /// Opens a store that can only be read because its folder cannot be written. Returns `None` if
    /// the folder can be written.
    ///
    /// # Errors
    ///
    /// Returns the errors of `open`, and one if changes are not yet in the file itself.
    pub fn open_unwritable(path: &Path, clock: Arc<dyn Clock>, warn: &Say) -> Result<Option<Self>> {
        let Some(db) = unwritable::reader(path)? else {
            return Ok(None);
        };
        refuse_foreign(&db, path, warn)?;
        if not_newer(&db, path)? != schema::VERSION {
            return Err(unwritable::refusal(path));
        }
        let writer = Writer::refusing(path, unwritable::refusal(path));
        let (leases, say) = (Arc::new(Leases::of(path)), Arc::clone(warn));
        let (path, readers, looker) = (path.to_owned(), Mutex::new(vec![db]), Mutex::default());
        Ok(Some(Self { path, clock, writer, readers, looker, leases, say }))
    }

    /// Merges into the file what a dead process has left in the log, so that a copy of the file has
    /// it. Other processes that have the store open do so themselves.
    pub(crate) fn take_log_in(&self) {
        let is_left = stale_log::named(&self.path, "-wal").metadata().is_ok_and(|log| log.len() > 0);
        if is_left && !self.writer.is_refusing() && self.leases.living().is_empty() {
            // Changes that cannot be written now are not lost: they stay in the log.
            let _ = self.writer.with(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        }
    }

    /// Returns the version of the tables in the file, or 0 if there are none yet.
    pub(crate) fn version(&self) -> Result<i64> {
        self.read(version_of)
    }

    /// Copies a store of an older version before anything is done to it.
    fn keep_older(&self) -> Result<()> {
        let (version, kept) = loop {
            let version: i64 = self.read(version_of)?;
            if version == 0 || version >= schema::VERSION {
                return Ok(());
            }
            let kept = restore::free_name(&self.path, &format!(".v{version}.bak"));
            match self.backup(&kept) {
                Ok(()) => break (version, kept),
                // Another process has just taken the name for its own copy, which may be gone again
                // by now.
                Err(StorageError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        };
        let copied = Connection::open(&kept).and_then(|db| version_of(&db)).map_err(|e| failure(&kept, &e))?;
        if copied != version {
            // Another process was faster, and has its own copy of the previous version.
            let _ = std::fs::remove_file(&kept);
        }
        Ok(())
    }

    /// Opens a separate connection.
    fn connect(&self) -> Result<Connection> {
        if self.writer.is_refusing()
            && let Some(db) = unwritable::reader(&self.path)?
        {
            return Ok(db);
        }
        let failed = |error| failure(&self.path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        db.busy_timeout(READ_PATIENCE).map_err(failed)?;
        Ok(db)
    }

    /// Returns builds, with one query.
    fn list(&self, filter: &BuildFilter) -> Result<Vec<Build>> {
        let (conditions, mut values) = builds::conditions(filter);
        let columns = if filter.brief { BRIEF } else { BUILD };
        let order = if filter.order == Order::Asc { "ASC" } else { "DESC" };
        values.push(Sql::Integer(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
        let limit = values.len();
        let sql = format!("SELECT {columns} FROM build WHERE {conditions} ORDER BY id {order} LIMIT ?{limit}");
        self.read(|db| db.prepare_cached(&sql)?.query_map(params_from_iter(values), rows::build)?.collect())
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let failed = |error| failure(&self.path, &error);
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match kept {
            Some(db) => db,
            None => {
                let db = self.connect()?;
                db.pragma_update(None, "query_only", true).map_err(failed)?;
                db
            }
        };
        let result = query(&db).map_err(failed);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS {
            readers.push(db);
        }
        result
    }
}

/// Refuses a file that was replaced under the log of the previous one: SQLite would corrupt it.
///
/// # Errors
///
/// Returns an error if it was replaced.
pub(crate) fn refuse_stale_log(file: &StoreFile) -> Result<()> {
    if !leases::living(&file.path).is_empty() || !stale_log::is_stale(&file.path) {
        return Ok(());
    }
    let [log, index] = ["-wal", "-shm"].map(|ending| file.show(&file.beside(ending)));
    Err(StorageError::Backend(format!(
        "the store `{}` was replaced while `{}` had changes of the previous one, which do not belong in it; to go on \
         with the file as it is, remove `{}` and `{}`; `jobcontrol store restore FILE` replaces a store with a copy",
        file.shown.display(),
        log.display(),
        log.display(),
        index.display()
    )))
}

fn version_of(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Refuses a store of a newer version. Returns the version.
fn not_newer(db: &Connection, path: &Path) -> Result<i64> {
    let version = version_of(db).map_err(|error| failure(path, &error))?;
    refuse_newer(version, path)?;
    Ok(version)
}

/// Refuses a version that this program does not know.
fn refuse_newer(version: i64, path: &Path) -> Result<()> {
    if version > schema::VERSION {
        return Err(StorageError::Backend(format!(
            "the store `{}` has version {version}, this program supports up to {}: use a newer jobcontrol",
            path.display(),
            schema::VERSION
        )));
    }
    Ok(())
}

/// Refuses a file of another program: it has tables that are not ours, or a version without our
/// tables. Waits while another process holds the whole file.
fn refuse_foreign(db: &Connection, path: &Path, warn: &Say) -> Result<()> {
    /// Tables that every version has.
    const OURS: &str = "SELECT count(*) = 3 FROM sqlite_schema
        WHERE type = 'table' AND name IN ('store', 'build', 'build_progress')";
    let foreign = format!(
        "SELECT CASE (SELECT user_version FROM pragma_user_version)
            WHEN 0 THEN EXISTS (SELECT 1 FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*')
            ELSE NOT ({OURS}) END"
    );
    let asked = || db.query_row(&foreign, [], |row| row.get(0));
    match db.busy_timeout(BUSY).and_then(|()| Patience { path, warn }.outwait(asked)) {
        Ok(false) => Ok(()),
        Ok(true) => {
            let path = path.display();
            Err(StorageError::Backend(format!("the store `{path}` is a database of another program")))
        }
        Err(error) => Err(failure(path, &error)),
    }
}

/// Sets up a write-ahead log, with each commit on the disk before it is acknowledged. A reader
/// takes the file as it is, because switching the log on takes the whole file.
fn settle(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "foreign_keys", true)
}

impl Storage for SqliteStorage {
    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn install(&self) -> Result<()> {
        if self.read(version_of)? == schema::VERSION {
            return Ok(());
        }
        self.keep_older()?;
        let say = Arc::clone(&self.say);
        let migrate = move |db: &mut Connection| {
            let version = schema::migrate(db, &say)?;
            // The file alone is a store from the start.
            let _ = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            Ok(version)
        };
        refuse_newer(self.writer.with(migrate)?, &self.path)
    }

    fn uninstall(&self) -> Result<()> {
        self.writer.with(|db| {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(schema::UNINSTALL)?;
            transaction.commit()
        })
    }

    fn submit(&self, write: Write, done: Completion) {
        self.writer.submit(write, done);
    }

    fn try_submit(&self, write: Write, done: Completion) -> std::result::Result<(), (Write, Completion)> {
        self.writer.try_submit(write, done)
    }

    fn commits(&self) -> Option<Commits> {
        Some(self.writer.commits())
    }

    fn store_id(&self) -> Result<String> {
        self.read(|db| db.query_row("SELECT value FROM store WHERE key = 'id'", [], |row| row.get(0)))
    }

    fn backup(&self, file: &Path) -> Result<()> {
        let taken = || StorageError::Refused(format!("`{}` already exists", file.display()));
        if file.exists() {
            return Err(taken());
        }
        let unwritable =
            |e: &dyn Display| StorageError::Backend(format!("`{}` cannot be written: {e}", file.display()));
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Goes to a temporary file first, so that a failed copy leaves nothing that looks like one.
        let partial =
            tempfile::Builder::new().prefix(".jobcontrol-").tempfile_in(folder).map_err(|e| unwritable(&e))?;
        // A connection that reads may not write, and for SQLite that includes a separate file.
        let failed = |error| failure(&self.path, &error);
        let db = self.connect()?;
        db.busy_timeout(BUSY).map_err(failed)?;
        db.execute("VACUUM INTO ?1", [partial.path().to_string_lossy()]).map_err(failed)?;
        let failed = |error| failure(partial.path(), &error);
        let copy = Connection::open(partial.path()).map_err(failed)?;
        let answer: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(failed)?;
        if answer != "ok" {
            return Err(StorageError::Backend(format!("the copy is damaged: {}", shortened(&answer))));
        }
        drop(copy);
        partial.persist_noclobber(file).map(drop).map_err(|e| match e.error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(),
            _ => unwritable(&e.error),
        })
    }

    fn get_job_builds(&self, filter: &BuildFilter) -> Result<Vec<Build>> {
        if (filter.success, filter.finished) != (Some(false), None) {
            return self.list(filter);
        }
        // Failed builds have an index, and so do unfinished builds, but both together have none.
        let with = |finished| self.list(&BuildFilter { finished: Some(finished), ..filter.clone() });
        let mut builds = with(true)?;
        builds.extend(with(false)?);
        builds.sort_unstable_by_key(|build| build.id);
        if filter.order == Order::Desc {
            builds.reverse();
        }
        builds.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
        Ok(builds)
    }

    fn count_job_builds(&self, filter: &BuildFilter) -> Result<u64> {
        let (conditions, values) = builds::conditions(filter);
        let sql = format!("SELECT count(*) FROM build WHERE {conditions}");
        self.read(|db| db.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0)))
    }

    fn get_job_histories(&self, jobs: &[&str]) -> Result<Vec<JobHistory>> {
        self.read(|db| histories::read(db, jobs))
    }

    fn get_build(&self, id: u64) -> Result<Build> {
        let sql = format!("SELECT {BUILD} FROM build WHERE id = ?1");
        let id_sql = i64::try_from(id).unwrap_or(i64::MAX);
        let build = self.read(|db| db.prepare_cached(&sql)?.query_row([id_sql], rows::build).optional())?;
        build.ok_or(StorageError::NotFound(id))
    }

    fn get_ended_attempts(&self, id: u64) -> Result<Vec<Attempt>> {
        let sql =
            "SELECT number, start_time, end_time, exception, exception_tb, worker FROM attempt WHERE build_id = ?1
             ORDER BY number";
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        self.read(|db| db.prepare_cached(sql)?.query_map([id], rows::attempt)?.collect())
    }

    fn get_cancel_requests(&self, owner: &str) -> Result<CancelRequests> {
        let builds = "SELECT id, cancel FROM build WHERE cancel IS NOT NULL AND finished = 0 AND owner = ?1";
        let runs = "SELECT id, cancel FROM run WHERE cancel IS NOT NULL AND status IS NULL AND owner = ?1";
        self.read(|db| {
            let named = |sql| {
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                db.prepare_cached(sql)?.query_map([owner], read)?.collect::<rusqlite::Result<_>>()
            };
            Ok(CancelRequests { builds: named(builds)?, runs: named(runs)? })
        })
    }

    fn claim(&self, owner: &str) -> Result<()> {
        self.leases
            .claim(owner)
            .map_err(|e| StorageError::Backend(format!("the folder of the store cannot be written: {e}")))
    }

    fn renew(&self, owner: &str) -> Result<()> {
        self.leases.renew(owner).map_err(|e| {
            StorageError::Backend(format!("the lock beside the store is gone and cannot be made again: {e}"))
        })
    }

    fn is_alive(&self, owner: &str) -> Result<bool> {
        Ok(self.leases.is_alive(owner))
    }

    fn release(&self, owner: &str) {
        self.leases.release(owner);
    }

    fn keep_end(&self, owner: &str, end: &Write) -> Result<()> {
        let line = kept::line(end).ok_or_else(|| StorageError::Refused("this end cannot be kept".to_owned()))?;
        self.leases
            .keep(owner, &line)
            .map_err(|e| StorageError::Backend(format!("the lock beside the store cannot be written: {e}")))
    }

    fn write_kept_ends(&self) -> Result<()> {
        if self.writer.is_refusing() {
            return Ok(());
        }
        for (path, owner) in self.leases.with_lines() {
            for end in kept::read(&path, &owner) {
                match self.write(end) {
                    // It was written before, or another process has continued with it.
                    Ok(_) | Err(StorageError::Stale(_) | StorageError::NotFound(_) | StorageError::NoRun(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            self.leases.forget(&owner);
        }
        Ok(())
    }

    fn data_version(&self) -> Result<u64> {
        let mut looker = self.looker.lock().unwrap_or_else(PoisonError::into_inner);
        let db = match looker.take() {
            Some(db) => db,
            None => self.connect()?,
        };
        let version = db.prepare_cached("PRAGMA data_version").and_then(|mut sql| sql.query_row([], |row| row.get(0)));
        *looker = Some(db);
        version.map_err(|error| failure(&self.path, &error))
    }

    fn get_run(&self, id: u64) -> Result<Run> {
        self.read(|db| runs::one(db, id))?.ok_or(StorageError::NoRun(id))
    }

    fn get_runs(&self, filter: &RunFilter) -> Result<Vec<Run>> {
        self.read(|db| runs::list(db, filter))
    }

    fn get_waiting_runs(&self, limit: u64) -> Result<Vec<u64>> {
        self.read(|db| services::waiting(db, limit))
    }

    fn get_untold_runs(&self) -> Result<Vec<u64>> {
        self.read(services::untold)
    }

    fn get_open_owners(&self) -> Result<Vec<String>> {
        self.read(services::owners)
    }

    fn get_reloads(&self, before: Option<u64>, limit: u64) -> Result<Vec<ReloadRow>> {
        self.read(|db| services::reloads(db, before, limit))
    }

    fn get_schedules(&self) -> Result<Vec<ScheduleState>> {
        self.read(services::schedules)
    }

    fn get_tried(&self, jobs: &[&str]) -> Result<Vec<Option<String>>> {
        self.read(|db| services::tried(db, jobs))
    }

    fn get_tokens(&self) -> Result<Vec<Token>> {
        self.read(tokens::all)
    }

    fn lead(&self, owner: &str) -> Result<bool> {
        self.leases.lead(owner).map_err(|e| StorageError::Backend(format!("cannot take the leader's lock: {e}")))
    }

    fn get_requesters(&self, runs: &[u64]) -> Result<BTreeMap<u64, Requester>> {
        self.read(|db| runs::requesters(db, runs))
    }

    fn get_marks(&self, jobs: &[&str], limit: u64) -> Result<Vec<Vec<Mark>>> {
        self.read(|db| histories::marks(db, jobs, limit))
    }

    fn get_log_map(&self, id: u64) -> Result<LogMap> {
        self.read(|db| logs::map(db, id))
    }

    fn get_log_ids(&self, filter: &LogFilter) -> Result<Vec<u64>> {
        self.read(|db| logs::ids(db, filter))
    }

    fn get_run_counts(&self, runs: &[u64]) -> Result<Vec<RunCounts>> {
        self.read(|db| runs::counts(db, runs))
    }

    fn get_unfinished_users(&self, id: u64) -> Result<Vec<u64>> {
        self.read(|db| db.prepare_cached(rows::USERS)?.query_map([sql::number(id)], |row| row.get(0))?.collect())
    }

    fn get_build_progress_info(&self, id: u64) -> Result<Vec<Progress>> {
        let sql = "SELECT group_name, current, total, status_line FROM build_progress WHERE build_id = ?1 ORDER BY id";
        self.read(|db| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Progress {
                    group_name: row.get(0)?,
                    current: row.get(1)?,
                    total: row.get(2)?,
                    status_line: row.get(3)?,
                })
            };
            db.prepare_cached(sql)?.query_map([i64::try_from(id).unwrap_or(i64::MAX)], read)?.collect()
        })
    }

    fn iter_log_messages(&self, filter: &LogFilter, each: &mut dyn FnMut(LogRecord) -> ControlFlow<()>) -> Result<()> {
        self.read(|db| logs::each(db, filter, each))
    }

    fn count_prunable(&self, prune: &PruneLog) -> Result<u64> {
        let (conditions, values) = rows::prunable(prune);
        let sql = format!("SELECT count(*) FROM log WHERE {conditions}");
        self.read(|db| db.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0)))
    }

    fn get_last_log_id(&self) -> Result<u64> {
        self.read(|db| db.query_row("SELECT coalesce(max(id), 0) FROM log", [], |row| row.get(0)))
    }

    fn get_orphaned_plugins(&self, besides: &[u64]) -> Result<(Vec<String>, u64)> {
        let besides = serde_json::Value::from(besides.to_vec()).to_string();
        self.read(|db| {
            // Read first: a build that comes while the others are looked at has a larger id.
            let last = db.query_row("SELECT coalesce(max(id), 0) FROM build", [], |row| row.get(0))?;
            let mut orphans = db.prepare_cached(rows::ORPHANS)?;
            let orphans = orphans.query_map([besides], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok((orphans, last))
        })
    }

    fn get_plugin(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT bytes FROM plugin WHERE digest = ?1";
        self.read(|db| db.prepare_cached(sql)?.query_row([digest], |row| row.get(0)).optional())
    }
}
