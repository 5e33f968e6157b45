//! Detects a store whose file was replaced while a log of the previous file lay beside it. SQLite
//! would put the pages of that log into the new file and corrupt it, because it knows the log only
//! by its name.

use std::fs::File;
use std::io;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

const FILE_HEAD: usize = 100;
const LOG_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;

/// The largest page size of SQLite, in bytes.
const LARGEST_PAGE: usize = 65_536;

/// Returns the path of something beside a store's file.
pub(super) fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Returns whether the log beside a file cannot be its own. Returns false if there is no log, and
/// if the answer is not known. Not called while others write.
pub(super) fn is_stale(path: &Path) -> bool {
    let log = named(path, "-wal");
    let (Ok(before), Ok(fits)) = (states(path, &log), fits(path, &log)) else {
        return false;
    };
    // If somebody has written in the meantime, this proves nothing.
    !fits && states(path, &log).is_ok_and(|after| after == before)
}

fn states(path: &Path, log: &Path) -> io::Result<[(u64, SystemTime); 2]> {
    let state = |path: &Path| path.metadata().and_then(|found| Ok((found.len(), found.modified()?)));
    Ok([state(path)?, state(log)?])
}

/// The state of a file, as its head gives it.
#[derive(Clone, Copy)]
struct State {
    /// Rises when the head is written.
    counter: u32,
    pages: u32,
    /// Rises with each change of the tables.
    schema: u32,
}

