//! A cluster of three real servers, which are killed one at a time, and workers with them. A server
//! that leads is the worst one to lose. In the end, every build has ended exactly once, and with
//! the right value.

use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde_json::Value;

use super::AtWork;
use super::broker::Broker;
use super::chains::Chains;
use super::chains::seed;
use super::chains::until;
use crate::harness::Folder;
use crate::harness::served::Served;

/// How many servers are killed, and how many chains are asked for before each.
const ROUNDS: u64 = 4;
const EACH: u64 = 6;

const CHAINS: Chains = Chains { count: ROUNDS * EACH, length: 12 };

/// What has to have a leader before a worker can start: whoever leads answers these.
const LED: [&str; 4] = [
    "STREAM.INFO.jobcontrol-offers",
    "STREAM.INFO.jobcontrol-reports",
    "STREAM.INFO.OBJ_jobcontrol-objects",
    "CONSUMER.INFO.jobcontrol-offers.any",
];

/// Three servers; the name of each is its place.
struct Cluster {
    servers: Vec<Broker>,
}

impl Cluster {
    /// Starts the servers, and waits until they have a leader.
    fn start() -> Self {
        // All are held until all are known, so that no two are the same.
        let held: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a port")).collect();
        let addresses: Vec<_> = held.iter().map(|port| port.local_addr().expect("an address")).collect();
        drop(held);
        let routes: Vec<String> = addresses.iter().map(|address| format!("\"nats://{address}\"")).collect();
        let routes = routes.join(", ");
        let servers = addresses.iter().enumerate().map(|(place, address)| {
            Broker::configured(&format!(
                "server_name: \"{place}\"\nhttp: \"127.0.0.1:-1\"\n\
                 cluster {{ name: tests, listen: \"{address}\", routes: [{routes}] }}\n"
            ))
        });
        let cluster = Self { servers: servers.collect() };
        cluster.until_whole(&[]);
        cluster
    }

    /// What `--bus` takes.
    fn url(&self) -> String {
        self.servers.iter().map(Broker::url).collect::<Vec<_>>().join(",")
    }

    /// Waits until each server says that it has a leader and all that the others have, and until
    /// these requests are answered. A server does not notice at once that the leader of a stream is
    /// gone, so what it says of itself is not enough.
    fn until_whole(&self, requests: &[&str]) {
        let is_led = |request: &&str| {
            let answer = self.servers[0].ask(&format!("$JS.API.{request}"), b"");
            answer.is_some_and(|answer| !answer.contains("\"error\""))
        };
        until("the cluster is not whole", || {
            self.servers.iter().all(|server| monitor(server, "/healthz").is_some()) && requests.iter().all(is_led)
        });
    }

    /// The place of the server that leads a stream.
    fn leader(&self, stream: &str) -> usize {
        let answer = self.servers[0].ask(&format!("$JS.API.STREAM.INFO.{stream}"), b"").expect("a leader");
        let info: Value = serde_json::from_str(&answer).expect("JSON");
        place(&info["cluster"]["leader"])
    }

    /// The place of the server that decides about streams.
    fn meta_leader(&self) -> usize {
        place(&monitor(&self.servers[0], "/jsz").expect("a monitor")["meta_cluster"]["leader"])
    }
}

fn place(name: &Value) -> usize {
    name.as_str().and_then(|name| name.parse().ok()).unwrap_or_else(|| panic!("no server is {name}"))
}

/// A page of a server's monitor; none if it says that something is not well.
fn monitor(server: &Broker, path: &str) -> Option<Value> {
    let port = server.named_port("Starting http monitor on ");
    let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("a monitor");
    connection.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("a request");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 OK").then(|| serde_json::from_str(body).expect("JSON"))
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn every_build_ends_once_whichever_server_of_a_cluster_is_killed() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut cluster = Cluster::start();
    let folder = Folder::new().guest("add.wat").file("jobs/all.yaml", CHAINS.jobs());
    let served = Served::start(&folder, &["--bus", &cluster.url()]);
    let mut workers: Vec<AtWork> = (0..3).map(|_| AtWork::on(&cluster.url(), 2)).collect();
    let store = folder.store();
    for round in 0..ROUNDS {
        let chains = round * EACH..(round + 1) * EACH;
        CHAINS.ask(&folder, chains.clone());
        let reach = |jobs: usize| {
            let what = format!("seed {seed}: round {round} does not reach {jobs} jobs");
            until(&what, || CHAINS.built(&store, chains.clone()) >= jobs);
        };
        reach(6);
        let killed = match round {
            0 => cluster.leader("jobcontrol-offers"),
            1 => cluster.leader("jobcontrol-reports"),
            2 => cluster.meta_leader(),
            _ => random.random_range(0..cluster.servers.len()),
        };
        cluster.servers[killed].kill();
        if round % 2 == 1 {
            workers.remove(random.random_range(0..workers.len())).serving.kill();
        }
        // Two servers are enough to go on.
        reach(36);
        cluster.servers[killed].restart();
        cluster.until_whole(&LED);
        if workers.len() < 3 {
            workers.push(AtWork::on(&cluster.url(), 2));
        }
    }
    until(&format!("seed {seed}: the builds did not end"), || CHAINS.are_done(&store));
    drop(served);
    CHAINS.check(&store, &format!("seed {seed}"));
}
