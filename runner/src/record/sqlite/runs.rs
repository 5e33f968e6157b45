//! Writes runs to rows, and reads them from rows.

use std::collections::BTreeMap;

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::request::RunRequest;
use jobcontrol_core::run::Missed;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunCounts;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::unpack_plan;
use jobcontrol_core::storage::unpack_refused;
use jobcontrol_core::value;
use jobcontrol_core::value::Value;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::sql;
use super::sql::RowError;
use super::sql::number;
use super::sql::possible;

pub(super) fn create(db: &Connection, new: &NewRun) -> sql::Result {
    let sql = "INSERT INTO run
             (created, requested_by, priority, owner, targets, request, plan, service, held, begun, first_build)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9 OR ?4 IS NOT NULL, (SELECT coalesce(max(id), 0) + 1 FROM build))";
    db.prepare_cached(sql)?.execute(params![
        new.created.0,
        new.requested_by,
        new.priority,
        new.owner,
        new.targets,
        new.request,
        new.plan,
        new.service,
        new.held
    ])?;
    if let Some(missed) = &new.missed {
        let sql =
            "UPDATE run SET end_time = created, status = ?2, reason = ?3, first_due = ?4, last_due = ?5, dues = ?6,
                 last_build = first_build - 1
             WHERE id = ?1";
        let (id, count) = (db.last_insert_rowid(), number(missed.count));
        let (first, last) = (missed.first.0, missed.last.0);
        db.prepare_cached(sql)?.execute(params![id, missed.status.name(), missed.reason, first, last, count])?;
        return Ok(u64::try_from(id).unwrap_or(0));
    }
    Ok(u64::try_from(db.last_insert_rowid()).unwrap_or(0))
}

/// Returns who asked for each of these runs.
pub(super) fn requesters(db: &Connection, runs: &[u64]) -> rusqlite::Result<BTreeMap<u64, Requester>> {
    let mut statement = db.prepare_cached("SELECT requested_by FROM run WHERE id = ?1")?;
    let mut found = BTreeMap::new();
    for id in runs {
        let text: Option<String> = statement.query_row([number(*id)], |row| row.get(0)).optional()?;
        found.extend(text.map(|text| (*id, Requester::from_text(&text))));
    }
    Ok(found)
}

/// Returns the run of a build. A new run is recorded first.
pub(super) fn of(db: &Connection, run: &RunOf) -> Result<Option<u64>, RowError> {
    match run {
        RunOf::Nothing => Ok(None),
        RunOf::Run(run) => Ok(Some(*run)),
        RunOf::New(new) => create(db, new).map(Some),
    }
}

pub(super) fn end(db: &Connection, end: &EndRun) -> sql::Result {
    let sql = "UPDATE run SET end_time = ?2, status = ?3, refused = ?4,
             last_build = (SELECT coalesce(max(id), 0) FROM build)
         WHERE id = ?1 AND status IS NULL";
    let id = possible(end.id)?;
    let rows = db.prepare_cached(sql)?.execute(params![id, end.time.0, end.status.name(), end.refused])?;
    if rows == 0 { known(db, end.id) } else { Ok(0) }
}

/// Ends the run of a build together with the build.
pub(super) fn end_with(db: &Connection, build: i64, time: Timestamp, status: RunStatus) -> rusqlite::Result<()> {
    let sql = "UPDATE run SET end_time = ?2, status = ?3,
             last_build = (SELECT coalesce(max(id), 0) FROM build)
         WHERE id = (SELECT run FROM build WHERE id = ?1) AND status IS NULL";
    db.prepare_cached(sql)?.execute(params![build, time.0, status.name()]).map(drop)
}

pub(super) fn cancel(db: &Connection, id: u64, by: &str) -> sql::Result {
    let run = "UPDATE run SET cancel = ?2 WHERE id = ?1 AND status IS NULL";
    db.prepare_cached(run)?.execute(params![possible(id)?, by])?;
    let builds = "UPDATE build SET cancel = ?2 WHERE run = ?1 AND finished = 0";
    db.prepare_cached(builds)?.execute(params![possible(id)?, by])?;
    known(db, id)
}

/// Moves a build that began in another run to this run.
pub(super) fn adopt(db: &Connection, run: u64, build: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE build SET run = ?2 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![build, number(run)])?;
    let sql = "UPDATE run SET first_build = min(first_build, ?1) WHERE id = ?2";
    db.prepare_cached(sql)?.execute(params![build, number(run)]).map(drop)
}

/// The builds of run `?1`, found by their ids, so that no index has to be kept for each build. Only
/// builds of runs at the same time lie between the first and the last.
pub(super) const BUILDS_OF_RUN: &str = "run = ?1 AND id >= (SELECT first_build FROM run WHERE id = ?1)
     AND id <= (SELECT coalesce(last_build, 9223372036854775807) FROM run WHERE id = ?1)";

