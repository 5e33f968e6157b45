//! Reading the log, in the order in which it was written.

use std::ops::ControlFlow;

use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogRecord;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::rows;
use super::sql;

/// Records that are read one after the other sooner than an index says where those of a moment begin.
const NEAR: i64 = 100_000;

/// The oldest record of a moment or later, by its time.
const BY_TIME: &str = "SELECT id FROM log WHERE created >= ?1 ORDER BY created, id LIMIT 1";

/// The first of all of them, by its id: a clock may have been set back. The sign keeps SQLite from reading the whole log in
/// the order of its ids.
const BY_ID: &str = "SELECT min(+id) FROM log INDEXED BY log_created WHERE created >= ?1";

/// From this level on there is an index: those records are few, and looked for most.
const SEVERE: i64 = 40;

/// Reads what a filter lets through, up to where `each` breaks off.
pub(super) fn each(
    db: &Connection,
    filter: &LogFilter,
    each: &mut dyn FnMut(LogRecord) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let of_all = filter.build_id.is_none() && filter.job_id.is_none();
    let mut after = filter.after;
    if let Some(since) = filter.min_date.filter(|_| of_all) {
        let Some(first) = first(db, since.0)? else { return Ok(()) };
        after = after.max(Some(u64::try_from(first).unwrap_or(0).saturating_sub(1)));
    }
    let (mut conditions, mut values) = sql::matching([
        ("build_id = ?", filter.build_id.map(sql::number)),
        (rows::OF_JOB, filter.job_id.clone().map(Sql::Text)),
        ("level >= ?", filter.min_level.map(Sql::Integer)),
        // The sign keeps SQLite from the index of times, after which everything would have to be sorted.
        ("+created >= ?", filter.min_date.map(|t| Sql::Integer(t.0))),
        ("+created < ?", filter.max_date.map(|t| Sql::Integer(t.0))),
        ("id > ?", after.map(sql::number)),
    ]);
    let mut log = "log";
    if of_all && filter.min_level.is_some_and(|level| level >= SEVERE) {
        log = "log INDEXED BY log_severe";
        conditions.push_str(&format!(" AND level >= {SEVERE}"));
    }
    let columns = rows::RECORD;
    let mut sql = format!("SELECT {columns} FROM {log} WHERE {conditions} ORDER BY id");
    if let Some(last) = filter.last {
        values.push(sql::number(last));
        sql = format!("SELECT * FROM ({sql} DESC LIMIT ?) ORDER BY id");
    }
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        if each(rows::record(row)?).is_break() {
            break;
        }
    }
    Ok(())
}

/// The first record of a moment or later, or one not far before it.
fn first(db: &Connection, since: i64) -> rusqlite::Result<Option<i64>> {
    let Some(oldest) = db.prepare_cached(BY_TIME)?.query_row([since], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(None);
    };
    let start = db.prepare_cached("SELECT min(id) FROM log")?.query_row([], |row| row.get::<_, Option<i64>>(0))?;
    match start {
        Some(start) if oldest - start < NEAR => Ok(Some(start)),
        _ => db.prepare_cached(BY_ID)?.query_row([since], |row| row.get(0)),
    }
}
