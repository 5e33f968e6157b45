//! Finds builds that two runs would make at the same time, in the transaction that would create the
//! second one.

use jobcontrol_core::build::Pin;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::StorageError;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;

use super::leases::Leases;
use super::sql::RowError;
use super::sql::number;

/// The first build that another open run can have. Runs that nobody has worked on are left out:
/// they have no builds, and there may be many.
const FIRST: &str = "SELECT min(first_build) FROM run WHERE status IS NULL AND begun = 1 AND id IS NOT ?1";

/// The unfinished builds of a job since then that are the same except for their pins, which are
/// compared later. Only the job's builds that are as new as an open run are read.
const UNFINISHED: &str = "SELECT id, owner FROM build
     WHERE job_id = ?1 AND id >= ?2 AND finished = 0 AND deleting = 0 AND cancel IS NULL
     AND run IS NOT NULL AND run IS NOT ?3 AND plugin IS ?4 AND config = ?5 ORDER BY id DESC";

/// The latest success of a job, if it is newer than `?2`, and the same except for its pins.
const LATEST: &str = "SELECT id FROM build WHERE id =
         (SELECT id FROM build WHERE job_id = ?1 AND success = 1 AND skipped = 0 AND started = 1 AND finished = 1
          AND deleting = 0 AND edited = 0 ORDER BY id DESC LIMIT 1)
     AND id > ?2 AND plugin IS ?3 AND config = ?4";

const PINS: &str = "SELECT job, used, retval_digest FROM pin WHERE build = ?1 ORDER BY job";

/// Returns an error if the build would be the same as one that another run makes, or has made since
/// the latest success was `known`.
pub(super) fn refuse_same(db: &Connection, leases: &Leases, new: &NewBuild, known: u64) -> Result<(), RowError> {
    match unfinished(db, leases, new)?.map_or_else(|| latest(db, new, known), |id| Ok(Some(id)))? {
        Some(id) => Err(RowError::Answer(StorageError::Same(u64::try_from(id).unwrap_or(0)))),
        None => Ok(()),
    }
}

fn unfinished(db: &Connection, leases: &Leases, new: &NewBuild) -> rusqlite::Result<Option<i64>> {
    let run = match new.run {
        RunOf::Run(run) => Some(number(run)),
        RunOf::Nothing | RunOf::New(_) => None,
    };
    let Some(first) = db.prepare_cached(FIRST)?.query_row([&run], |row| row.get::<_, Option<i64>>(0))? else {
        return Ok(None);
    };
    let mut statement = db.prepare_cached(UNFINISHED)?;
    let mut rows = statement.query(params![new.job_id, first, run, new.plugin, new.config])?;
    while let Some(row) = rows.next()? {
        let (id, owner): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        if owner.is_some_and(|owner| leases.is_alive(&owner)) && has_pins(db, id, &new.pins)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn latest(db: &Connection, new: &NewBuild, known: u64) -> rusqlite::Result<Option<i64>> {
    let made = params![new.job_id, number(known), new.plugin, new.config];
    match db.prepare_cached(LATEST)?.query_row(made, |row| row.get(0)).optional()? {
        Some(id) if has_pins(db, id, &new.pins)? => Ok(Some(id)),
        _ => Ok(None),
    }
}

fn has_pins(db: &Connection, build: i64, pins: &[Pin]) -> rusqlite::Result<bool> {
    let mut statement = db.prepare_cached(PINS)?;
    let read = |row: &rusqlite::Row<'_>| Ok(Pin { job: row.get(0)?, build: row.get(1)?, retval_digest: row.get(2)? });
    let kept: Vec<Pin> = statement.query_map([build], read)?.collect::<Result<_, _>>()?;
    Ok(kept == pins)
}
