//! Turns a filter for builds into a condition.

use jobcontrol_core::storage::BuildFilter;
use rusqlite::types::Value as Sql;

use super::runs;
use super::sql;

/// Returns the condition of a filter, without order and limit, and its values.
pub(super) fn conditions(filter: &BuildFilter) -> (String, Vec<Sql>) {
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    if let Some(run) = filter.run {
        // The condition uses it as the first value.
        values.push(sql::number(run));
        conditions.push(runs::BUILDS_OF_RUN.to_owned());
    }
    if let Some(job) = &filter.job_id {
        values.push(Sql::Text(job.clone()));
        conditions.push(format!("job_id = ?{}", values.len()));
    }
    if let Some(jobs) = &filter.job_ids {
        values.push(Sql::Text(serde_json::Value::from(jobs.clone()).to_string()));
        conditions.push(format!("job_id IN (SELECT value FROM json_each(?{}))", values.len()));
    }
    if let Some(owner) = &filter.owner {
        values.push(Sql::Text(owner.clone()));
        conditions.push(format!("owner = ?{}", values.len()));
    }
    for (condition, id) in [("id <", filter.before), ("id >", filter.after)] {
        if let Some(id) = id {
            values.push(sql::number(id));
            conditions.push(format!("{condition} ?{}", values.len()));
        }
    }
    let flags = [
        ("started", filter.started),
        ("finished", filter.finished),
        ("success", filter.success),
        ("skipped", filter.skipped),
        ("deleting", filter.deleting),
        ("edited", filter.edited),
    ];
    // Written out instead of bound, so that the partial indexes can be used.
    conditions.extend(flags.iter().filter_map(|(name, flag)| flag.map(|f| format!("{name} = {}", i64::from(f)))));
    (if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") }, values)
}
