//! Applies changes to rows, and turns rows into records.

use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::Pin;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::pool::PoolUse;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::LogRow;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::PackedFailure;
use jobcontrol_core::storage::PruneLog;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::StartBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Traceback;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::is_raw;
use jobcontrol_core::storage::unpack_failure;
use jobcontrol_core::storage::unpack_frames;
use jobcontrol_core::storage::unpack_record;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value;
use jobcontrol_core::value::Value;
use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::assigned;
use super::leases::Leases;
use super::pools;
use super::runs;
use super::services;
use super::sharing;
use super::sql::Result;
use super::sql::RowError;
use super::sql::changed;
use super::sql::matching;
use super::sql::number;
use super::sql::possible;
use super::sql::unless_stale;
use super::tokens;
use super::traffic;

/// Applies one change inside the open transaction.
pub(super) fn apply(db: &Connection, leases: &Leases, write: &Write) -> Result {
    match write {
        Write::CreateRun(new) => runs::create(db, new),
        Write::EndRun(end) => runs::end(db, end),
        Write::CancelRun(id, by) => runs::cancel(db, *id, by),
        Write::PruneRuns(before) => runs::prune(db, *before),
        Write::ClaimRun(claim) => services::claim(db, claim),
        Write::ReleaseRun(id, owner) => services::release(db, *id, owner),
        Write::StartRun(id) => services::start(db, *id),
        Write::Reload(new) => services::reload(db, new),
        Write::StepSchedule(step) => services::step(db, step),
        Write::Told(id) => services::told(db, *id),
        Write::Tried(tried) => services::try_all(db, tried),
        Write::CreateToken(new) => tokens::create(db, new),
        Write::RevokeToken(id, time) => tokens::revoke(db, *id, *time),
        Write::CreateBuild(new) => create(db, leases, new),
        Write::StartBuild(start) => start_build(db, leases, start),
        Write::Assign(assign) => assigned::assign(db, assign),
        Write::RetryBuild(retry) => retry_build(db, retry),
        Write::FinishBuild(finish) => finish_build(db, finish),
        Write::Traceback(traceback) => trace(db, traceback),
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

/// Returns an error if an unfinished build is pinned to this one. A retry, perhaps in another
/// process, reads its value again.
fn unneeded(db: &Connection, id: u64) -> std::result::Result<(), RowError> {
    let user = db.prepare_cached(USERS)?.query_row([possible(id)?], |row| row.get::<_, u64>(0)).optional()?;
    match user {
        Some(user) => {
            let reason = format!("build {id} is used by build {user}, which has not finished");
            Err(RowError::Answer(StorageError::Refused(reason)))
        }
        None => Ok(()),
    }
}

fn mark(db: &Connection, id: u64, deleting: bool) -> Result {
    let sql = "UPDATE build SET deleting = ?2 WHERE id = ?1";
    changed(db.prepare_cached(sql)?.execute(params![possible(id)?, deleting])?, id)
}

/// Checks that the pinned builds exist. They stay from the moment in which the build is created.
fn usable(db: &Connection, pins: &[Pin]) -> std::result::Result<(), RowError> {
    for pin in pins {
        let sql = "SELECT EXISTS (SELECT 1 FROM build WHERE id = ?1 AND deleting = 0)";
        let usable: bool = db.prepare_cached(sql)?.query_row([number(pin.build)], |row| row.get(0))?;
        if !usable {
            return Err(RowError::Answer(StorageError::NoPin(pin.build)));
        }
    }
    Ok(())
}

/// The unfinished builds that are pinned to a build.
pub(super) const USERS: &str = "SELECT pin.build FROM pin WHERE pin.used = ?1
     AND EXISTS (SELECT 1 FROM build WHERE build.id = pin.build AND finished = 0) ORDER BY pin.build";

/// Reports a reference to a missing build as the caller's mistake, not as the store's.
fn of_build(result: rusqlite::Result<usize>, id: u64) -> Result {
    match result {
        Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == ErrorCode::ConstraintViolation => {
            Err(RowError::Answer(StorageError::NotFound(id)))
        }
        result => Ok(result? as u64),
    }
}

const KEEPS_PLUGIN: &str = "SELECT EXISTS (SELECT 1 FROM plugin WHERE digest = ?1)";

/// Inserts one row with VALUES. For a statement that may insert several rows, SQLite first copies
/// each page that it changes, to be able to undo it.
const INSERT_BUILD: &str =
    "INSERT INTO build (job_id, created, start_time, started, config, owner, attempt, plugin, retval_type, run, rerun_of,
         pool, pool_slots, edited)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

fn create(db: &Connection, leases: &Leases, new: &NewBuild) -> Result {
    usable(db, &new.pins)?;
    if let Some(known) = new.shared_after {
        sharing::refuse_same(db, leases, new, known)?;
    }
    if let Some(digest) = &new.plugin
        && !db.prepare_cached(KEEPS_PLUGIN)?.query_row([digest], |row| row.get(0))?
    {
        return Err(RowError::Answer(StorageError::NoPlugin(digest.clone())));
    }
    let run = runs::of(db, &new.run)?;
    let start_time = new.start.then_some(new.created.0);
    db.prepare_cached(INSERT_BUILD)?.execute(params![
        new.job_id,
        new.created.0,
        start_time,
        new.start,
        new.config,
        new.owner,
        i64::from(new.start),
        new.plugin,
        new.retval_type,
        run.map(number),
        new.rerun_of.map(number),
        new.pool.as_ref().map(|pool| &pool.name),
        new.pool.as_ref().map(|pool| pool.slots),
        new.edited,
    ])?;
    let id = db.last_insert_rowid();
    for pin in &*new.pins {
        let sql = "INSERT INTO pin (build, job, used, retval_digest) VALUES (?1, ?2, ?3, ?4)";
        db.prepare_cached(sql)?.execute(params![id, pin.job, number(pin.build), pin.retval_digest])?;
    }
    Ok(u64::try_from(id).unwrap_or(0))
}

fn start_build(db: &Connection, leases: &Leases, start: &StartBuild) -> Result {
    let id = possible(start.id)?;
    if let Some(size) = start.pool_size {
        pools::room(db, leases, id, size)?;
    }
    let (guarded, owner, attempt) = guard(start.guard.as_ref());
    let rows = db
        .prepare_cached(
            "UPDATE build SET started = 1, start_time = coalesce(start_time, ?2), owner = ?3, attempt = attempt + 1,
                 attempt_time = iif(started, ?2, NULL), retry_time = NULL, worker = NULL
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
    let PackedFailure { kind, message, exception, exception_tb } = &retry.exception;
    let ended = "INSERT INTO attempt (build_id, number, start_time, end_time, exception, exception_tb, failure_kind,
             failure_message, worker)
         SELECT id, attempt, coalesce(attempt_time, start_time), ?4, ?5, ?6, ?7, ?8, worker FROM build
         WHERE id = ?1 AND owner IS ?2 AND attempt = ?3 AND finished = 0 AND started = 1 ON CONFLICT DO NOTHING";
    let failed = params![id, owner, attempt, retry.time.0, exception, exception_tb, kind, message];
    db.prepare_cached(ended)?.execute(failed)?;
    let waits = "UPDATE build SET owner = ?4, retry_time = ?5,
             peak_memory = coalesce(max(coalesce(peak_memory, 0), ?6), peak_memory),
             guest_time = coalesce(coalesce(guest_time, 0) + ?7, guest_time)
         WHERE id = ?1 AND owner IS ?2 AND attempt = ?3 AND finished = 0";
    let (peak, time) = used(retry.usage);
    let rows = db.prepare_cached(waits)?.execute(params![id, owner, attempt, retry.owner, retry.due.0, peak, time])?;
    if rows > 0 {
        traffic::add(db, id, retry.usage)?;
        if let Some(run) = runs::of(db, &retry.run)? {
            runs::adopt(db, run, id)?;
        }
    }
    unless_stale(db, rows, retry.id)
}

/// Returns what an attempt used, as the columns store it.
fn used(usage: Option<Usage>) -> (Option<Sql>, Option<Sql>) {
    usage.map(|usage| (number(usage.peak_memory), number(usage.guest_time))).unzip()
}

/// Returns whether there is a guard, and the owner and attempt that it requires.
fn guard(guard: Option<&Guard>) -> (bool, Option<&str>, u32) {
    match guard {
        Some(guard) => (true, guard.owner.as_deref(), guard.attempt),
        None => (false, None, 0),
    }
}

/// `?12` and `?13` add what the last attempt used; null leaves the values as they are.
const FINISH_BUILD: &str = "UPDATE build SET finished = 1, end_time = ?2, success = ?3, skipped = ?4, retval = ?5,
         retval_digest = ?6, exception = ?7, exception_tb = ?8, retry_time = NULL,
         peak_memory = coalesce(max(coalesce(peak_memory, 0), ?12), peak_memory),
         guest_time = coalesce(coalesce(guest_time, 0) + ?13, guest_time),
         failure_kind = ?14, failure_message = ?15, skip_reason = ?16
     WHERE id = ?1 AND (?9 = 0 OR (owner IS ?10 AND attempt = ?11 AND finished = 0))";

fn finish_build(db: &Connection, finish: &FinishBuild) -> Result {
    let (guarded, owner, attempt) = guard(finish.guard.as_ref());
    let failure = finish.exception.as_ref();
    let (peak, time) = used(finish.usage);
    let id = possible(finish.id)?;
    let rows = db.prepare_cached(FINISH_BUILD)?.execute(params![
        id,
        finish.time.0,
        finish.success,
        finish.skipped,
        finish.retval,
        finish.retval_digest,
        failure.map(|failure| &failure.exception),
        failure.and_then(|failure| failure.exception_tb.as_ref()),
        guarded,
        owner,
        attempt,
        peak,
        time,
        failure.map(|failure| &failure.kind),
        failure.map(|failure| &failure.message),
        finish.skip_reason,
    ])?;
    if rows > 0 {
        traffic::add(db, id, finish.usage)?;
    }
    if finish.ends_run && rows > 0 {
        let kind = failure.map(|failure| FailureKind::from_text(&failure.kind));
        runs::end_with(db, id, finish.time, RunStatus::of_build(finish.success, kind.as_ref()))?;
    }
    if guarded { unless_stale(db, rows, finish.id) } else { changed(rows, finish.id) }
}

/// Writes a traceback. If the build ended with this attempt, the traceback belongs to the build;
/// otherwise it belongs to the attempt. One of the two exists.
fn trace(db: &Connection, traceback: &Traceback) -> Result {
    const OF_ATTEMPT: &str = "SELECT exception_tb FROM attempt WHERE build_id = ?1 AND number = ?2";
    const OF_BUILD: &str = "SELECT exception_tb FROM build WHERE id = ?1 AND attempt = ?2 AND finished = 1";
    const TO_ATTEMPT: &str = "UPDATE attempt SET exception_tb = ?3 WHERE build_id = ?1 AND number = ?2";
    const TO_BUILD: &str = "UPDATE build SET exception_tb = ?3 WHERE id = ?1 AND attempt = ?2 AND finished = 1";
    let (id, attempt) = (possible(traceback.id)?, traceback.attempt);
    changed(db.prepare_cached("SELECT 1 FROM build WHERE id = ?1")?.exists([id])?.into(), traceback.id)?;
    for (read, write) in [(OF_ATTEMPT, TO_ATTEMPT), (OF_BUILD, TO_BUILD)] {
        let stored: Option<Option<Vec<u8>>> =
            db.prepare_cached(read)?.query_row(params![id, attempt], |row| row.get(0)).optional()?;
        match stored {
            Some(Some(stored)) if is_raw(&stored) => {
                let rows = db.prepare_cached(write)?.execute(params![id, attempt, traceback.exception_tb])?;
                return Ok(rows as u64);
            }
            Some(_) => return Ok(0),
            None => {}
        }
    }
    Ok(0)
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
            "INSERT INTO log (build_id, created, level, record, exception_tb, attempt, target, message)
             VALUES (?1, ?2, ?3, ?4, ?5, coalesce(?6, (SELECT attempt FROM build WHERE id = ?1), 0), ?7, ?8)",
        )?
        .execute(params![
            possible(id)?,
            row.created.0,
            row.level,
            row.record,
            row.exception_tb,
            row.attempt,
            row.target,
            row.message
        ]);
    of_build(result, id)?;
    Ok(u64::try_from(db.last_insert_rowid()).unwrap_or(0))
}

