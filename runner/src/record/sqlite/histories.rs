//! Reads what the store knows of many jobs. A job whose newest build is good takes one step into an
//! index; other jobs take a few.

use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::status::JobHistory;
use jobcontrol_core::storage::Mark;
use rusqlite::CachedStatement;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use super::rows;
use super::rows::BRIEF;
use super::sql::number;

/// Reads histories with statements that are prepared once.
struct Reader<'a> {
    newest: CachedStatement<'a>,
    latest: CachedStatement<'a>,
    succeeded: CachedStatement<'a>,
    skipped: CachedStatement<'a>,
    failed: CachedStatement<'a>,
}

type Found = Option<Arc<Build>>;

pub(super) fn read(db: &Connection, jobs: &[&str]) -> rusqlite::Result<Vec<JobHistory>> {
    // All queries see the store at the same moment.
    let moment = db.unchecked_transaction()?;
    let mut reader = Reader::new(db)?;
    let histories = jobs.iter().map(|job| reader.history(job)).collect::<rusqlite::Result<_>>()?;
    drop(reader);
    moment.finish()?;
    Ok(histories)
}

/// Returns the newest builds of each of these jobs, oldest first. Takes as many steps into an index
/// as there are builds.
pub(super) fn marks(db: &Connection, jobs: &[&str], limit: u64) -> rusqlite::Result<Vec<Vec<Mark>>> {
    let sql = "SELECT id, started, finished, success, skipped, start_time, end_time FROM build
         WHERE job_id = ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        let (start, end): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(6)?);
        let took = start.zip(end).map(|(start, end)| Timestamp(end).since(Timestamp(start)));
        let status = BuildStatus::of(row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(Mark { id: row.get(0)?, status, took })
    };
    let mut of = |job: &&str| {
        let mut marks =
            statement.query_map(params![job, number(limit)], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
        marks.reverse();
        Ok(marks)
    };
    jobs.iter().map(&mut of).collect()
}

impl<'a> Reader<'a> {
    fn new(db: &'a Connection) -> rusqlite::Result<Self> {
        let newest = |also: &str| {
            db.prepare_cached(&format!("SELECT {BRIEF} FROM build WHERE job_id = ?1 {also} ORDER BY id DESC LIMIT 1"))
        };
        Ok(Self {
            newest: newest("")?,
            latest: newest(
                "AND success = 1 AND skipped = 0 AND edited = 0 AND started = 1 AND finished = 1 AND deleting = 0",
            )?,
            succeeded: newest("AND success = 1 AND skipped = 0 AND edited = 0 AND finished = 1 AND deleting = 0")?,
            skipped: newest("AND skipped = 1 AND success = 1 AND edited = 0 AND finished = 1 AND deleting = 0")?,
            failed: newest("AND finished = 1 AND success = 0 AND edited = 0 AND skipped = 0 AND deleting = 0")?,
        })
    }

    fn history(&mut self, job: &str) -> rusqlite::Result<JobHistory> {
        let Some(newest) = one(&mut self.newest, job)? else {
            return Ok(JobHistory::default());
        };
        let is_good =
            newest.started && !newest.edited && !newest.deleting && newest.status() == BuildStatus::Successful;
        let newest = Some(newest);
        if is_good {
            let (ended, latest, last_good) = (newest.clone(), newest.clone(), newest.clone());
            return Ok(JobHistory { ended, newest, latest, last_good });
        }
        let latest = one(&mut self.latest, job)?;
        let (succeeded, skipped) = (one(&mut self.succeeded, job)?, one(&mut self.skipped, job)?);
        let failed = one(&mut self.failed, job)?;
        // The build with the larger id; each was found by its own index.
        let ended = failed.into_iter().chain(succeeded.clone()).max_by_key(|build| build.id);
        let last_good = succeeded.into_iter().chain(skipped).max_by_key(|build| build.id);
        Ok(JobHistory { ended, newest, latest, last_good })
    }
}

fn one(statement: &mut CachedStatement<'_>, job: &str) -> rusqlite::Result<Found> {
    statement.query_row([job], rows::build).optional().map(|build| build.map(Arc::new))
}
