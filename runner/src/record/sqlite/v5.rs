//! Version 5: the state of services.

/// Runs that any service may resume, reloads, how far schedules are, what `on: change` has tried,
/// and tokens of the API.
pub(super) const V5: &str = "
ALTER TABLE run ADD COLUMN service INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN reason TEXT;
ALTER TABLE run ADD COLUMN first_due INTEGER;
ALTER TABLE run ADD COLUMN last_due INTEGER;
ALTER TABLE run ADD COLUMN dues INTEGER;
CREATE INDEX run_waiting ON run (priority DESC, id)
    WHERE status IS NULL AND owner IS NULL AND service = 1 AND held = 0;
CREATE INDEX run_owned ON run (owner, id) WHERE status IS NULL AND service = 1 AND owner IS NOT NULL;
CREATE INDEX run_held ON run (id) WHERE status IS NULL AND held = 1;
CREATE INDEX run_requested ON run (requested_by, id) WHERE status IS NULL AND service = 1;

CREATE TABLE reload (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;

CREATE INDEX reload_created ON reload (created);

CREATE TABLE schedule (
    job_id TEXT NOT NULL PRIMARY KEY,
    rule TEXT NOT NULL,
    last INTEGER NOT NULL,
    missed INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE tried (
    job_id TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER
) STRICT;
";
