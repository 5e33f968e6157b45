//! Servers on the loopback address: one that responds, and one that never does.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// The body of each response.
pub(crate) const BODY: &str = "{\"orders\": [{\"id\": 1, \"customer\": \"Ada\", \"amount\": 500}]}";

/// The number of connections that wait for a response.
static WAITING: AtomicUsize = AtomicUsize::new(0);

fn listen(handle: fn(std::net::TcpStream)) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || handle(stream));
        }
    });
    port
}

/// Starts a server that responds to each request, and returns its port.
pub(crate) fn answering() -> u16 {
    listen(|stream| {
        stream.set_nodelay(true).unwrap();
        let mut stream = BufReader::new(stream);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|count| count > 0) {
            if line == "\r\n" && stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
            line.clear();
        }
    })
}

/// Starts a server that never responds, and returns its port.
pub(crate) fn silent() -> u16 {
    listen(|mut stream| {
        WAITING.fetch_add(1, Ordering::SeqCst);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        WAITING.fetch_sub(1, Ordering::SeqCst);
    })
}

/// Waits until `count` connections wait for a response.
pub(crate) fn await_connections(count: usize) {
    while WAITING.load(Ordering::SeqCst) < count {
        std::thread::yield_now();
    }
}
