//! Stores the state of services: who works on which run, reloads, schedules, and what `on: change`
//! has tried.

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::reload::Reload;
use jobcontrol_core::storage::ClaimRun;
use jobcontrol_core::storage::NewReload;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::ReloadRow;
use jobcontrol_core::storage::ScheduleState;
use jobcontrol_core::storage::StepSchedule;
use jobcontrol_core::storage::Tried;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use super::runs;
use super::runs::known;
use super::sql;
use super::sql::RowError;
use super::sql::number;
use super::sql::possible;

/// Builds that have not started change owners with their run, whoever has created them.
const HAND_OVER: &str = "UPDATE build SET owner = ?2 WHERE run = ?1 AND finished = 0 AND started = 0
     AND id >= (SELECT first_build FROM run WHERE id = ?1)";

pub(super) fn claim(db: &Connection, claim: &ClaimRun) -> sql::Result {
    // The owner is compared in Rust: with `owner IS ?`, a partial index on `owner IS NULL` makes
    // SQLite recompile the statement each time.
    let sql = "SELECT begun, owner FROM run WHERE id = ?1 AND status IS NULL AND cancel IS NULL AND held = 0";
    let id = possible(claim.id)?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let open: Option<(bool, Option<String>)> = db.prepare_cached(sql)?.query_row([id], read).optional()?;
    let Some((begun, _)) = open.filter(|(_, owner)| owner.as_deref() == claim.from.as_deref()) else {
        return known(db, claim.id);
    };
    db.prepare_cached("UPDATE run SET owner = ?2, begun = 1 WHERE id = ?1")?.execute(params![id, claim.owner])?;
    if begun {
        db.prepare_cached(HAND_OVER)?.execute(params![id, claim.owner])?;
    }
    Ok(if begun { 2 } else { 1 })
}

pub(super) fn release(db: &Connection, id: u64, owner: &str) -> sql::Result {
    let sql = "UPDATE run SET owner = NULL WHERE id = ?1 AND owner IS ?2 AND status IS NULL";
    if db.prepare_cached(sql)?.execute(params![possible(id)?, owner])? == 0 {
        return known(db, id);
    }
    db.prepare_cached(HAND_OVER)?.execute(params![possible(id)?, None::<String>])?;
    Ok(0)
}

pub(super) fn start(db: &Connection, id: u64) -> sql::Result {
    db.prepare_cached("UPDATE run SET held = 0 WHERE id = ?1")?.execute([possible(id)?])?;
    known(db, id)
}

pub(super) fn reload(db: &Connection, new: &NewReload) -> sql::Result {
    let sql = "INSERT INTO reload (created, content) VALUES (?1, ?2)";
    db.prepare_cached(sql)?.execute(params![new.created.0, new.reload.pack()])?;
    Ok(u64::try_from(db.last_insert_rowid()).unwrap_or(0))
}

pub(super) fn try_all(db: &Connection, tried: &[Tried]) -> sql::Result {
    let sql = "INSERT INTO tried (job_id, fingerprint) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET fingerprint = excluded.fingerprint";
    let mut write = db.prepare_cached(sql)?;
    for Tried { job, fingerprint } in tried {
        write.execute(params![job, fingerprint])?;
    }
    Ok(0)
}

pub(super) fn step(db: &Connection, step: &StepSchedule) -> sql::Result {
    let StepSchedule { job, before, state, runs, missed } = step;
    let known = "SELECT last, missed FROM schedule WHERE job_id = ?1";
    let known = db.prepare_cached(known)?.query_row([job], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let known: Option<(i64, Option<i64>)> = known;
    if known.map(|(last, _)| Timestamp(last)) != *before {
        return Ok(0);
    }
    let open = known.and_then(|(_, missed)| missed).filter(|_| runs.is_empty());
    for run in runs {
        runs::create(db, run)?;
    }
    let mut newest = open;
    for new in missed {
        if !extend(db, newest, new)? {
            newest = Some(i64::try_from(runs::create(db, new)?).unwrap_or(i64::MAX));
        }
    }
    let sql = "INSERT INTO schedule (job_id, rule, last, missed) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET rule = excluded.rule, last = excluded.last, missed = excluded.missed";
    db.prepare_cached(sql)?.execute(params![job, state.rule, state.last.0, newest])?;
    Ok(1)
}

/// Adds to the row of what was missed before, if it has the same status and reason.
fn extend(db: &Connection, open: Option<i64>, new: &NewRun) -> Result<bool, RowError> {
    let (Some(open), Some(missed)) = (open, &new.missed) else {
        return Ok(false);
    };
    let sql = "UPDATE run SET last_due = ?2, dues = dues + ?3, end_time = ?4
         WHERE id = ?1 AND status = ?5 AND reason = ?6";
    let more = number(missed.count);
    let rows = db.prepare_cached(sql)?.execute(params![
        open,
        missed.last.0,
        more,
        new.created.0,
        missed.status.name(),
        missed.reason
    ])?;
    Ok(rows > 0)
}

pub(super) fn waiting(db: &Connection, limit: u64) -> rusqlite::Result<Vec<u64>> {
    let sql = "SELECT id FROM run WHERE status IS NULL AND owner IS NULL AND service = 1 AND held = 0
         ORDER BY priority DESC, id LIMIT ?1";
    db.prepare_cached(sql)?.query_map([number(limit)], |row| row.get(0))?.collect()
}

/// Written exactly as in the index.
const UNTOLD: &str = "SELECT id FROM run
     WHERE told = 0 AND substr(requested_by, 1, 9) = 'schedule:' AND status IN ('FAILED', 'CANCELLED', 'INTERRUPTED')
     ORDER BY id";

pub(super) fn untold(db: &Connection) -> rusqlite::Result<Vec<u64>> {
    db.prepare_cached(UNTOLD)?.query_map([], |row| row.get(0))?.collect()
}

pub(super) fn told(db: &Connection, id: u64) -> sql::Result {
    db.prepare_cached("UPDATE run SET told = 1 WHERE id = ?1")?.execute([possible(id)?])?;
    Ok(0)
}

pub(super) fn owners(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT owner FROM run WHERE status IS NULL AND service = 1 AND owner IS NOT NULL";
    db.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
}

pub(super) fn reloads(db: &Connection, before: Option<u64>, limit: u64) -> rusqlite::Result<Vec<ReloadRow>> {
    let sql = "SELECT id, created, content FROM reload WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let read = |row: &rusqlite::Row<'_>| {
        let reload = Reload::unpack(row.get_ref(2)?.as_blob()?);
        Ok(ReloadRow { id: row.get(0)?, created: Timestamp(row.get(1)?), reload })
    };
    let before = number(before.unwrap_or(u64::MAX));
    db.prepare_cached(sql)?.query_map([before, number(limit)], read)?.collect()
}

pub(super) fn schedules(db: &Connection) -> rusqlite::Result<Vec<ScheduleState>> {
    let sql = "SELECT job_id, rule, last FROM schedule ORDER BY job_id";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(ScheduleState { job: row.get(0)?, rule: row.get(1)?, last: Timestamp(row.get(2)?) })
    };
    db.prepare_cached(sql)?.query_map([], read)?.collect()
}

pub(super) fn tried(db: &Connection, jobs: &[&str]) -> rusqlite::Result<Vec<Option<String>>> {
    let mut read = db.prepare_cached("SELECT fingerprint FROM tried WHERE job_id = ?1")?;
    jobs.iter().map(|job| read.query_row([job], |row| row.get(0)).optional()).collect()
}
