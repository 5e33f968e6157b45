//! Version 6: which builds had arguments given by hand, which ends of runs were reported, and where
//! in the log a moment is. Also indexes that stay fast however many runs wait.

use jobcontrol_core::config;
use jobcontrol_core::value;
use rusqlite::Connection;
use rusqlite::Row;

use crate::say::Say;

/// A build with arguments given by hand says nothing about the status of its job, so the indexes
/// for that leave it out.
const V6: &str = "
ALTER TABLE build ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
DROP INDEX build_succeeded;
DROP INDEX build_skipped;
CREATE INDEX build_succeeded ON build (job_id, id) WHERE success = 1 AND skipped = 0 AND edited = 0;
CREATE INDEX build_skipped ON build (job_id, id) WHERE skipped = 1 AND edited = 0;
CREATE INDEX build_failed_unedited ON build (job_id, id) WHERE finished = 1 AND success = 0 AND edited = 0;
CREATE INDEX run_untold ON run (id)
    WHERE told = 0 AND substr(requested_by, 1, 9) = 'schedule:' AND status IN ('FAILED', 'CANCELLED', 'INTERRUPTED');
CREATE INDEX run_cancel ON run (id) WHERE cancel IS NOT NULL AND status IS NULL;
CREATE INDEX run_first ON run (first_build) WHERE status IS NULL AND begun = 1;
UPDATE run SET begun = 1 WHERE status IS NULL AND owner IS NOT NULL;
CREATE INDEX log_created ON log (created);
CREATE INDEX log_severe ON log (id) WHERE level >= 40;
UPDATE run SET told = 1 WHERE status IS NOT NULL;
";

/// Only few configs have overrides. In all others, an empty mapping follows the word.
const CANDIDATES: &str = "SELECT id, config FROM build
     WHERE instr(config, CAST('overrides' AS BLOB)) > 0 AND instr(config, CAST('overrides' AS BLOB) || X'80') = 0";

pub(super) fn up(db: &Connection, _: &Say) -> rusqlite::Result<()> {
    db.execute_batch(V6)?;
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
    let mut candidates = db.prepare(CANDIDATES)?;
    let mut mark = db.prepare("UPDATE build SET edited = 1 WHERE id = ?1")?;
    for candidate in candidates.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()? {
        let (id, packed) = candidate;
        if value::unpack(&packed).is_ok_and(|config| config::is_edited(&config)) {
            mark.execute([id])?;
        }
    }
    Ok(())
}