fn prune_log(db: &Connection, prune: &PruneLog) -> Result {
    let (conditions, values) = prunable(prune);
    let sql = format!("DELETE FROM log WHERE {conditions}");
    Ok(db.prepare_cached(&sql)?.execute(params_from_iter(values))? as u64)
}

/// Returns the condition for the records to delete, with its values.
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

/// Plugins that no build was made with. `?1` is a JSON list of builds that do not count.
pub(super) const ORPHANS: &str = "SELECT digest FROM plugin WHERE digest NOT IN
     (SELECT plugin FROM build WHERE plugin IS NOT NULL AND id NOT IN (SELECT value FROM json_each(?1)))";

/// Ids rise and a build's plugin never changes. Other writers therefore wait only while later
/// builds are looked at.
const PRUNE_PLUGIN: &str = "DELETE FROM plugin WHERE digest = ?1 AND NOT EXISTS
     (SELECT 1 FROM build WHERE id > ?2 AND plugin = ?1)";

/// The records of one job's builds.
pub(super) const OF_JOB: &str = "build_id IN (SELECT id FROM build WHERE job_id = ?)";

/// The columns that [`build`] reads, in its order.
pub(super) const BUILD: &str = "id, job_id, created, start_time, end_time, started, finished, success, skipped, owner, \
     attempt, plugin, retval_digest, config, retval, exception, exception_tb, retval_type, \
     coalesce(attempt_time, start_time), retry_time, cancel, deleting, run, rerun_of, pool, pool_slots, peak_memory, \
     guest_time, skip_reason, failure_kind, failure_message, \
     (SELECT json_group_array(json_array(job, used, retval_digest)) FROM pin WHERE pin.build = build.id), \
     http_requests, http_sent, http_received, edited, worker";

