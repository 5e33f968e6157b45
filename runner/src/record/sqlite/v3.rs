//! Version 3: runs and pins are rows, what lists and views show are columns, and the config
//! contains only the job.

use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::cut;
use jobcontrol_core::storage::unpack_brief_failure;
use jobcontrol_core::value;
use jobcontrol_core::value::Value;
use rusqlite::Connection;
use rusqlite::params;

use crate::say::Say;

const TABLES: &str = "
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created INTEGER NOT NULL,
    end_time INTEGER,
    status TEXT,
    requested_by TEXT NOT NULL,
    priority INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    cancel TEXT,
    targets TEXT NOT NULL,
    request BLOB NOT NULL,
    plan BLOB,
    refused BLOB,
    first_build INTEGER NOT NULL,
    last_build INTEGER
) STRICT;
CREATE INDEX run_open ON run (id) WHERE status IS NULL;

CREATE TABLE pin (
    build INTEGER NOT NULL REFERENCES build (id) ON DELETE CASCADE,
    job TEXT NOT NULL,
    used INTEGER NOT NULL,
    retval_digest TEXT,
    PRIMARY KEY (build, job)
) STRICT, WITHOUT ROWID;

ALTER TABLE build ADD COLUMN run INTEGER;
ALTER TABLE build ADD COLUMN rerun_of INTEGER;
ALTER TABLE build ADD COLUMN pool TEXT;
ALTER TABLE build ADD COLUMN pool_slots INTEGER;
ALTER TABLE build ADD COLUMN peak_memory INTEGER;
ALTER TABLE build ADD COLUMN guest_time INTEGER;
ALTER TABLE build ADD COLUMN skip_reason TEXT;
ALTER TABLE build ADD COLUMN failure_kind TEXT;
ALTER TABLE build ADD COLUMN failure_message TEXT;
ALTER TABLE attempt ADD COLUMN failure_kind TEXT;
ALTER TABLE attempt ADD COLUMN failure_message TEXT;

DROP VIEW logs;
DROP INDEX log_of_build;
ALTER TABLE log RENAME TO old_log;
CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    build_id INTEGER NOT NULL REFERENCES build (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    level INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    target TEXT NOT NULL,
    message TEXT NOT NULL,
    record BLOB,
    exception_tb BLOB
) STRICT;
";

const INDEXES_AND_VIEWS: &str = "
INSERT INTO sqlite_sequence (name, seq) SELECT 'log', 0
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'log');
UPDATE sqlite_sequence SET seq = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'old_log'), seq)
    WHERE name = 'log';
DROP TABLE old_log;
CREATE INDEX log_of_build ON log (build_id, id);
CREATE INDEX pin_used ON pin (used);
CREATE INDEX build_pool ON build (pool, id) WHERE pool IS NOT NULL AND finished = 0;

DROP VIEW builds;
CREATE VIEW builds AS SELECT
    build.id,
    build.job_id,
    CASE
        WHEN build.finished = 0 AND build.started = 0 THEN 'CREATED'
        WHEN build.finished = 0 THEN 'RUNNING'
        WHEN build.success = 0 THEN 'FAILED'
        WHEN build.skipped = 1 THEN 'SKIPPED'
        ELSE 'SUCCESSFUL'
    END AS status,
    build.failure_kind,
    build.failure_message,
    build.skip_reason,
    strftime('%Y-%m-%dT%H:%M:%fZ', build.created / 1e6, 'unixepoch') AS created,
    strftime('%Y-%m-%dT%H:%M:%fZ', build.start_time / 1e6, 'unixepoch') AS start_time,
    strftime('%Y-%m-%dT%H:%M:%fZ', build.end_time / 1e6, 'unixepoch') AS end_time,
    (build.end_time - build.start_time) / 1e6 AS seconds,
    build.guest_time / 1e6 AS guest_seconds,
    build.peak_memory,
    build.attempt,
    build.run,
    run.requested_by,
    build.rerun_of,
    build.pool,
    build.owner,
    build.plugin
FROM build LEFT JOIN run ON run.id = build.run;

CREATE VIEW logs AS SELECT
    log.id,
    log.build_id,
    build.job_id,
    log.attempt,
    strftime('%Y-%m-%dT%H:%M:%fZ', log.created / 1e6, 'unixepoch') AS created,
    log.level,
    CASE
        WHEN log.level >= 50 THEN 'CRITICAL'
        WHEN log.level >= 40 THEN 'ERROR'
        WHEN log.level >= 30 THEN 'WARNING'
        WHEN log.level >= 20 THEN 'INFO'
        ELSE 'DEBUG'
    END AS level_name,
    log.target,
    log.message
