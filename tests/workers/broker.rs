//! A NATS server of a test's own, on a free port of loopback.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;

/// A server that is killed when it is dropped.
pub struct Broker {
    child: Child,
    port: u16,
    folder: TempDir,
}

/// The program that an environment variable names.
pub fn server(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} names no NATS server")).into()
}

impl Broker {
    /// Starts a server with JetStream.
    pub fn start() -> Self {
        Self::of(&server("JOBCONTROL_NATS"), true)
    }

    /// Starts that program, with JetStream or without.
    pub fn of(program: &Path, jetstream: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (child, port) = started(program, &folder, 0, jetstream, "");
        Self { child, port, folder }
    }

    /// Starts a server with JetStream and these lines in its configuration.
    pub fn configured(lines: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (child, port) = started(&server("JOBCONTROL_NATS"), &folder, 0, true, lines);
        Self { child, port, folder }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `--bus` takes.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Publishes these bytes, as anybody can who reaches the broker.
    pub fn publish(&self, subject: &str, bytes: &[u8]) {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        connection.write_all(b"CONNECT {\"verbose\":false}\r\n").expect("a greeting");
        connection.write_all(format!("PUB {subject} {}\r\n", bytes.len()).as_bytes()).expect("a message");
        connection.write_all(bytes).expect("its bytes");
        connection.write_all(b"\r\nPING\r\n").expect("an end");
        let mut answers = BufReader::new(connection).lines().map_while(Result::ok);
        assert!(answers.any(|line| line == "PONG"), "the broker has the message");
    }

    /// Whether some file of the server has these bytes.
    pub fn has_stored(&self, bytes: &[u8]) -> bool {
        let files = walkdir::WalkDir::new(self.folder.path()).into_iter().flatten();
        files
            .filter(|file| file.file_type().is_file())
            .any(|file| std::fs::read(file.path()).expect("a file").windows(bytes.len()).any(|window| window == bytes))
    }

    /// Kills the server, and starts it again with what it had stored.
    pub fn crash(&mut self) {
        self.child.kill().expect("a server");
        self.child.wait().expect("an end");
        (self.child, self.port) = started(&server("JOBCONTROL_NATS"), &self.folder, self.port, true, "");
    }
}

/// Starts a server, and waits until it is ready. Port 0 is any free one.
fn started(program: &Path, folder: &TempDir, port: u16, jetstream: bool, lines: &str) -> (Child, u16) {
    let port = if port == 0 { "-1".to_owned() } else { port.to_string() };
    let mut command = Command::new(program);
    command.args(["-a", "127.0.0.1", "-p", &port]).stderr(Stdio::piped());
    if jetstream {
        command.arg("-js").arg("-sd").arg(folder.path());
    }
    if !lines.is_empty() {
        let file = folder.path().join("server.conf");
        std::fs::write(&file, lines).expect("a file");
        command.arg("-c").arg(file);
    }
    let mut child = command.spawn().expect("the server starts");
    let mut log = BufReader::new(child.stderr.take().expect("a log"));
    let (mut said, mut bound) = (String::new(), None);
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).expect("a line") > 0, "the server has ended: {said}");
        if let Some((_, address)) = line.split_once("Listening for client connections on ") {
            bound = address.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        }
        said.push_str(&line);
        if line.contains("Server is ready") {
            break;
        }
    }
    // Read on, so that the pipe never fills.
    std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(drop));
    (child, bound.expect("a port"))
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
