//! Measures streams of events: how fast builds end while a thousand clients watch.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use jobcontrol::service::serving::Service;
use jobcontrol::web;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::Storage;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use super::are_done;
use super::create;
use super::waiting;

/// The number of streams of one job each, and of all jobs.
const OF_ONE: usize = 990;
const OF_ALL: usize = 10;
/// The number of builds requested per second, and for how many seconds.
const PER_SECOND: usize = 1_000;
const SECONDS: usize = 5;
/// The number of batches per second.
const PARTS: usize = 10;

/// What all clients together have received.
#[derive(Default)]
struct Got {
    connected: AtomicU64,
    events: AtomicU64,
    lost: AtomicU64,
}

pub(super) fn measure() {
    let folder = super::folder(OF_ONE);
    let app = super::app(folder.path());
    let storage = app.storage(true).unwrap();
    let service = Arc::new(super::serve(&app, folder.path()));
    let catalog = &service.current().reload.catalog;
    let runs: Vec<NewRun> = (0..OF_ONE).map(|job| waiting(&app, catalog, &format!("job-{job}"))).collect();
    // The first builds compile the plugin.
    at_once(&storage, &service, &runs[..1]);
    let alone = (paced(&storage, &service, &runs), at_once(&storage, &service, &runs));
    let door = web::Door { listen: vec!["127.0.0.1:0".parse().unwrap()], ..web::Door::default() };
    let opened = web::open(&door, Vec::new(), false).unwrap();
    let address: SocketAddr = opened.addresses()[0].strip_prefix("http://").unwrap().parse().unwrap();
    let server = opened.serve(Arc::clone(&service)).unwrap();
    let got = Arc::new(Got::default());
    let here = Arc::clone(&got);
    thread::spawn(move || look_on(address, &here));
    while got.connected.load(Ordering::Relaxed) < (OF_ONE + OF_ALL) as u64 {
        thread::sleep(Duration::from_millis(10));
    }
    let watched = (paced(&storage, &service, &runs), at_once(&storage, &service, &runs));
    let [events, lost] = [&got.events, &got.lost].map(|count| count.load(Ordering::Relaxed));
    println!(
        "builds a second while {PER_SECOND} are asked for: {:.0}, with {} streams {:.0}: {:.0}%",
        alone.0,
        OF_ONE + OF_ALL,
        watched.0,
        100.0 * watched.0 / alone.0
    );
    println!(
        "{} asked for at once: {:.0} a second, with streams {:.0}: {:.0}%",
        runs.len(),
        alone.1,
        watched.1,
        100.0 * watched.1 / alone.1
    );
    println!("events that came: {events}; times that events were lost, and told so: {lost}");
    service.stop(Duration::from_secs(1)).unwrap();
    server.stop().unwrap();
}

/// Requests builds at an even rate, and returns how many end per second.
fn paced(storage: &Arc<dyn Storage>, service: &Service, runs: &[NewRun]) -> f64 {
    let (each, mut next) = (PER_SECOND / PARTS, runs.iter().cycle());
    let since = Instant::now();
    for part in 0..SECONDS * PARTS {
        let due = Duration::from_millis((1_000 * part / PARTS) as u64);
        thread::sleep(due.saturating_sub(since.elapsed()));
        create(storage, next.by_ref().take(each).cloned());
        service.look();
    }
    are_done(storage);
    (PER_SECOND * SECONDS) as f64 / since.elapsed().as_secs_f64()
}

fn at_once(storage: &Arc<dyn Storage>, service: &Service, runs: &[NewRun]) -> f64 {
    let since = Instant::now();
    create(storage, runs.iter().cloned());
    service.look();
    are_done(storage);
    runs.len() as f64 / since.elapsed().as_secs_f64()
}

/// Runs all clients on one thread. Each has its own address, because the service limits how often
/// one client connects.
fn look_on(address: SocketAddr, got: &Arc<Got>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..OF_ONE + OF_ALL {
            let query = if client < OF_ONE { format!("?job=job-{client}") } else { String::new() };
            clients.spawn(watch(address, client, query, Arc::clone(got)));
        }
        clients.join_all().await;
    });
}

async fn watch(address: SocketAddr, client: usize, query: String, got: Arc<Got>) {
    let socket = TcpSocket::new_v4().unwrap();
    let own = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + u32::try_from(client).unwrap());
    socket.bind(SocketAddr::from((own, 0))).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream
        .write_all(format!("GET /api/v1/events{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut buffer = vec![0; 64 << 10];
    let mut is_first = true;
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..count]);
        if std::mem::take(&mut is_first) {
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            got.connected.fetch_add(1, Ordering::Relaxed);
        }
        got.events.fetch_add(text.matches("\nevent: ").count() as u64, Ordering::Relaxed);
        got.lost.fetch_add(text.matches("\nevent: lost").count() as u64, Ordering::Relaxed);
    }
}
