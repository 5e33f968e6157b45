//! Reads the log in the order in which it was written.

use std::ops::ControlFlow;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogMap;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::bucket;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::rows;
use super::sql;

/// How many records can be read in sequence in less time than an index needs to find where a moment
/// begins.
const NEAR: i64 = 100_000;

/// The oldest record at or after a moment, by its time.
const BY_TIME: &str = "SELECT id FROM log WHERE created >= ?1 ORDER BY created, id LIMIT 1";

/// The first of all these records, by its id, because a clock may have been set back. The sign
/// keeps SQLite from reading the whole log in the order of its ids.
const BY_ID: &str = "SELECT min(+id) FROM log INDEXED BY log_created WHERE created >= ?1";

/// Records of this level and above have an index. They are few, and most often looked for.
const SEVERE: i64 = 40;

/// Reads the records that match a filter, until `each` breaks off.
pub(super) fn each(
    db: &Connection,
    filter: &LogFilter,
    each: &mut dyn FnMut(LogRecord) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let Some((sql, values)) = query(db, filter, rows::RECORD)? else { return Ok(()) };
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        if each(rows::record(row)?).is_break() {
            break;
        }
    }
    Ok(())
}

/// Returns the ids of the records that match a filter.
pub(super) fn ids(db: &Connection, filter: &LogFilter) -> rusqlite::Result<Vec<u64>> {
    let Some((sql, values)) = query(db, filter, "id")? else { return Ok(Vec::new()) };
    db.prepare_cached(&sql)?.query_map(params_from_iter(values), |row| row.get(0))?.collect()
}

/// Returns how the records of a build are spread over time. Level and time are stored before the
/// text, so no text is read.
pub(super) fn map(db: &Connection, build: u64) -> rusqlite::Result<LogMap> {
    let build = sql::number(build);
    let ends = "SELECT min(created), max(created) FROM log WHERE build_id = ?1";
    let ends: (Option<i64>, Option<i64>) =
        db.prepare_cached(ends)?.query_row([&build], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)) = ends else { return Ok(LogMap::default()) };
    let (first, last) = (Timestamp(first), Timestamp(last));
    let mut map = LogMap::new((first, last));
    let mut statement = db.prepare_cached("SELECT created, level FROM log WHERE build_id = ?1")?;
    let mut rows = statement.query([&build])?;
    while let Some(row) = rows.next()? {
        map.buckets[bucket(Timestamp(row.get(0)?), first, last)].add(row.get(1)?, 1);
    }
    Ok(map)
}

/// Returns the statement that reads these columns of the records that match a filter, with its
/// values. Returns `None` if no record matches.
fn query(db: &Connection, filter: &LogFilter, columns: &str) -> rusqlite::Result<Option<(String, Vec<Sql>)>> {
    let of_all = filter.build_id.is_none() && filter.job_id.is_none();
    let mut after = filter.after;
    if let Some(since) = filter.min_date.filter(|_| of_all) {
        let Some(first) = first(db, since.0)? else { return Ok(None) };
        after = after.max(Some(u64::try_from(first).unwrap_or(0).saturating_sub(1)));
    }
    let (mut conditions, mut values) = sql::matching([
        ("build_id = ?", filter.build_id.map(sql::number)),
        (rows::OF_JOB, filter.job_id.clone().map(Sql::Text)),
        ("level >= ?", filter.min_level.map(Sql::Integer)),
        // The sign keeps SQLite from using the index of times, because everything would have to be
        // sorted after that.
        ("+created >= ?", filter.min_date.map(|t| Sql::Integer(t.0))),
        ("+created < ?", filter.max_date.map(|t| Sql::Integer(t.0))),
        ("id > ?", after.map(sql::number)),
    ]);
    let mut log = "log";
    if of_all && filter.min_level.is_some_and(|level| level >= SEVERE) {
        log = "log INDEXED BY log_severe";
        conditions.push_str(&format!(" AND level >= {SEVERE}"));
    }
    let mut sql = format!("SELECT {columns} FROM {log} WHERE {conditions} ORDER BY id");
    if let Some(last) = filter.last {
        values.push(sql::number(last));
        sql = format!("SELECT * FROM ({sql} DESC LIMIT ?) ORDER BY id");
    }
    Ok(Some((sql, values)))
}

/// Returns the first record at or after a moment, or one not far before it.
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
