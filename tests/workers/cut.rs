//! Workers that are cut off from the broker, as by a network that fails: nobody is told, and
//! nothing arrives.

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;

use serde_json::Value;
use serde_json::json;

use super::AtWork;
use super::broker::Broker;
use super::built;
use super::chains::until;
use super::ended;
use super::folder;
use super::serve;
use crate::harness::peer::Peer;
use crate::harness::served::Served;

/// Jobs that go on talking while their worker is cut off.
const COUNTS: &str = "jobs:
  - { id: counts, function: counts.ts:counts, retry: { attempts: 2, initial: 1ms, on: [interrupted] } }
  - { id: counts-too, function: counts.ts:counts, retry: { attempts: 2, initial: 1ms, on: [interrupted] } }
";

const SCRIPT: &str = "
export async function counts(): Promise<number> {
  for (let n = 0; ; n += 1) {
    console.log(`at ${n}`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}
";

/// A way to the broker that can be cut. What was sent before it is mended arrives then, as with a
/// network that comes back.
struct Cable {
    peer: Peer,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_cut: Mutex<bool>,
    mended: Condvar,
    /// The ends of all connections on the side of the worker.
    ends: Mutex<Vec<TcpStream>>,
}

impl Cable {
    fn to(broker: &Broker) -> Self {
        let port = broker.port();
        let state = Arc::new(State::default());
        let carrier = Arc::clone(&state);
        let peer = Peer::raw(move |near| carrier.carry(&near, port));
        Self { peer, state }
    }

    /// What `--bus` takes.
    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.peer.port)
    }

    /// From now on, nothing gets through. New connections are taken, and carry nothing either.
    fn cut(&self) {
        *self.state.is_cut.lock().expect("a flag") = true;
    }

    /// Ends the connections on the side of the worker. The broker hears of it when the cable is
    /// mended.
    fn tear(&self) {
        for end in self.state.ends.lock().expect("the ends").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        *self.state.is_cut.lock().expect("a flag") = false;
        self.state.mended.notify_all();
    }
}

impl State {
    /// Waits while the cable is cut.
    fn pass(&self) {
        let is_cut = self.is_cut.lock().expect("a flag");
        drop(self.mended.wait_while(is_cut, |is_cut| *is_cut).expect("a flag"));
    }

    fn carry(&self, near: &TcpStream, broker: u16) {
        self.ends.lock().expect("the ends").push(near.try_clone().expect("a connection"));
        self.pass();
        // The broker may be gone by now.
        let Ok(far) = TcpStream::connect(("127.0.0.1", broker)) else { return };
        std::thread::scope(|scope| {
            scope.spawn(|| self.copy(near, &far));
            self.copy(&far, near);
        });
    }

    /// Carries what comes one way. The end of a connection does not get through a cut either.
    fn copy(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut bytes = [0; 1 << 14];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            self.pass();
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        self.pass();
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

/// The attempts of a build that counts, and the numbers that they have said, in the order of its
/// log.
fn counted(served: &Served, build: u64) -> Vec<(u64, u64)> {
    let log = served.get(&format!("/api/v1/builds/{build}/log?limit=1000"));
    let number = |record: &Value| {
        let number = record["message"].as_str()?.strip_prefix("at ")?.parse().ok()?;
        Some((record["attempt"].as_u64()?, number))
    };
    log["records"].as_array().expect("records").iter().filter_map(number).collect()
}

/// Waits until an attempt of a build has counted so far.
fn counts_to(served: &Served, build: u64, attempt: u64, number: u64) {
    let what = format!("attempt {attempt} of build {build} does not count to {number}");
    until(&what, || counted(served, build).contains(&(attempt, number)));
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn workers_that_are_cut_off_lose_their_attempts() {
    let broker = Broker::start();
    let folder = folder().file("jobs/counts.ts", SCRIPT).file("jobs/counts.yaml", COUNTS);
    let served = serve(&folder, &broker);
    let (silent, torn) = (Cable::to(&broker), Cable::to(&broker));
    let first = AtWork::on(&silent.url(), 2);
    for (job, build) in [("waits", 1), ("counts", 2)] {
        built(&folder, &served, job, build, "RUNNING");
        first.serving.record("attempt started");
    }
    // The slots of the first worker are taken.
    let second = AtWork::on(&torn.url(), 1);
    built(&folder, &served, "counts-too", 3, "RUNNING");
    second.serving.record("attempt started");
    counts_to(&served, 2, 1, 3);
    counts_to(&served, 3, 1, 3);
    silent.cut();
    torn.cut();
    // This worker knows that it is cut off, and connects again and again.
    torn.tear();
    let third = AtWork::start(&broker, 3);
    for build in 1..=3 {
        let taken = served.get_until(&format!("/api/v1/builds/{build}"), |build| build["attempt"] == 2);
        assert_eq!(taken["status"], "RUNNING", "{taken:#}");
        third.serving.record("attempt started");
    }
    silent.mend();
    torn.mend();
    // They are told to stop.
    first.serving.record("attempt ended");
    first.serving.record("attempt ended");
    second.serving.record("attempt ended");
    // What they have said meanwhile arrives by then, and is refused.
    for build in [2, 3] {
        let newest = counted(&served, build).last().expect("a number").1;
        counts_to(&served, build, 2, newest + 10);
        let said = counted(&served, build);
        let (lost, taken) = said.split_at(said.iter().take_while(|(attempt, _)| *attempt == 1).count());
        let is_whole = |said: &[(u64, u64)], attempt| said.iter().zip(0..).all(|(one, place)| *one == (attempt, place));
        assert!(is_whole(lost, 1) && is_whole(taken, 2), "{said:?}");
    }
    for build in 1..=3 {
        folder.run(&["build", "cancel", &build.to_string()]).code(0);
        let build = ended(&served, build, "FAILED");
        assert_eq!((&build["attempt"], &build["exception"]["kind"]), (&json!(2), &json!("cancelled")), "{build:#}");
    }
    assert_eq!(built(&folder, &served, "six", 4, "SUCCESSFUL")["retval"], 6);
}