/// The same without return value and traceback, which can be large. Of the failure, it has only
/// what lists show.
pub(super) const BRIEF: &str = "id, job_id, created, start_time, end_time, started, finished, success, skipped, owner, \
     attempt, plugin, retval_digest, config, NULL, NULL, NULL, NULL, \
     coalesce(attempt_time, start_time), retry_time, cancel, deleting, run, rerun_of, pool, pool_slots, peak_memory, \
     guest_time, skip_reason, failure_kind, failure_message, \
     (SELECT json_group_array(json_array(job, used, retval_digest)) FROM pin WHERE pin.build = build.id), \
     http_requests, http_sent, http_received, edited, worker";

/// Reads a row of [`BUILD`] or of [`BRIEF`].
pub(super) fn build(row: &Row<'_>) -> rusqlite::Result<Build> {
    let blob = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_blob_or_null()?);
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|t| t.map(Timestamp));
    let value = |bytes: &[u8]| {
        value::unpack(bytes).unwrap_or_else(|error| Value::String(format!("could not be read: {error}")))
    };
    let exception = match (blob(15)?, row.get::<_, Option<String>>(29)?) {
        (Some(packed), _) => Some(unpack_failure(packed)),
        (None, Some(kind)) => {
            Some(Failure::new(FailureKind::from_text(&kind), row.get::<_, Option<String>>(30)?.unwrap_or_default()))
        }
        (None, None) => None,
    };
    let pool = row.get::<_, Option<String>>(24)?;
    let slots = row.get::<_, Option<u32>>(25)?.unwrap_or(1);
    let usage = match (row.get(26)?, row.get(27)?) {
        (None, None) => None,
        (peak, time) => {
            let (peak_memory, guest_time) = (peak.unwrap_or(0), time.unwrap_or(0));
            Some(Usage { peak_memory, guest_time, traffic: traffic::read(row, 32)? })
        }
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
        worker: row.get(36)?,
        attempt: row.get(10)?,
        plugin: row.get(11)?,
        retval_digest: row.get(12)?,
        config: blob(13)?.map_or(Value::Null, value),
        edited: row.get(35)?,
        pins: pins(row.get_ref(31)?.as_str_or_null()?),
        run: row.get(22)?,
        rerun_of: row.get(23)?,
        pool: pool.map(|name| PoolUse { name, slots }),
        retval: blob(14)?.map(value),
        skip_reason: row.get(28)?,
        usage,
        exception,
        exception_tb: blob(16)?.map(unpack_frames).unwrap_or_default(),
        retval_type: row.get(17)?,
        attempt_time: time(18)?,
        retry_time: time(19)?,
        cancel: row.get(20)?,
        deleting: row.get(21)?,
    })
}

