//! Servers on loopback that answer as a test says.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;

use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::StreamOwned;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::root;

/// A connection, in the open or over TLS.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A server on loopback. Its threads end with the process.
pub struct Peer {
    /// Where it listens.
    pub port: u16,
    /// The head of each request, as it came.
    heads: Arc<Mutex<Vec<String>>>,
}

/// The file of a certificate of `tests/certificates`.
pub fn certificate(name: &str) -> String {
    root().join("tests/certificates").join(name).display().to_string()
}

impl Peer {
    /// A server that does with each connection what it is told.
    pub fn raw(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let handle = Arc::new(handle);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let handle = Arc::clone(&handle);
                std::thread::spawn(move || handle(stream));
            }
        });
        Self { port, heads: Arc::default() }
    }

    /// A server that answers the head of each request.
    pub fn http(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        let peer = Self::raw(move |stream| talk(Box::new(stream), &kept, &answer));
        Self { heads, ..peer }
    }

    /// The same over TLS, with a certificate of `tests/certificates`.
    pub fn https(name: &str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate(&format!("{name}.pem"))).expect("a certificate");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(certificate(&format!("{name}.key"))).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let config = Arc::new(config.with_single_cert(chain, key).expect("a configuration"));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        let peer = Self::raw(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            talk(Box::new(StreamOwned::new(connection, stream)), &kept, &answer);
        });
        Self { heads, ..peer }
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("the heads").clone()
    }
}

/// Reads requests without bodies, or with a `content-length`, and answers each.
fn talk(stream: Box<dyn Stream>, heads: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> String) {
    let mut stream = BufReader::new(stream);
    while let Some(head) = read_head(&mut stream) {
        let mut length =
            head.lines().filter_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.next().unwrap_or(0);
        if std::io::copy(&mut stream.by_ref().take(length as u64), &mut std::io::sink()).is_err() {
            return;
        }
        heads.lock().expect("the heads").push(head.clone());
        if stream.get_mut().write_all(answer(&head).as_bytes()).and_then(|()| stream.get_mut().flush()).is_err() {
            return;
        }
    }
}

/// The lines of a request up to the empty one; none at the end of a connection.
pub fn read_head(stream: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        match stream.read_line(&mut head) {
            Ok(0) | Err(_) => return None,
            Ok(_) if head[before..].trim().is_empty() => return Some(head),
            Ok(_) => {}
        }
    }
}

/// An answer with a body.
pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
