//! The HTTP client of the sandbox, used without the sandbox.

use std::time::Duration;
use std::time::Instant;

use http_body_util::BodyExt;
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use tokio::net::TcpStream;
use wasmtime_wasi_http::io::TokioIo;

use crate::server::BODY;

/// Sends GETs one after the other over one connection, and returns the time.
pub(crate) async fn requests(port: u16, count: u32) -> Duration {
    let since = Instant::now();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..count {
        sender.ready().await.unwrap();
        let request = Request::builder().uri("/").header("host", "127.0.0.1").body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), BODY.len());
    }
    since.elapsed()
}
