//! Counts the slots of pools in the transaction that starts an attempt.

use jobcontrol_core::storage::PoolFull;
use jobcontrol_core::storage::StorageError;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;

use super::leases::Leases;
use super::sql::RowError;

/// The pool of a build, and how many of its slots the build takes.
const WANTED: &str = "SELECT pool, pool_slots FROM build WHERE id = ?1 AND pool IS NOT NULL";

/// The other builds that hold slots of a pool. A build between two attempts holds none.
const HOLDERS: &str = "SELECT id, owner, pool_slots FROM build
     WHERE pool = ?1 AND finished = 0 AND started = 1 AND retry_time IS NULL AND id <> ?2 ORDER BY id";

/// Returns an error if the pool of a build has that size and no room for the build. Slots of dead
/// owners are free. One build may always run, however small the pool has become.
pub(super) fn room(db: &Connection, leases: &Leases, id: i64, size: u32) -> Result<(), RowError> {
    let wanted =
        db.prepare_cached(WANTED)?.query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)));
    let Some((name, wanted)) = wanted.optional()? else {
        return Ok(());
    };
    let mut holders = db.prepare_cached(HOLDERS)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, u64>(2)?));
    let (mut used, mut builds) = (0, Vec::new());
    for holder in holders.query_map(params![name, id], read)? {
        let (build, owner, slots) = holder?;
        if owner.is_some_and(|owner| leases.is_alive(&owner)) {
            used += slots;
            builds.push(build);
        }
    }
    if builds.is_empty() || used + wanted <= size.into() {
        return Ok(());
    }
    Err(RowError::Answer(StorageError::PoolFull(PoolFull { name, used, size, builds })))
}
