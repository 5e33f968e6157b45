//! Tunnels through a proxy.

use std::io;

use jobcontrol_core::http::Target;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;

/// The most bytes that a proxy may answer before a tunnel begins.
const ANSWER: usize = 8 << 10;

/// Asks a proxy for a tunnel to the host and port of a request.
pub(super) async fn tunnel(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), target: &Target) -> io::Result<()> {
    let to = format!("{}:{}", target.host, target.port);
    stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    // The first byte after the answer belongs to the tunnel.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER {
            return Err(io::Error::other("the proxy's answer does not end"));
        }
        answer.push(stream.read_u8().await?);
    }
    let status = answer.split(|b| *b == b' ').nth(1).unwrap_or_default();
    if status.len() == 3 && status.starts_with(b"2") {
        return Ok(());
    }
    Err(io::Error::other(format!("the proxy refuses with status {}", String::from_utf8_lossy(status))))
}
