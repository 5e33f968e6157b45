//! More clients than there is room for.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

use rustix::net::AddressFamily;
use rustix::net::SocketType;

use crate::harness::Folder;
use crate::harness::served::Served;
use crate::harness::served::shelled;

/// Who may watch events at once, and how many connections there may be.
const WATCHERS: u32 = 1_100;
const CONNECTIONS: u32 = 1_600;

/// A connection from an address of its own: one client may not ask that often.
fn connect(served: &Served, client: u32) -> TcpStream {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let own = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + client);
    rustix::net::bind(&socket, &SocketAddr::from((own, 0))).unwrap();
    rustix::net::connect(&socket, &served.address.parse::<SocketAddr>().unwrap()).unwrap();
    TcpStream::from(socket)
}

/// Asks for a path; returns the connection with what it answers first.
fn ask(served: &Served, client: u32, path: &str) -> (BufReader<TcpStream>, String) {
    let mut stream = connect(served, client);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    (stream, line)
}

#[test]
fn more_clients_than_there_is_room_for_wait_or_are_told() {
    let folder = Folder::new().guest("add.wat").file("jobs/add.yaml", "function: add:add\nargs: [1, 2]\n");
    // As a shell starts it, in which a program may open few files unless it asks for more.
    let line = "ulimit -S -n 256; exec \"$0\" \"$@\"";
    let served = Served::of(&mut shelled(&folder, line, &["serve", "--log", "json", "--listen", "127.0.0.1:0"]));
    let watching: Vec<_> = (0..WATCHERS).map(|client| ask(&served, client, "/api/v1/events")).collect();
    assert!(watching.iter().all(|(_, line)| line.starts_with("HTTP/1.1 200")));
    let (mut refused, line) = ask(&served, WATCHERS, "/api/v1/events");
    assert!(line.starts_with("HTTP/1.1 503"), "{line}");
    let mut head = vec![0; 64];
    refused.read_exact(&mut head).unwrap();
    // The others are answered, and builds run.
    assert!(ask(&served, WATCHERS + 1, "/healthz").1.starts_with("HTTP/1.1 200"));
    folder.run(&["run", "add"]).code(0);
    drop(refused);
    let idle: Vec<_> = (0..CONNECTIONS - WATCHERS).map(|client| connect(&served, WATCHERS + 2 + client)).collect();
    // This one waits until somebody goes.
    let mut late = connect(&served, CONNECTIONS + 10);
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    drop(idle);
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(watching);
    // There is room again as soon as it was seen that they have gone.
    let until = Instant::now() + Duration::from_secs(30);
    let mut clients = CONNECTIONS + 11..;
    while !ask(&served, clients.next().unwrap(), "/api/v1/events").1.starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < until);
    }
}
