//! What builds did over HTTP, in columns that are null for builds that did nothing.

use jobcontrol_core::usage::Traffic;
use jobcontrol_core::usage::Usage;
use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;

use super::sql::number;

/// Version 4.
pub(super) const V4: &str = "
ALTER TABLE build ADD COLUMN http_requests INTEGER;
ALTER TABLE build ADD COLUMN http_sent INTEGER;
ALTER TABLE build ADD COLUMN http_received INTEGER;

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
    build.plugin
FROM build LEFT JOIN run ON run.id = build.run;
";

/// Adds what an attempt did. Most attempts do nothing, and cost nothing here.
pub(super) fn add(db: &Connection, id: i64, usage: Option<Usage>) -> rusqlite::Result<()> {
    let Some(Traffic { requests, sent, received }) = usage.map(|usage| usage.traffic).filter(|all| all.requests > 0)
    else {
        return Ok(());
    };
    let add = "UPDATE build SET http_requests = coalesce(http_requests, 0) + ?2,
             http_sent = coalesce(http_sent, 0) + ?3, http_received = coalesce(http_received, 0) + ?4
         WHERE id = ?1";
    db.prepare_cached(add)?.execute(params![id, number(requests), number(sent), number(received)])?;
    Ok(())
}

/// Reads the three columns that begin at position `at` of a row.
pub(super) fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Traffic> {
    let column = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<u64>>(at)?.unwrap_or(0));
    Ok(Traffic { requests: column(at)?, sent: column(at + 1)?, received: column(at + 2)? })
}
