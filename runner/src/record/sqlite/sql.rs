//! What all statements share: ids as SQLite has them, conditions, and what can go wrong.

use jobcontrol_core::storage::StorageError;
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

pub(super) type Result = std::result::Result<u64, RowError>;

/// A number that SQLite can hold; no build has a larger one.
pub(super) fn possible(id: u64) -> std::result::Result<i64, RowError> {
    i64::try_from(id).map_err(|_| RowError::Answer(StorageError::NotFound(id)))
}

/// An id as SQLite has it; one that it cannot hold is there never.
pub(super) fn number(n: u64) -> Sql {
    Sql::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The conditions that are asked for, all of them to be met, with their values. Only what is asked
/// for stands in the text, so that an index can serve it.
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
