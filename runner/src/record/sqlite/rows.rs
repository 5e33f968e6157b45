//! One change to rows, one row to a record.

use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::LogRow;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::PruneLog;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::Written;
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
        Write::FinishBuild(finish) => finish_build(db, finish),
        Write::Progress(id, report) => progress(db, *id, report),
        Write::Log(id, row) => log(db, *id, row),
        Write::DeleteBuild(id) => {
            let sql = "DELETE FROM build WHERE id = ?1";
            changed(db.prepare_cached(sql)?.execute([possible(*id)?])?, *id).map(|_| 1)
        }
        Write::PruneLog(prune) => prune_log(db, prune),
        Write::Plugin(digest, bytes) => {
            let sql = "INSERT INTO plugin (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            db.prepare_cached(sql)?.execute(params![digest, bytes])?;
            Ok(0)
        }
    }
}

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

fn create(db: &Connection, new: &NewBuild) -> Result {
    let started = new.start.is_some();
    let start_time = started.then_some(new.created.0);
    db.prepare_cached(
        "INSERT INTO build (job_id, created, start_time, started, config, owner, attempt, plugin, retval_type)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
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

fn start_build(db: &Connection, start: &StartBuild) -> Result {
    let sql = "UPDATE build SET started = 1, start_time = ?2, owner = ?3, attempt = attempt + 1 WHERE id = ?1";
    changed(db.prepare_cached(sql)?.execute(params![possible(start.id)?, start.time.0, start.owner])?, start.id)
}

fn finish_build(db: &Connection, finish: &FinishBuild) -> Result {
    let (owner, attempt) = match &finish.guard {
        Some(guard) => (Some(&guard.owner), guard.attempt),
        None => (None, 0),
    };
    let rows = db
        .prepare_cached(
            "UPDATE build SET finished = 1, end_time = ?2, success = ?3, skipped = ?4, retval = ?5,
                 retval_digest = ?6, exception = ?7, exception_tb = ?8
             WHERE id = ?1 AND (?9 IS NULL OR (owner = ?9 AND attempt = ?10 AND finished = 0))",
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
            owner,
            attempt,
        ])?;
    if rows == 0 && finish.guard.is_some() {
        let known: bool = db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM build WHERE id = ?1)")?
            .query_row([finish.id], |row| row.get(0))?;
        if known {
            return Err(RowError::Answer(StorageError::Stale(finish.id)));
        }
    }
    changed(rows, finish.id)
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
        .prepare_cached("INSERT INTO log (build_id, created, level, record, exception_tb) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![possible(id)?, row.created.0, row.level, row.record, row.exception_tb]);
    of_build(result, id)?;
    Ok(u64::try_from(db.last_insert_rowid()).unwrap_or(0))
}

fn prune_log(db: &Connection, prune: &PruneLog) -> Result {
    let (conditions, values) = matching([
        ("build_id = ?", prune.build_id.map(number)),
        (OF_JOB, prune.job_id.clone().map(Sql::Text)),
        ("created < ?", prune.before.map(|t| Sql::Integer(t.0))),
        ("level <= ?", prune.level.map(Sql::Integer)),
    ]);
    let sql = format!("DELETE FROM log WHERE {conditions}");
    Ok(db.prepare_cached(&sql)?.execute(params_from_iter(values))? as u64)
}

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
     attempt, plugin, retval_digest, config, retval, exception, exception_tb, retval_type";

/// The same without return value and traceback, which can be large.
pub(super) const BRIEF: &str = "id, job_id, created, start_time, end_time, started, finished, success, skipped, owner, \
     attempt, plugin, retval_digest, config, NULL, exception, NULL, NULL";

/// A row of [`BUILD`] or [`BRIEF`].
pub(super) fn build(row: &Row<'_>) -> rusqlite::Result<Build> {
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|t| t.map(Timestamp));
    let value = |bytes: Vec<u8>| {
        value::unpack(&bytes).unwrap_or_else(|error| Value::String(format!("could not be read: {error}")))
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
        config: row.get::<_, Option<Vec<u8>>>(13)?.map_or(Value::Null, value),
        retval: row.get::<_, Option<Vec<u8>>>(14)?.map(value),
        exception: row.get::<_, Option<Vec<u8>>>(15)?.map(|bytes| unpack_failure(&bytes)),
        exception_tb: row.get::<_, Option<Vec<u8>>>(16)?.map(|bytes| unpack_frames(&bytes)).unwrap_or_default(),
        retval_type: row.get(17)?,
    })
}

/// A row of `log`: id, build_id, created, level, record, exception_tb.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<LogRecord> {
    let packed =
        LogRow { created: Timestamp(row.get(2)?), level: row.get(3)?, record: row.get(4)?, exception_tb: row.get(5)? };
    Ok(LogRecord { id: row.get(0)?, build_id: row.get(1)?, record: unpack_record(&packed) })
}