FROM log JOIN build ON build.id = log.build_id;

DROP VIEW attempts;
CREATE VIEW attempts AS SELECT
    build_id,
    number,
    failure_kind,
    failure_message,
    strftime('%Y-%m-%dT%H:%M:%fZ', start_time / 1e6, 'unixepoch') AS start_time,
    strftime('%Y-%m-%dT%H:%M:%fZ', end_time / 1e6, 'unixepoch') AS end_time,
    (end_time - start_time) / 1e6 AS seconds
FROM attempt;

CREATE VIEW runs AS SELECT
    id,
    targets,
    status,
    requested_by,
    cancel,
    strftime('%Y-%m-%dT%H:%M:%fZ', created / 1e6, 'unixepoch') AS created,
    strftime('%Y-%m-%dT%H:%M:%fZ', end_time / 1e6, 'unixepoch') AS end_time,
    (end_time - created) / 1e6 AS seconds,
    priority,
    owner
FROM run;
";

/// How many rows are read at once, so that a large store needs no memory.
const PAGE: usize = 1_000;

/// How often the user who waits sees how far the migration is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// How many characters of a failure's message lists and views show. New builds keep as many.
const SHOWN_MESSAGE: usize = 1_000;

pub(super) fn up(db: &Connection, say: &Say) -> rusqlite::Result<()> {
    db.execute_batch(TABLES)?;
    let mut told = Told { since: Instant::now(), say };
    builds(db, &mut told)?;
    end_runs(db)?;
    attempts(db)?;
    logs(db, &mut told)?;
    db.execute_batch(INDEXES_AND_VIEWS)
}

/// Reports now and then how far the migration is.
struct Told<'a> {
    since: Instant,
    say: &'a Say,
}

impl Told<'_> {
    fn so_far(&mut self, done: i64, all: i64, what: &str) {
        if self.since.elapsed() >= TELL_EVERY {
            self.since = Instant::now();
            (self.say)(&format!("upgrading the store to version 3: {done} of {all} {what}"));
        }
    }
}

/// The parts of a build of version 2 that change.
struct Old {
    id: i64,
    job: String,
    created: i64,
    owner: Option<String>,
    config: Vec<u8>,
    exception: Option<Vec<u8>>,
}

fn builds(db: &Connection, told: &mut Told<'_>) -> rusqlite::Result<()> {
    let all = db.query_row("SELECT count(*) FROM build", [], |row| row.get(0))?;
    let sql = "SELECT id, job_id, created, owner, config, exception FROM build WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut page = db.prepare(sql)?;
    let (mut after, mut done) = (0, 0);
    let mut runs: HashMap<String, i64> = HashMap::new();
    loop {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Old {
                id: row.get(0)?,
                job: row.get(1)?,
                created: row.get(2)?,
                owner: row.get(3)?,
                config: row.get(4)?,
                exception: row.get(5)?,
            })
        };
        let rows: Vec<Old> = page.query_map(params![after, PAGE as i64], read)?.collect::<rusqlite::Result<_>>()?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.id;
        for old in &rows {
            build(db, old, &mut runs)?;
            done += 1;
            told.so_far(done, all, "builds");
        }
    }
}

fn build(db: &Connection, old: &Old, runs: &mut HashMap<String, i64>) -> rusqlite::Result<()> {
    let config = value::unpack(&old.config).unwrap_or(Value::Null);
    let run = match &old.owner {
        Some(owner) => match runs.get(owner) {
            Some(run) => Some(*run),
            None => {
                let run = new_run(db, old, owner, &config)?;
                runs.insert(owner.clone(), run);
                Some(run)
            }
        },
        None => None,
    };
    if let Some(Value::Map(pins)) = config.get("pins") {
        let sql = "INSERT INTO pin (build, job, used, retval_digest) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = db.prepare_cached(sql)?;
        for (job, pin) in pins {
            if let Some(used) = pin.get("build").and_then(number) {
                insert.execute(params![old.id, job.as_str(), used, pin.get("retval").and_then(Value::as_str)])?;
            }
        }
    }
    let failure = old.exception.as_deref().map(unpack_brief_failure);
    let (kind, message) = failure.map(shown).unzip();
    let rerun_of = config.get("rerun_of").and_then(number);
    let kept = match config {
        Value::Map(mut entries) => {
            entries.retain(|(key, _)| !["pins", "run", "rerun_of"].contains(&key.as_str()));
            value::pack(&Value::Map(entries)).ok()
        }
        _ => None,
    };
    db.prepare_cached(
        "UPDATE build SET config = coalesce(?2, config), run = ?3, rerun_of = ?4, failure_kind = ?5,
             failure_message = ?6 WHERE id = ?1",
    )?
    .execute(params![old.id, kept, run, rerun_of, kind, message])
    .map(drop)
}

