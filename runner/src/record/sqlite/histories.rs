//! What the store knows of many jobs, in two queries.

use std::collections::HashMap;

use jobcontrol_core::plan::JobHistory;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;

use super::rows;
use super::rows::BRIEF;

/// Ids of the builds that tell how each job stands; `?1` is a JSON list of jobs. Each column is one step into an index.
pub(super) const IDS: &str = "SELECT
    (SELECT id FROM build WHERE job_id = job.value ORDER BY id DESC LIMIT 1),
    (SELECT id FROM build WHERE job_id = job.value AND success = 1 AND skipped = 0 AND started = 1 AND finished = 1
        ORDER BY id DESC LIMIT 1),
    (SELECT id FROM build WHERE job_id = job.value AND success = 1 AND skipped = 0 AND finished = 1
        ORDER BY id DESC LIMIT 1),
    (SELECT id FROM build WHERE job_id = job.value AND skipped = 1 AND success = 1 AND finished = 1
        ORDER BY id DESC LIMIT 1),
    EXISTS (SELECT 1 FROM build WHERE job_id = job.value AND finished = 1 AND skipped = 0)
FROM json_each(?1) AS job ORDER BY job.key";

pub(super) fn read(db: &Connection, jobs: &[&str]) -> rusqlite::Result<Vec<JobHistory>> {
    // Both queries see the same moment.
    let moment = db.unchecked_transaction()?;
    let list = serde_json::Value::from(jobs.to_vec()).to_string();
    let id = |row: &rusqlite::Row<'_>, at| row.get::<_, Option<i64>>(at);
    let ids = db
        .prepare_cached(IDS)?
        .query_map([list], |row| Ok((id(row, 0)?, id(row, 1)?, id(row, 2)?.max(id(row, 3)?), row.get::<_, bool>(4)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let wanted: Vec<i64> = ids.iter().flat_map(|(a, b, c, _)| [*a, *b, *c]).flatten().collect();
    let wanted = Sql::Text(serde_json::Value::from(wanted).to_string());
    let sql = format!("SELECT {BRIEF} FROM build WHERE id IN (SELECT value FROM json_each(?1))");
    let builds = db
        .prepare_cached(&sql)?
        .query_map([wanted], |row| Ok((row.get::<_, i64>(0)?, rows::brief(row)?)))?
        .collect::<rusqlite::Result<HashMap<_, _>>>()?;
    moment.finish()?;
    let build = |id: Option<i64>| id.and_then(|id| builds.get(&id).cloned());
    let histories = ids.into_iter().map(|(newest, latest, last_good, finished)| JobHistory {
        finished,
        newest: build(newest),
        latest: build(latest),
        last_good: build(last_good),
    });
    Ok(histories.collect())
}
