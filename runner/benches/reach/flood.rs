//! Measures a plugin that logs as fast as it can, through the whole program.

use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use tempfile::TempDir;

/// A folder with two jobs that log 90,000 records of 100 bytes, one of them with a secret to look
/// for.
pub(crate) struct Flood(TempDir);

const JOBS: &str = "jobs:
  - { id: plain, function: log_raw:write, args: [1, 0, 100, 0, 0, 90000], limits: { log: 1 GiB } }
  - { id: secret, function: log_raw:write, args: [1, 0, 100, 0, 0, 90000], limits: { log: 1 GiB }, grants: { secrets: [TOKEN] } }
";

impl Flood {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("jobs")).unwrap();
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/log_raw.wat");
        std::fs::copy(guest, folder.path().join("jobs/log_raw.wat")).unwrap();
        std::fs::write(folder.path().join("jobs/jobs.yaml"), JOBS).unwrap();
        std::fs::write(folder.path().join("jobcontrol.yaml"), "secrets: { TOKEN: { env: TOKEN } }\n").unwrap();
        Self(folder)
    }

    /// Measures one run in a new store.
    pub(crate) fn run(&self, secret: bool) -> Duration {
        for file in ["jobcontrol.db", "jobcontrol.db-wal", "jobcontrol.db-shm"] {
            let _ = std::fs::remove_file(self.0.path().join(file));
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobcontrol"));
        command.args(["run", "--quiet", if secret { "secret" } else { "plain" }]).current_dir(self.0.path());
        command.env("TOKEN", "sk-live-4242424242424242").env("JOBCONTROL_CACHE", self.0.path().join("cache"));
        let since = Instant::now();
        assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        since.elapsed()
    }
}