impl State {
    fn of(head: &[u8]) -> Option<Self> {
        Some(Self { counter: number(head, 24)?, pages: number(head, 28)?, schema: number(head, 40)? })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Returns whether a log begins where its file ends. The first file head in the log is at most one
/// step after the head of the file. If a part of the log has already gone into the file, the file
/// may be further.
fn fits(path: &Path, log: &Path) -> io::Result<bool> {
    let Some(committed) = Committed::read(BufReader::new(File::open(log)?))? else {
        return Ok(true);
    };
    let mut head = [0; FILE_HEAD];
    match File::open(path)?.read_exact(&mut head) {
        // SQLite writes the head of a file before its log, and would drop this log.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    let Some(file) = State::of(&head) else { return Ok(true) };
    let Some(first) = committed.heads.first() else {
        // If the file had grown or shrunk, its head would be in the log.
        return Ok(file.pages == committed.pages);
    };
    let last = committed.heads.iter().map(|head| head.counter).max().unwrap_or(first.counter);
    let newest = committed.heads.iter().map(|head| head.schema).max().unwrap_or(first.schema);
    let counted = (first.counter.saturating_sub(1)..=last).contains(&file.counter);
    Ok(counted && file.schema <= newest)
}

/// The complete transactions of a log.
struct Committed {
    /// Each version of the file's head.
    heads: Vec<State>,
    /// How many pages the file has after the last of them.
    pages: u32,
}

impl Committed {
    /// Reads a log as SQLite would recover it. Returns `None` if it has no complete transaction.
    fn read(mut log: impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; LOG_HEAD];
        if !filled(&mut log, &mut head)? {
            return Ok(None);
        }
        let size = number(&head, 8).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        // The last bit gives the byte order in which the numbers are summed.
        let (magic, is_big) = (number(&head, 0), head[3] & 1 == 1);
        if !matches!(magic, Some(0x377f_0682 | 0x377f_0683)) || !(512..=LARGEST_PAGE).contains(&size) {
            return Ok(None);
        }
        let mut sums = Sums { is_big, sums: (0, 0) };
        sums.add(&head[..24]);
        if !sums.are(&head[24..]) {
            return Ok(None);
        }
        let (mut committed, mut heads, mut frame) = (None, Vec::new(), vec![0; FRAME_HEAD + size]);
        while filled(&mut log, &mut frame)? {
            sums.add(&frame[..8]);
            sums.add(&frame[FRAME_HEAD..]);
            // The rest is from an earlier log, or was not written to its end.
            if frame[8..16] != head[16..24] || !sums.are(&frame[16..]) {
                break;
            }
            if number(&frame, 0) == Some(1) {
                heads.extend(State::of(&frame[FRAME_HEAD..]));
            }
            match number(&frame, 4) {
                Some(pages) if pages > 0 => committed = Some((pages, heads.len())),
                _ => {}
            }
        }
        Ok(committed.map(|(pages, whole)| {
            heads.truncate(whole);
            Self { heads, pages }
        }))
    }
}

/// Fills `bytes`. Returns false if there was less to read.
fn filled(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// The sums over everything that was read of a log.
struct Sums {
    is_big: bool,
    sums: (u32, u32),
}

impl Sums {
    fn add(&mut self, bytes: &[u8]) {
        let read = if self.is_big { u32::from_be_bytes } else { u32::from_le_bytes };
        for eight in bytes.chunks_exact(8) {
            let (a, b) =
                (read([eight[0], eight[1], eight[2], eight[3]]), read([eight[4], eight[5], eight[6], eight[7]]));
            self.sums.0 = self.sums.0.wrapping_add(a).wrapping_add(self.sums.1);
            self.sums.1 = self.sums.1.wrapping_add(b).wrapping_add(self.sums.0);
        }
    }

    fn are(&self, stored: &[u8]) -> bool {
        (number(stored, 0), number(stored, 4)) == (Some(self.sums.0), Some(self.sums.1))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// Makes a small store whose log stays when the connection closes, as it does when a process is
    /// killed.
    fn killed(path: &Path, work: impl FnOnce(&Connection)) {
        let db = Connection::open(path).unwrap();
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        work(&db);
        let beside = |ending| named(path, ending);
        let kept = ["", "-wal"].map(|ending| (ending, std::fs::read(beside(ending)).unwrap()));
        drop(db);
        kept.iter().for_each(|(ending, bytes)| std::fs::write(beside(ending), bytes).unwrap());
    }

    fn grow(db: &Connection, rows: u32) {
        for _ in 0..rows {
            db.execute("INSERT INTO t (x) VALUES (zeroblob(3000))", []).unwrap();
        }
    }

    const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)";

    #[test]
    fn a_log_is_known_by_its_own_file_whatever_has_gone_into_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        killed(&path, |db| db.execute_batch(TABLE).unwrap());
        assert!(!is_stale(&path), "all of the file is in the log");
        killed(&path, |db| {
            grow(db, 3);
            db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        });
        assert!(!is_stale(&path), "all of the log is in the file");
        killed(&path, |db| {
            // A reader keeps the log from beginning again.
            let reader = Connection::open(&path).unwrap();
            reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
            grow(db, 5);
            db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
            reader.execute_batch("COMMIT").unwrap();
            grow(db, 5);
        });
        assert!(!is_stale(&path), "a part of the log is in the file");
        killed(&path, |db| db.execute_batch("UPDATE t SET x = NULL WHERE id = 1").unwrap());
        assert!(!is_stale(&path), "the file's head is not in the log");
        let log = named(&path, "-wal");
        let bytes = std::fs::read(&log).unwrap();
        std::fs::write(&log, &bytes[..bytes.len() - 100]).unwrap();
        assert!(!is_stale(&path), "the log ends in the middle");
        std::fs::write(&log, "").unwrap();
        assert!(!is_stale(&path));
        std::fs::remove_file(&log).unwrap();
        assert!(!is_stale(&path));
    }

    #[test]
    fn several_connections_count_on_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let others: Vec<_> = (0..3).map(|_| Connection::open(&path).unwrap()).collect();
        killed(&path, |db| {
            db.execute_batch(TABLE).unwrap();
            for round in 0..40 {
                for (at, other) in others.iter().enumerate() {
                    grow(other, 1 + round % 3);
                    if (round + u32::try_from(at).unwrap()) % 7 == 0 {
                        other.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
                    }
                    assert!(!is_stale(&path), "round {round}, connection {at}");
                }
                grow(db, 1);
                assert!(!is_stale(&path), "round {round}");
            }
        });
        assert!(!is_stale(&path));
    }

    #[test]
    fn a_copy_put_over_the_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy, plain) =
            (folder.path().join("s.db"), folder.path().join("copy.db"), folder.path().join("plain.db"));
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        db.execute_batch(TABLE).unwrap();
        grow(&db, 3);
        db.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        drop(db);
        std::fs::copy(&path, &plain).unwrap();
        // Changes that are in the file by now, and others that are not.
        grow(&Connection::open(&path).unwrap(), 5);
        grow(&Connection::open(&path).unwrap(), 5);
        killed(&path, |db| grow(db, 5));
        assert!(!is_stale(&path));
        for copy in [&copy, &plain] {
            std::fs::copy(copy, &path).unwrap();
            assert!(is_stale(&path), "{}", copy.display());
        }
        std::fs::write(&path, "").unwrap();
        assert!(is_stale(&path));
    }
}
