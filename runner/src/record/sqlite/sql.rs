//! What all statements share: ids as SQLite values, conditions, and errors.

use jobcontrol_core::storage::StorageError;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;

/// Why a change failed: the store's own error, or SQLite's.
pub(super) enum RowError {
    Answer(StorageError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

pub(super) type Result = std::result::Result<u64, RowError>;

/// Returns an id as a number that SQLite can hold. No build has a larger one.
pub(super) fn possible(id: u64) -> std::result::Result<i64, RowError> {
    i64::try_from(id).map_err(|_| RowError::Answer(StorageError::NotFound(id)))
}

/// Returns an id as an SQL value. An id that SQLite cannot hold never exists.
pub(super) fn number(n: u64) -> Sql {
    Sql::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Returns the requested conditions, which must all be met, with their values. The text has no
/// other conditions, so that an index can be used.
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

/// Returns `NotFound` if nothing was changed.
pub(super) fn changed(rows: usize, id: u64) -> Result {
    if rows == 0 { Err(RowError::Answer(StorageError::NotFound(id))) } else { Ok(0) }
}

/// Returns `Stale` if nothing was changed although the build exists. It is not in the expected
/// state.
pub(super) fn unless_stale(db: &Connection, rows: usize, id: u64) -> Result {
    if rows == 0 {
        let sql = "SELECT EXISTS (SELECT 1 FROM build WHERE id = ?1)";
        let known: bool = db.prepare_cached(sql)?.query_row([possible(id)?], |row| row.get(0))?;
        if known {
            return Err(RowError::Answer(StorageError::Stale(id)));
        }
    }
    changed(rows, id)
}
