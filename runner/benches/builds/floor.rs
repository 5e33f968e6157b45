//! Writes the same rows without jobcontrol: the limit of the disk and the engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Sender;
use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::storage::Storage;
use rusqlite::Connection;
use rusqlite::params;
use tokio::sync::oneshot;

/// The most rows in one transaction.
const BATCH: usize = 2_048;

const INSERT: &str =
    "INSERT INTO build (job_id, created, start_time, started, config, owner, attempt, plugin, retval_type)
    VALUES ('bench', 1, 1, 1, ?1, 'bench', 1, ?2, 'type retval = u32;')";

const UPDATE: &str = "UPDATE build SET finished = 1, end_time = 2, success = 1, retval = x'2a', retval_digest = ?2
    WHERE id = ?1 AND owner = 'bench' AND attempt = 1 AND finished = 0";

struct Rows {
    db: Connection,
    config: Vec<u8>,
    digest: String,
}

impl Rows {
    fn open(path: &Path) -> Self {
        let storage = SqliteStorage::open(path, Arc::new(SystemClock), Arc::new(|_: &str| {})).unwrap();
        storage.install().unwrap();
        drop(storage);
        let db = Connection::open(path).unwrap();
        db.pragma_update(None, "synchronous", "full").unwrap();
        db.pragma_update(None, "foreign_keys", true).unwrap();
        Self { db, config: vec![7_u8; 300], digest: "0".repeat(64) }
    }

    fn begin(&self) {
        self.db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
    }

    fn commit(&self) {
        self.db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
    }

    fn insert(&self) -> i64 {
        self.db.prepare_cached(INSERT).unwrap().execute(params![self.config, self.digest]).unwrap();
        self.db.last_insert_rowid()
    }

    fn update(&self, id: i64) {
        assert_eq!(self.db.prepare_cached(UPDATE).unwrap().execute(params![id, self.digest]).unwrap(), 1);
    }
}

/// Measures builds per second in a bare loop: `count` inserts in one commit, then `count` updates
/// in another.
pub(crate) fn rows(folder: &Path, count: usize, time: Duration) -> f64 {
    let rows = Rows::open(&folder.join(format!("rows-{count}.db")));
    let (since, mut done) = (Instant::now(), 0_u32);
    while since.elapsed() < time {
        rows.begin();
        let ids: Vec<_> = (0..count).map(|_| rows.insert()).collect();
        rows.commit();
        rows.begin();
        ids.iter().for_each(|id| rows.update(*id));
        rows.commit();
        done += u32::try_from(count).unwrap();
    }
    f64::from(done) / since.elapsed().as_secs_f64()
}

/// A thread that commits all waiting rows, and replies after the commit.
#[derive(Clone)]
pub(crate) struct Writer(Sender<(Option<i64>, oneshot::Sender<i64>)>);

impl Writer {
    pub(crate) fn start(folder: &Path, count: usize) -> Self {
        let rows = Rows::open(&folder.join(format!("floor-{count}.db")));
        let (sender, queue) = crossbeam_channel::bounded::<(Option<i64>, oneshot::Sender<i64>)>(BATCH);
        std::thread::spawn(move || {
            let mut answers = Vec::with_capacity(BATCH);
            while let Ok(first) = queue.recv() {
                rows.begin();
                for (id, done) in std::iter::once(first).chain(queue.try_iter()).take(BATCH) {
                    let id = id.map_or_else(
                        || rows.insert(),
                        |id| {
                            rows.update(id);
                            id
                        },
                    );
                    answers.push((id, done));
                }
                rows.commit();
                for (id, done) in answers.drain(..) {
                    let _ = done.send(id);
                }
            }
        });
        Self(sender)
    }

    pub(crate) async fn insert(&self) -> i64 {
        self.write(None).await
    }

    pub(crate) async fn update(&self, id: i64) {
        self.write(Some(id)).await;
    }

    async fn write(&self, id: Option<i64>) -> i64 {
        let (sender, receiver) = oneshot::channel();
        self.0.send((id, sender)).unwrap();
        receiver.await.unwrap()
    }
}
