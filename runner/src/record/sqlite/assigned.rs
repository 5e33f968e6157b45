//! Which workers ran the attempts of builds, in columns that are null for attempts of the service's
//! own process.

use jobcontrol_core::storage::Assign;
use jobcontrol_core::storage::Guard;
use rusqlite::Connection;
use rusqlite::params;

use super::sql::Result;
use super::sql::possible;
use super::sql::unless_stale;

/// Version 7.
pub(super) const V7: &str = "
ALTER TABLE build ADD COLUMN worker TEXT;
ALTER TABLE attempt ADD COLUMN worker TEXT;

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
    build.http_requests,
    build.http_sent,
    build.http_received,
    build.attempt,
    build.run,
    run.requested_by,
    build.rerun_of,
    build.pool,
    build.owner,
    build.worker,
    build.plugin
FROM build LEFT JOIN run ON run.id = build.run;

DROP VIEW attempts;
CREATE VIEW attempts AS SELECT
    build_id,
    number,
    worker,
    failure_kind,
    failure_message,
    strftime('%Y-%m-%dT%H:%M:%fZ', start_time / 1e6, 'unixepoch') AS start_time,
    strftime('%Y-%m-%dT%H:%M:%fZ', end_time / 1e6, 'unixepoch') AS end_time,
    (end_time - start_time) / 1e6 AS seconds
FROM attempt;
";

/// Notes the worker of the attempt that runs.
pub(super) fn assign(db: &Connection, assign: &Assign) -> Result {
    let Guard { owner, attempt } = &assign.guard;
    let sql = "UPDATE build SET worker = ?4 WHERE id = ?1 AND owner IS ?2 AND attempt = ?3 AND finished = 0";
    let rows = db.prepare_cached(sql)?.execute(params![possible(assign.id)?, owner, attempt, assign.worker])?;
    unless_stale(db, rows, assign.id)
}
