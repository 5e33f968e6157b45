//! Measures builds one at a time: over HTTP, and in the same process without HTTP.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol::service::serving::Service;
use jobcontrol::web;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::run::Requester;

use super::ready;

/// The number of pairs, each with one build of each kind.
const PAIRS: usize = 200;
/// The time between two pairs. This gives fewer requests per second than one client may send.
const BETWEEN: Duration = Duration::from_millis(25);

pub(super) fn measure() {
    let folder = super::folder(1);
    let app = super::app(folder.path());
    let service = Arc::new(super::serve(&app, folder.path()));
    let door = web::Door { listen: vec!["127.0.0.1:0".parse().unwrap()], ..web::Door::default() };
    let opened = web::open(&door, Vec::new(), false).unwrap();
    let address = opened.addresses()[0].strip_prefix("http://").unwrap().to_owned();
    let server = opened.serve(Arc::clone(&service)).unwrap();
    let mut connection = BufReader::new(TcpStream::connect(&address).unwrap());
    connection.get_ref().set_nodelay(true).unwrap();
    let (mut here, mut there) = (Vec::new(), Vec::new());
    // The first one compiles the plugin.
    in_process(&app, &service);
    for _ in 0..PAIRS {
        std::thread::sleep(BETWEEN);
        here.push(in_process(&app, &service));
        there.push(over_http(&mut connection));
    }
    let [here, there] = [here, there].map(|mut took| {
        took.sort_unstable();
        took[took.len() / 2].as_secs_f64() * 1000.0
    });
    println!(
        "one build at a time, p50: in the process {here:.2} ms, over HTTP {there:.2} ms: {:.2} times",
        there / here
    );
    service.stop(Duration::from_secs(1)).unwrap();
    server.stop().unwrap();
}

/// Measures the time from the request to the function's return value.
fn in_process(app: &jobcontrol::app::App, service: &Service) -> Duration {
    let mut events = service.engine().publisher().watch();
    let since = Instant::now();
    let ready = ready(app, &service.current().reload.catalog, "job-0");
    let started = service.start_run(ready, &Requester::Api("bench".to_owned()), None).unwrap();
    started.blocking_recv().unwrap().unwrap();
    loop {
        let event = events.blocking_recv().unwrap().event;
        if let EventKind::Finished { .. } = event.kind {
            assert!(app.storage(true).unwrap().get_build(event.build_id).unwrap().success);
            return since.elapsed();
        }
    }
}

fn over_http(connection: &mut BufReader<TcpStream>) -> Duration {
    let body = r#"{"targets": ["job-0"]}"#;
    let since = Instant::now();
    let head = "POST /api/v1/runs?wait=60 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    connection.get_mut().write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let (mut line, mut length) = (String::new(), 0);
    connection.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 201"), "{line}");
    while line != "\r\n" {
        line.clear();
        connection.read_line(&mut line).unwrap();
        if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap();
        }
    }
    let mut answer = vec![0; length];
    connection.read_exact(&mut answer).unwrap();
    let took = since.elapsed();
    assert!(String::from_utf8_lossy(&answer).contains("\"status\":\"SUCCESSFUL\""));
    took
}