/// How many runs are deleted at once, so that no writer waits long.
const PRUNED_AT_ONCE: usize = 1_000;

pub(super) fn prune(db: &Connection, before: Timestamp) -> sql::Result {
    let sql = format!(
        "DELETE FROM run WHERE id IN (SELECT id FROM run WHERE end_time < ?1
             AND NOT EXISTS (SELECT 1 FROM build
                 WHERE build.run = run.id AND build.id BETWEEN run.first_build AND run.last_build) LIMIT {PRUNED_AT_ONCE})"
    );
    db.prepare_cached("DELETE FROM reload WHERE created < ?1")?.execute([before.0])?;
    Ok(db.prepare_cached(&sql)?.execute([before.0])? as u64)
}

pub(super) fn known(db: &Connection, id: u64) -> sql::Result {
    let sql = "SELECT EXISTS (SELECT 1 FROM run WHERE id = ?1)";
    let known: bool = db.prepare_cached(sql)?.query_row([possible(id)?], |row| row.get(0))?;
    if known { Ok(0) } else { Err(RowError::Answer(StorageError::NoRun(id))) }
}

const RUN: &str =
    "id, created, end_time, status, requested_by, priority, owner, cancel, request, plan, refused, service, held,
     reason, first_due, last_due, dues";

pub(super) fn one(db: &Connection, id: u64) -> rusqlite::Result<Option<Run>> {
    let sql = format!("SELECT {RUN} FROM run WHERE id = ?1");
    db.prepare_cached(&sql)?.query_row([number(id)], read).optional()
}

pub(super) fn list(db: &Connection, filter: &RunFilter) -> rusqlite::Result<Vec<Run>> {
    let (mut conditions, values) = sql::matching([
        ("id < ?", filter.before.map(number)),
        ("requested_by = ?", filter.requested_by.clone().map(Sql::Text)),
        ("held = ?", filter.held.map(|held| Sql::Integer(held.into()))),
        ("owner IS NOT NULL AND owner = ?", filter.owner.clone().map(Sql::Text)),
        ("service = ?", filter.service.map(|service| Sql::Integer(service.into()))),
    ]);
    match filter.open {
        Some(true) => conditions.push_str(" AND status IS NULL"),
        Some(false) => conditions.push_str(" AND status IS NOT NULL"),
        None => {}
    }
    let limit = filter.limit.map_or(Sql::Integer(-1), number);
    let sql = format!("SELECT {RUN} FROM run WHERE {conditions} ORDER BY id DESC LIMIT ?");
    db.prepare_cached(&sql)?.query_map(params_from_iter(values.into_iter().chain([limit])), read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    let request = row.get_ref(8)?.as_blob()?;
    let (refused, shared) = row.get_ref(10)?.as_blob_or_null()?.map(unpack_refused).unwrap_or_default();
    let (plan, requests) = row.get_ref(9)?.as_blob_or_null()?.map(unpack_plan).unwrap_or_default();
    let status = row.get_ref(3)?.as_str_or_null()?.and_then(RunStatus::from_name);
    let missed = match (status, row.get::<_, Option<String>>(13)?) {
        (Some(status), Some(reason)) => {
            let (first, last) = (Timestamp(row.get(14)?), Timestamp(row.get(15)?));
            Some(Missed { status, reason, first, last, count: row.get(16)? })
        }
        _ => None,
    };
    Ok(Run {
        id: row.get(0)?,
        created: Timestamp(row.get(1)?),
        end_time: row.get::<_, Option<i64>>(2)?.map(Timestamp),
        status,
        service: row.get(11)?,
        held: row.get(12)?,
        missed,
        requester: Requester::from_text(row.get_ref(4)?.as_str()?),
        priority: row.get(5)?,
        owner: row.get(6)?,
        cancel: row.get(7)?,
        request: RunRequest::from_value(&value::unpack(request).unwrap_or(Value::Null)),
        plan,
        requests,
        refused,
        shared,
    })
}

pub(super) fn counts(db: &Connection, runs: &[u64]) -> rusqlite::Result<Vec<RunCounts>> {
    let sql = format!(
        "SELECT started, finished, success, skipped, count(*) FROM build WHERE {BUILDS_OF_RUN}
             GROUP BY started, finished, success, skipped"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut count = |run: &u64| {
        let mut counts = RunCounts::default();
        let mut rows = statement.query([number(*run)])?;
        while let Some(row) = rows.next()? {
            let (started, finished, success, skipped): (bool, bool, bool, bool) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            counts.add(BuildStatus::of(started, finished, success, skipped), row.get(4)?);
        }
        Ok(counts)
    };
    runs.iter().map(&mut count).collect()
}
