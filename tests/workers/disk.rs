//! The disk of the broker gets full. Until there is room again, builds wait for the broker to keep
//! their offers, and workers for it to keep their reports. Nothing is lost.

use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::ErrorKind;
use std::io::Write;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;

use super::AtWork;
use super::broker::Broker;
use super::built;
use super::chains::Chains;
use super::chains::until;
use super::ended;
use crate::harness::Folder;
use crate::harness::served::Served;

const CHAINS: Chains = Chains { count: 6, length: 3 };

/// It ends while the disk is full.
const NAP: &str = "
export async function nap(): Promise<number> {
  console.log('asleep');
  await new Promise((wake) => setTimeout(wake, 4000));
  return 7;
}
";

/// Mounts a disk for a process and its children alone. It is there as long as `cat` waits.
const MOUNT: &str = "mount -t tmpfs -o size=8m tmpfs \"$0\" && echo mounted && exec cat";

/// A disk of a few MB.
struct Disk {
    /// The process that has it. Others reach it through `/proc`.
    holder: Child,
    path: PathBuf,
    _folder: TempDir,
}

impl Disk {
    /// Mounts a disk, if this machine lets us: a user may if users may have namespaces, and root
    /// may unless it has lost that right, as in most containers.
    fn mounted() -> Option<Self> {
        [&["--user", "--map-root-user", "--mount"][..], &["--mount"]].into_iter().find_map(Self::mounted_in)
    }

    /// The same with these namespaces.
    fn mounted_in(namespaces: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", MOUNT]).arg(folder.path());
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut said = String::new();
        BufReader::new(holder.stdout.take().expect("its output")).read_line(&mut said).expect("a line");
        let path = PathBuf::from(format!("/proc/{}/root{}", holder.id(), folder.path().display()));
        // Dropped in any case, which ends the process.
        let disk = Self { holder, path, _folder: folder };
        (said == "mounted\n").then_some(disk)
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Fills it up, and waits until the broker has met with that in both streams. It goes on, but
    /// stores nothing in a stream that could not be written once.
    fn fill(&self, broker: &Broker) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        let full = loop {
            if let Err(full) = ballast.write_all(&[0; 1 << 16]) {
                break full;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        for (subject, stream) in [("report.nobody", "reports"), ("offer.junk", "offers")] {
            broker.publish(&format!("jobcontrol.{subject}"), &[0; 100_000]);
            broker.says(&format!("Filestore [jobcontrol-{stream}] Critical write error"));
        }
    }

    /// Makes room. The broker does not try again to write until it is restarted.
    fn free(&self, broker: &mut Broker) {
        std::fs::remove_file(self.ballast()).expect("a file");
        broker.crash();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Fills a broker while a job runs, asks for others, and makes room again.
fn nothing_is_lost(mut broker: Broker, fill: impl FnOnce(&Broker), free: impl FnOnce(&mut Broker)) {
    let folder = Folder::new().guest("add.wat").file("jobs/all.yaml", CHAINS.jobs());
    let folder = folder.file("jobs/nap.ts", NAP).file("jobs/nap.yaml", "id: nap\nfunction: nap.ts:nap\n");
    let served = Served::start(&folder, &["--bus", &broker.url()]);
    let worker = AtWork::start(&broker, 2);
    built(&folder, &served, "nap", 1, "RUNNING");
    served.get_until("/api/v1/builds/1/log", |log| log.to_string().contains("asleep"));
    fill(&broker);
    CHAINS.ask(&folder, 0..CHAINS.count);
    worker.serving.record("attempt ended");
    assert_eq!(served.get("/api/v1/builds/1")["status"], "RUNNING", "the broker is full");
    free(&mut broker);
    let nap = ended(&served, 1, "SUCCESSFUL");
    assert_eq!((nap["attempt"].as_u64(), nap["retval"].as_f64()), (Some(1), Some(7.0)), "{nap:#}");
    let store = folder.store();
    until("the builds did not end", || CHAINS.are_done(&store));
    drop(served);
    CHAINS.check(&store, "after the disk was full");
}

/// The limit that JetStream has of itself, or by its configuration.
fn nothing_is_lost_at_the_limit() {
    let fill = |broker: &Broker| {
        // Nobody reads these.
        let is_refused = |_| {
            let answer = broker.ask("jobcontrol.report.nobody", &[0; 250_000]).expect("an answer");
            answer.contains("insufficient resources")
        };
        assert!((0..100).any(is_refused), "4 MB are not full after 25");
    };
    let free = |broker: &mut Broker| {
        let nobody = br#"{"filter":"jobcontrol.report.nobody"}"#;
        let answer = broker.ask("$JS.API.STREAM.PURGE.jobcontrol-reports", nobody).expect("an answer");
        assert!(answer.contains("\"success\":true"), "{answer}");
    };
    nothing_is_lost(Broker::configured("jetstream { max_file_store: 4MB }\n"), fill, free);
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_broker_at_its_limit_loses_nothing() {
    nothing_is_lost_at_the_limit();
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_full_disk_at_the_broker_loses_nothing() {
    // Where no disk can be mounted, the limit is all that can be tried.
    let Some(disk) = Disk::mounted() else { return nothing_is_lost_at_the_limit() };
    nothing_is_lost(Broker::on(&disk.path), |broker| disk.fill(broker), |broker| disk.free(broker));
}
