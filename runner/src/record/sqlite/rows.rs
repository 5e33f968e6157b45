//! One change to rows, one row to a record.

use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::still_needs;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::LogRow;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::PruneLog;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::Written;
use jobcontrol_core::storage::unpack_brief_failure;
use jobcontrol_core::storage::unpack_failure;
use jobcontrol_core::storage::unpack_frames;
use jobcontrol_core::storage::unpack_record;
use jobcontrol_core::value;
use jobcontrol_core::value::Value;
use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::Row;
use rusqlite::params;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

/// What a change can meet: the store's own answer, or SQLite's.
pub(super) enum RowError {
    Answer(StorageError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

type Result = std::result::Result<Written, RowError>;

/// Applies one change inside the transaction that is open.
pub(super) fn apply(db: &Connection, write: &Write) -> Result {
    match write {
        Write::CreateBuild(new) => create(db, new),
        Write::StartBuild(start) => start_build(db, start),
        Write::RetryBuild(retry) => retry_build(db, retry),
        Write::FinishBuild(finish) => finish_build(db, finish),
        Write::CancelBuild(id, by) => {
            let sql = "UPDATE build SET cancel = ?2 WHERE id = ?1 AND finished = 0";
            let rows = db.prepare_cached(sql)?.execute(params![possible(*id)?, by])?;
            unless_stale(db, rows, *id)
        }
        Write::Progress(id, report) => progress(db, *id, report),
        Write::Log(id, row) => log(db, *id, row),
        Write::PrepareDelete(id) => {
            unneeded(db, *id)?;
            mark(db, *id, true)
        }
        Write::AbandonDelete(id) => mark(db, *id, false),
        Write::DeleteBuild(id) => {
            unneeded(db, *id)?;
            let sql = "DELETE FROM build WHERE id = ?1";
            changed(db.prepare_cached(sql)?.execute([possible(*id)?])?, *id).map(|_| 1)
        }
        Write::PruneLog(prune) => prune_log(db, prune),
        Write::PrunePlugin(digest, after) => {
            Ok(db.prepare_cached(PRUNE_PLUGIN)?.execute(params![digest, number(*after)])? as u64)
        }
        Write::Plugin(digest, bytes) => {
            let sql = "INSERT INTO plugin (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            db.prepare_cached(sql)?.execute(params![digest, bytes])?;
            Ok(0)
        }
    }
}

/// A build that an unfinished one is pinned to stays: a retry, in another process perhaps, reads its value again.
fn unneeded(db: &Connection, id: u64) -> std::result::Result<(), RowError> {
    let mut unfinished = db.prepare_cached(UNFINISHED)?;
    let mut rows = unfinished.query([])?;
    while let Some(row) = rows.next()? {
        let config = value::unpack(&row.get::<_, Vec<u8>>(1)?).unwrap_or(Value::Null);
        still_needs(&config, row.get(0)?, id).map_err(|reason| RowError::Answer(StorageError::Refused(reason)))?;
    }
    Ok(())
}

fn mark(db: &Connection, id: u64, deleting: bool) -> Result {
    let sql = "UPDATE build SET deleting = ?2 WHERE id = ?1";
    changed(db.prepare_cached(sql)?.execute(params![possible(id)?, deleting])?, id)
}

/// What a build is pinned to is there and stays, from the moment on in which the build is created.
fn usable(db: &Connection, pins: &[u64]) -> std::result::Result<(), RowError> {
    for pin in pins {
        let sql = "SELECT EXISTS (SELECT 1 FROM build WHERE id = ?1 AND deleting = 0)";
        let usable: bool = db.prepare_cached(sql)?.query_row([number(*pin)], |row| row.get(0))?;
        if !usable {
            return Err(RowError::Answer(StorageError::NoPin(*pin)));
        }
    }
    Ok(())
}

const UNFINISHED: &str = "SELECT id, config FROM build WHERE finished = 0";

/// A number that SQLite can hold; no build has a larger one.
fn possible(id: u64) -> std::result::Result<i64, RowError> {
    i64::try_from(id).map_err(|_| RowError::Answer(StorageError::NotFound(id)))
}

fn changed(rows: usize, id: u64) -> Result {
    if rows == 0 { Err(RowError::Answer(StorageError::NotFound(id))) } else { Ok(0) }
}

/// A reference to a build that is not there is the caller's mistake, not the store's.
fn of_build(result: rusqlite::Result<usize>, id: u64) -> Result {
    match result {
        Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == ErrorCode::ConstraintViolation => {
            Err(RowError::Answer(StorageError::NotFound(id)))
        }
        result => Ok(result? as u64),
    }
}

const KEEPS_PLUGIN: &str = "SELECT EXISTS (SELECT 1 FROM plugin WHERE digest = ?1)";

/// One row by VALUES: what may insert several has SQLite copy each page that it changes first, to be able to undo them.
const INSERT_BUILD: &str =
    "INSERT INTO build (job_id, created, start_time, started, config, owner, attempt, plugin, retval_type)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

fn create(db: &Connection, new: &NewBuild) -> Result {
    usable(db, &new.pins)?;
    if let Some(digest) = &new.plugin
        && !db.prepare_cached(KEEPS_PLUGIN)?.query_row([digest], |row| row.get(0))?
    {
        return Err(RowError::Answer(StorageError::NoPlugin(digest.clone())));
    }
    let started = new.start.is_some();
    let start_time = started.then_some(new.created.0);
    db.prepare_cached(INSERT_BUILD)?.execute(params![
        new.job_id,
        new.created.0,
        start_time,
        started,
        new.config,
        new.start,
        i64::from(started),
        new.plugin,
        new.retval_type,
    ])?;
    Ok(u64::try_from(db.last_insert_rowid()).unwrap_or(0))
}

/// Nothing was changed of a build that is there: it is not in the state that was asked for.
fn unless_stale(db: &Connection, rows: usize, id: u64) -> Result {
    if rows == 0 {
        let sql = "SELECT EXISTS (SELECT 1 FROM build WHERE id = ?1)";
        let known: bool = db.prepare_cached(sql)?.query_row([possible(id)?], |row| row.get(0))?;
        if known {
            return Err(RowError::Answer(StorageError::Stale(id)));
        }
    }
    changed(rows, id)
}

fn start_build(db: &Connection, start: &StartBuild) -> Result {
    let id = possible(start.id)?;
    let (guarded, owner, attempt) = guard(start.guard.as_ref());
    let rows = db
        .prepare_cached(
            "UPDATE build SET started = 1, start_time = coalesce(start_time, ?2), owner = ?3, attempt = attempt + 1,
                 attempt_time = iif(started, ?2, NULL), retry_time = NULL
             WHERE id = ?1 AND (?4 = 0 OR (owner IS ?5 AND attempt = ?6 AND finished = 0))",
        )?
        .execute(params![id, start.time.0, start.owner, guarded, owner, attempt])?;
    if guarded && rows > 0 {
        db.prepare_cached("DELETE FROM build_progress WHERE build_id = ?1")?.execute([id])?;
    }
    if guarded { unless_stale(db, rows, start.id) } else { changed(rows, start.id) }
}

fn retry_build(db: &Connection, retry: &RetryBuild) -> Result {
    let id = possible(retry.id)?;
    let Guard { owner, attempt } = &retry.guard;
    let ended = "INSERT INTO attempt (build_id, number, start_time, end_time, exception, exception_tb)
         SELECT id, attempt, coalesce(attempt_time, start_time), ?4, ?5, ?6 FROM build
         WHERE id = ?1 AND owner IS ?2 AND attempt = ?3 AND finished = 0 AND started = 1 ON CONFLICT DO NOTHING";
    db.prepare_cached(ended)?.execute(params![
        id,
        owner,
        attempt,
        retry.time.0,
        retry.exception,
        retry.exception_tb
    ])?;
    let waits = "UPDATE build SET owner = ?4, retry_time = ?5
         WHERE id = ?1 AND owner IS ?2 AND attempt = ?3 AND finished = 0";
    let rows = db.prepare_cached(waits)?.execute(params![id, owner, attempt, retry.owner, retry.due.0])?;
    unless_stale(db, rows, retry.id)
}

/// Whether there is a guard, and what it asks for.
fn guard(guard: Option<&Guard>) -> (bool, Option<&str>, u32) {
    match guard {
        Some(guard) => (true, guard.owner.as_deref(), guard.attempt),
        None => (false, None, 0),
    }
}

fn finish_build(db: &Connection, finish: &FinishBuild) -> Result {
    let (guarded, owner, attempt) = guard(finish.guard.as_ref());
    let rows = db
        .prepare_cached(
            "UPDATE build SET finished = 1, end_time = ?2, success = ?3, skipped = ?4, retval = ?5,
                 retval_digest = ?6, exception = ?7, exception_tb = ?8, retry_time = NULL
             WHERE id = ?1 AND (?9 = 0 OR (owner IS ?10 AND attempt = ?11 AND finished = 0))",
        )?
        .execute(params![
            possible(finish.id)?,
            finish.time.0,
            finish.success,
            finish.skipped,
            finish.retval,
            finish.retval_digest,
            finish.exception,
            finish.exception_tb,
            guarded,
            owner,
            attempt,
        ])?;
    if guarded { unless_stale(db, rows, finish.id) } else { changed(rows, finish.id) }
}

fn progress(db: &Connection, id: u64, report: &Progress) -> Result {
    let result = db
        .prepare_cached(
            "INSERT INTO build_progress (build_id, group_name, current, total, status_line) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (build_id, group_name)
             DO UPDATE SET current = excluded.current, total = excluded.total, status_line = excluded.status_line",
        )?
        .execute(params![possible(id)?, report.group_name, report.current, report.total, report.status_line]);
    of_build(result, id)
}

fn log(db: &Connection, id: u64, row: &LogRow) -> Result {
    let result = db
        .prepare_cached(
            "INSERT INTO log (build_id, created, level, record, exception_tb, attempt)
             VALUES (?1, ?2, ?3, ?4, ?5, coalesce(?6, (SELECT attempt FROM build WHERE id = ?1), 0))",
        )?
        .execute(params![possible(id)?, row.created.0, row.level, row.record, row.exception_tb, row.attempt]);
    of_build(result, id)?;
    Ok(u64::try_from(db.last_insert_rowid()).unwrap_or(0))
}

fn prune_log(db: &Connection, prune: &PruneLog) -> Result {
    let (conditions, values) = prunable(prune);
    let sql = format!("DELETE FROM log WHERE {conditions}");
    Ok(db.prepare_cached(&sql)?.execute(params_from_iter(values))? as u64)
}

/// The records that go, as a condition with its values.
pub(super) fn prunable(prune: &PruneLog) -> (String, Vec<Sql>) {
    matching([
        ("build_id = ?", prune.build_id.map(number)),
        (OF_JOB, prune.job_id.clone().map(Sql::Text)),
        ("created < ?", prune.before.map(|t| Sql::Integer(t.0))),
        ("level <= ?", prune.level.map(Sql::Integer)),
        ("level > ?", prune.above.map(Sql::Integer)),
        ("id > ?", prune.ids.map(|(after, _)| number(after))),
        ("id <= ?", prune.ids.map(|(_, upto)| number(upto))),
    ])
}

/// Plugins that no build was made with; `?1` is a JSON list of builds that do not count.
pub(super) const ORPHANS: &str = "SELECT digest FROM plugin WHERE digest NOT IN
     (SELECT plugin FROM build WHERE plugin IS NOT NULL AND id NOT IN (SELECT value FROM json_each(?1)))";

/// Ids rise and a build's plugin never changes, so only builds that came later are looked at while others wait.
const PRUNE_PLUGIN: &str = "DELETE FROM plugin WHERE digest = ?1 AND NOT EXISTS
     (SELECT 1 FROM build WHERE id > ?2 AND plugin = ?1)";

/// Records of one job's builds.
pub(super) const OF_JOB: &str = "build_id IN (SELECT id FROM build WHERE job_id = ?)";

/// An id as SQLite has it; one that it cannot hold is there never.
pub(super) fn number(n: u64) -> Sql {
    Sql::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The conditions that are asked for, all of them to be met, with their values. Only what is asked for stands in the
/// text, so that an index can serve it.
pub(super) fn matching<const N: usize>(parts: [(&str, Option<Sql>); N]) -> (String, Vec<Sql>) {
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    for (condition, value) in parts {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(value);
        }
    }
    let conditions = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    (conditions, values)
}

/// The columns that [`build`] reads, in its order.
pub(super) const BUILD: &str = "id, job_id, created, start_time, end_time, started, finished, success, skipped, owner, \
     attempt, plugin, retval_digest, config, retval, exception, exception_tb, retval_type, \
     coalesce(attempt_time, start_time), retry_time, cancel, deleting";

/// The same without return value and traceback, which can be large. [`brief`] reads only the start of the failure.
pub(super) const BRIEF: &str = "id, job_id, created, start_time, end_time, started, finished, success, skipped, owner, \
     attempt, plugin, retval_digest, config, NULL, exception, NULL, NULL, \
     coalesce(attempt_time, start_time), retry_time, cancel, deleting";

/// A row of [`BUILD`].
pub(super) fn build(row: &Row<'_>) -> rusqlite::Result<Build> {
    read(row, unpack_failure)
}

/// A row of [`BRIEF`].
pub(super) fn brief(row: &Row<'_>) -> rusqlite::Result<Build> {
    read(row, unpack_brief_failure)
}

fn read(row: &Row<'_>, failure: fn(&[u8]) -> Failure) -> rusqlite::Result<Build> {
    let blob = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_blob_or_null()?);
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|t| t.map(Timestamp));
    let value = |bytes: &[u8]| {
        value::unpack(bytes).unwrap_or_else(|error| Value::String(format!("could not be read: {error}")))
    };
    Ok(Build {
        id: row.get(0)?,
        job_id: row.get(1)?,
        created: Timestamp(row.get(2)?),
        start_time: time(3)?,
        end_time: time(4)?,
        started: row.get(5)?,
        finished: row.get(6)?,
        success: row.get(7)?,
        skipped: row.get(8)?,
        owner: row.get(9)?,
        attempt: row.get(10)?,
        plugin: row.get(11)?,
        retval_digest: row.get(12)?,
        config: blob(13)?.map_or(Value::Null, value),
        retval: blob(14)?.map(value),
        exception: blob(15)?.map(failure),
        exception_tb: blob(16)?.map(unpack_frames).unwrap_or_default(),
        retval_type: row.get(17)?,
        attempt_time: time(18)?,
        retry_time: time(19)?,
        cancel: row.get(20)?,
        deleting: row.get(21)?,
    })
}

/// A row of `attempt`: number, start_time, end_time, exception, exception_tb.
pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let mut failure = row.get::<_, Option<Vec<u8>>>(3)?.map(|bytes| unpack_failure(&bytes));
    if let (Some(failure), Some(tb)) = (&mut failure, row.get::<_, Option<Vec<u8>>>(4)?) {
        failure.frames = unpack_frames(&tb);
    }
    let end_time = Some(Timestamp(row.get(2)?));
    Ok(Attempt { number: row.get(0)?, start_time: Timestamp(row.get(1)?), end_time, failure })
}

/// A row of `log`: id, build_id, created, level, record, exception_tb, attempt.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<LogRecord> {
    let attempt = row.get(6)?;
    let packed = LogRow {
        created: Timestamp(row.get(2)?),
        level: row.get(3)?,
        attempt: Some(attempt),
        record: row.get(4)?,
        exception_tb: row.get(5)?,
    };
    Ok(LogRecord { id: row.get(0)?, build_id: row.get(1)?, attempt, record: unpack_record(&packed) })
}