fn shown(failure: Failure) -> (String, String) {
    let Failure { kind, mut message, .. } = failure;
    cut(&mut message, SHOWN_MESSAGE);
    (kind.to_string(), message)
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => i64::try_from(*number).ok(),
        _ => None,
    }
}

/// Creates one run for the builds of one owner.
fn new_run(db: &Connection, first: &Old, owner: &str, config: &Value) -> rusqlite::Result<i64> {
    let alone = || Value::entry("targets", Value::List(vec![Value::string(&first.job)]));
    let request = config.get("run").cloned().unwrap_or_else(alone);
    let targets = match request.get("targets") {
        Some(Value::List(targets)) => targets.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => first.job.clone(),
    };
    let packed = value::pack(&request).unwrap_or_default();
    let sql = "INSERT INTO run (created, requested_by, owner, targets, request, first_build)
         VALUES (?1, 'unknown', ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?.execute(params![first.created, owner, targets, packed, first.id])?;
    Ok(db.last_insert_rowid())
}

/// Ends the runs whose builds have all ended.
fn end_runs(db: &Connection) -> rusqlite::Result<()> {
    let cancelled = FailureKind::Cancelled.to_string();
    db.execute_batch("CREATE INDEX build_of_run_3 ON build (run)")?;
    db.execute(
        "UPDATE run SET
             last_build = (SELECT max(id) FROM build WHERE build.run = run.id),
             end_time = (SELECT max(end_time) FROM build WHERE build.run = run.id),
             status = CASE
                 WHEN EXISTS (SELECT 1 FROM build WHERE build.run = run.id AND failure_kind = ?1) THEN 'CANCELLED'
                 WHEN EXISTS (SELECT 1 FROM build WHERE build.run = run.id AND success = 0) THEN 'FAILED'
                 ELSE 'SUCCESSFUL'
             END
         WHERE NOT EXISTS (SELECT 1 FROM build WHERE build.run = run.id AND finished = 0)",
        [cancelled],
    )?;
    db.execute_batch("DROP INDEX build_of_run_3")
}

fn attempts(db: &Connection) -> rusqlite::Result<()> {
    let mut all = db.prepare("SELECT build_id, number, exception FROM attempt WHERE exception IS NOT NULL")?;
    let rows =
        all.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?)))?;
    for row in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        let (build, number, exception) = row;
        let (kind, message) = shown(unpack_brief_failure(&exception));
        let sql = "UPDATE attempt SET failure_kind = ?3, failure_message = ?4 WHERE build_id = ?1 AND number = ?2";
        db.prepare_cached(sql)?.execute(params![build, number, kind, message])?;
    }
    Ok(())
}

/// Returns message, target and the rest of a record that versions 1 and 2 have packed.
fn parted(packed: &[u8]) -> (String, String, Option<Vec<u8>>) {
    let record = match value::unpack(packed) {
        Ok(record) => record,
        Err(error) => return (format!("the stored record could not be read: {error}"), String::new(), None),
    };
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let fields = record.get("fields").cloned().unwrap_or_else(|| Value::List(Vec::new()));
    let exception = record.get("exception").cloned().unwrap_or(Value::Null);
    let is_plain = fields == Value::List(Vec::new()) && exception == Value::Null;
    let rest = Value::map([("fields", fields), ("exception", exception)]);
    let rest = if is_plain { None } else { value::pack(&rest).ok() };
    (text("message"), text("target"), rest)
}

fn logs(db: &Connection, told: &mut Told<'_>) -> rusqlite::Result<()> {
    let all = db.query_row("SELECT count(*) FROM old_log", [], |row| row.get(0))?;
    let mut rows = db.prepare("SELECT id, record FROM old_log WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut insert = db.prepare(
        "INSERT INTO log (id, build_id, created, level, attempt, target, message, record, exception_tb)
         SELECT id, build_id, created, level, attempt, ?2, ?3, ?4, exception_tb FROM old_log WHERE id = ?1",
    )?;
    let (mut after, mut done) = (0_i64, 0);
    loop {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
        let page: Vec<_> = rows.query_map(params![after, PAGE as i64], read)?.collect::<rusqlite::Result<_>>()?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = *last;
        for (id, packed) in &page {
            let (message, target, rest) = parted(packed);
            insert.execute(params![id, target, message, rest])?;
            done += 1;
            told.so_far(done, all, "log records");
        }
    }
}