/// Reads the pins as [`BUILD`] puts them together.
fn pins(json: Option<&str>) -> Vec<Pin> {
    // Most builds have none.
    let json = json.filter(|json| *json != "[]");
    let pins: Vec<(String, u64, Option<String>)> =
        json.map(|json| serde_json::from_str(json).unwrap_or_default()).unwrap_or_default();
    pins.into_iter().map(|(job, build, retval_digest)| Pin { job, build, retval_digest }).collect()
}

/// Reads a row of `attempt`: number, start_time, end_time, exception, exception_tb, worker.
pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let mut failure = row.get::<_, Option<Vec<u8>>>(3)?.map(|bytes| unpack_failure(&bytes));
    if let (Some(failure), Some(tb)) = (&mut failure, row.get::<_, Option<Vec<u8>>>(4)?) {
        failure.frames = unpack_frames(&tb);
    }
    let end_time = Some(Timestamp(row.get(2)?));
    let start_time = Timestamp(row.get(1)?);
    Ok(Attempt { number: row.get(0)?, start_time, end_time, worker: row.get(5)?, failure })
}

/// The columns that [`record`] reads, in its order.
pub(super) const RECORD: &str = "id, build_id, created, level, record, exception_tb, attempt, target, message";

/// Reads a row of [`RECORD`].
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<LogRecord> {
    let attempt = row.get(6)?;
    let packed = LogRow {
        created: Timestamp(row.get(2)?),
        level: row.get(3)?,
        attempt: Some(attempt),
        message: row.get(8)?,
        target: row.get(7)?,
        record: row.get(4)?,
        exception_tb: row.get(5)?,
    };
    Ok(LogRecord { id: row.get(0)?, build_id: row.get(1)?, attempt, record: unpack_record(packed) })
}
