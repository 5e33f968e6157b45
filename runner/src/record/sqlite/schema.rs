//! The tables, made by numbered migrations that only go forward.

use rusqlite::Connection;
use rusqlite::TransactionBehavior;

use super::assigned;
use super::traffic;
use super::v3;
use super::v5;
use super::v6;
use crate::say::Say;

/// Version 1. Times are microseconds since 1970 UTC. The columns config, retval, exception,
/// exception_tb and record contain MessagePack.
const V1: &str = "
CREATE TABLE store (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
INSERT INTO store (key, value) VALUES ('id', lower(hex(randomblob(16))));

CREATE TABLE build (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    created INTEGER NOT NULL,
    start_time INTEGER,
    end_time INTEGER,
    started INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0,
    success INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    config BLOB NOT NULL,
    retval BLOB,
    exception BLOB,
    exception_tb BLOB,
    owner TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    plugin TEXT,
    retval_type TEXT,
    retval_digest TEXT
) STRICT;
CREATE INDEX build_of_job ON build (job_id, id);
CREATE INDEX build_running ON build (id) WHERE started = 1 AND finished = 0;

CREATE TABLE build_progress (
    id INTEGER PRIMARY KEY,
    build_id INTEGER NOT NULL REFERENCES build (id) ON DELETE CASCADE,
    group_name TEXT NOT NULL,
    current INTEGER NOT NULL,
    total INTEGER NOT NULL,
    status_line TEXT NOT NULL,
    UNIQUE (build_id, group_name)
) STRICT;

CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id INTEGER NOT NULL REFERENCES build (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    level INTEGER NOT NULL,
    record BLOB NOT NULL,
    exception_tb BLOB
) STRICT;
CREATE INDEX log_of_build ON log (build_id, id);

CREATE TABLE plugin (
    digest TEXT NOT NULL PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE VIEW builds AS SELECT
    id,
    job_id,
    CASE
        WHEN finished = 0 AND started = 0 THEN 'CREATED'
        WHEN finished = 0 THEN 'RUNNING'
        WHEN success = 0 THEN 'FAILED'
        WHEN skipped = 1 THEN 'SKIPPED'
        ELSE 'SUCCESSFUL'
    END AS status,
    strftime('%Y-%m-%dT%H:%M:%fZ', created / 1e6, 'unixepoch') AS created,
    strftime('%Y-%m-%dT%H:%M:%fZ', start_time / 1e6, 'unixepoch') AS start_time,
    strftime('%Y-%m-%dT%H:%M:%fZ', end_time / 1e6, 'unixepoch') AS end_time,
    (end_time - start_time) / 1e6 AS seconds,
    attempt,
    owner,
    plugin
FROM build;

CREATE VIEW logs AS SELECT
    log.id,
    log.build_id,
    build.job_id,
    strftime('%Y-%m-%dT%H:%M:%fZ', log.created / 1e6, 'unixepoch') AS created,
    log.level
FROM log JOIN build ON build.id = log.build_id;

CREATE VIEW progress AS SELECT build_id, group_name, current, total, status_line FROM build_progress;
";

/// Version 2. An ordinary build is one row. Only attempts that another attempt follows are kept
/// apart.
const V2: &str = "
ALTER TABLE build ADD COLUMN attempt_time INTEGER;
ALTER TABLE build ADD COLUMN retry_time INTEGER;
ALTER TABLE build ADD COLUMN cancel TEXT;
ALTER TABLE build ADD COLUMN deleting INTEGER NOT NULL DEFAULT 0;
CREATE INDEX build_cancel ON build (id) WHERE cancel IS NOT NULL AND finished = 0;
CREATE INDEX build_deleting ON build (id) WHERE deleting = 1;
CREATE INDEX build_succeeded ON build (job_id, id) WHERE success = 1 AND skipped = 0;
CREATE INDEX build_failed ON build (id) WHERE finished = 1 AND success = 0;
CREATE INDEX build_failed_of_job ON build (job_id, id) WHERE finished = 1 AND success = 0;
CREATE INDEX build_skipped ON build (job_id, id) WHERE skipped = 1;
DROP INDEX build_running;
CREATE INDEX build_unfinished ON build (id) WHERE finished = 0;
ALTER TABLE log ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;

CREATE TABLE attempt (
    build_id INTEGER NOT NULL REFERENCES build (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    end_time INTEGER NOT NULL,
    exception BLOB,
    exception_tb BLOB,
    PRIMARY KEY (build_id, number)
) STRICT, WITHOUT ROWID;

CREATE VIEW attempts AS SELECT
    build_id,
    number,
    strftime('%Y-%m-%dT%H:%M:%fZ', start_time / 1e6, 'unixepoch') AS start_time,
    strftime('%Y-%m-%dT%H:%M:%fZ', end_time / 1e6, 'unixepoch') AS end_time,
    (end_time - start_time) / 1e6 AS seconds
FROM attempt;
";

/// Undoes all versions.
pub(super) const UNINSTALL: &str = "
DROP VIEW IF EXISTS runs;
DROP VIEW IF EXISTS attempts;
DROP VIEW IF EXISTS progress;
DROP VIEW IF EXISTS logs;
DROP VIEW IF EXISTS builds;
DROP TABLE IF EXISTS plugin;
DROP TABLE IF EXISTS log;
DROP TABLE IF EXISTS attempt;
DROP TABLE IF EXISTS build_progress;
DROP TABLE IF EXISTS pin;
DROP TABLE IF EXISTS build;
DROP TABLE IF EXISTS run;
DROP TABLE IF EXISTS reload;
DROP TABLE IF EXISTS schedule;
DROP TABLE IF EXISTS tried;
DROP TABLE IF EXISTS token;
DROP TABLE IF EXISTS store;
PRAGMA user_version = 0;
";

/// Brings a store from one version to the next, inside the transaction of [`migrate`].
type Step = fn(&Connection, &Say) -> rusqlite::Result<()>;

/// The step at index `n` leads from version `n` to version `n + 1`. Released steps never change.
const STEPS: &[Step] = &[
    |db, _| db.execute_batch(V1),
    |db, _| db.execute_batch(V2),
    v3::up,
    |db, _| db.execute_batch(traffic::V4),
    |db, _| db.execute_batch(v5::V5),
    v6::up,
    |db, _| db.execute_batch(assigned::V7),
];

/// The version that this program reads and writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// Takes the steps that the store still needs, all in one transaction, and returns the version of
/// the store afterwards. A process that comes second waits for the first and has nothing left to
/// do. A newer store stays as it is. Steps that take long say how far they are.
pub(super) fn migrate(db: &mut Connection, say: &Say) -> rusqlite::Result<i64> {
    take(STEPS, db, say)
}

fn take(steps: &[Step], db: &mut Connection, say: &Say) -> rusqlite::Result<i64> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version >= steps.len() {
        return Ok(version as i64);
    }
    for step in &steps[version..] {
        step(&transaction, say)?;
    }
    transaction.pragma_update(None, "user_version", steps.len())?;
    transaction.commit()?;
    Ok(steps.len() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Say {
        std::sync::Arc::new(|_: &str| {})
    }

    const TABLE: Step = |db, _| db.execute_batch("CREATE TABLE t (a)");
    const ROW: Step = |db, _| db.execute("INSERT INTO t VALUES (1)", []).map(drop);
    const BROKEN: Step = |db, _| db.execute_batch("INSERT INTO t VALUES (2); nonsense");

    fn state(db: &Connection) -> (i64, rusqlite::Result<i64>) {
        let version = db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        (version, db.query_row("SELECT sum(a) FROM t", [], |row| row.get(0)))
    }

    #[test]
    fn each_step_is_taken_once() {
        let mut db = Connection::open_in_memory().unwrap();
        assert_eq!(take(&[TABLE], &mut db, &quiet()), Ok(1));
        assert_eq!(take(&[TABLE, ROW], &mut db, &quiet()), Ok(2));
        assert_eq!(take(&[TABLE, ROW], &mut db, &quiet()), Ok(2));
        assert_eq!(state(&db), (2, Ok(1)));
    }

    #[test]
    fn a_step_that_fails_undoes_those_before_it() {
        let mut db = Connection::open_in_memory().unwrap();
        assert_eq!(take(&[TABLE, ROW], &mut db, &quiet()), Ok(2));
        assert!(take(&[TABLE, ROW, ROW, BROKEN], &mut db, &quiet()).is_err());
        assert_eq!(state(&db), (2, Ok(1)));
    }

    #[test]
    fn a_newer_store_stays_as_it_is() {
        let mut db = Connection::open_in_memory().unwrap();
        assert_eq!(take(&[TABLE, ROW], &mut db, &quiet()), Ok(2));
        assert_eq!(take(&[TABLE], &mut db, &quiet()), Ok(2));
        assert_eq!(state(&db), (2, Ok(1)));
    }
}
