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
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Receiver;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use tempfile::TempDir;

/// A server that says nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(30);

/// A request that nobody answers in this time finds nobody: a stream without a leader is silent.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// A server that is killed when it is dropped.
pub struct Broker {
    program: PathBuf,
    /// How it is started, apart from the port.
    flags: Vec<String>,
    running: Running,
    folder: TempDir,
}

/// A process of a server that is ready.
struct Running {
    child: Child,
    port: u16,
    /// What it said until it was ready.
    start: String,
    /// What it says later.
    log: Receiver<String>,
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
        Self::with(program, |folder| if jetstream { storing(folder) } else { Vec::new() })
    }

    /// Starts a server with JetStream and these lines in its configuration.
    pub fn configured(lines: &str) -> Self {
        Self::with(&server("JOBCONTROL_NATS"), |folder| {
            let file = folder.join("server.conf");
            std::fs::write(&file, lines).expect("a file");
            storing(folder).into_iter().chain(["-c".to_owned(), file.display().to_string()]).collect()
        })
    }

    /// Starts a server with JetStream that stores in a folder of the caller's.
    pub fn on(store: &Path) -> Self {
        Self::with(&server("JOBCONTROL_NATS"), |_| storing(store))
    }

    /// Starts that program with these flags, which may name files of a folder of its own.
    fn with(program: &Path, flags: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let flags = flags(folder.path());
        let running = started(program, &flags, 0);
        Self { program: program.to_owned(), flags, running, folder }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.running.port
    }

    /// What `--bus` takes.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.running.port)
    }

    /// Publishes these bytes, as anybody can who reaches the broker.
    pub fn publish(&self, subject: &str, bytes: &[u8]) {
        let connection = self.connect();
        say(&connection, &format!("PUB {subject} {}", bytes.len()), bytes);
        let mut answers = BufReader::new(connection).lines().map_while(Result::ok);
        assert!(answers.any(|line| line == "PONG"), "the broker has the message");
    }

    /// Asks on a subject, and returns the answer, which is a line; none if nobody answers.
    pub fn ask(&self, subject: &str, bytes: &[u8]) -> Option<String> {
        let connection = self.connect();
        connection.set_read_timeout(Some(ANSWERS_WITHIN)).expect("a timeout");
        // A subject of this connection's own: an answer to another may come late.
        let own = format!("answers.{}", connection.local_addr().expect("an address").port());
        say(&connection, &format!("SUB {own} 1\r\nPUB {subject} {own} {}", bytes.len()), bytes);
        let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
        lines.find(|line| line.starts_with("MSG "))?;
        lines.next()
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.running.port)).expect("a connection")
    }

    /// The port that it named with these words when it started.
    pub fn named_port(&self, words: &str) -> u16 {
        port_of(&self.running.start, words).unwrap_or_else(|| panic!("no port in {}", self.running.start))
    }

    /// Reads its log, from where it was ready or read up to, until a line has these words.
    pub fn says(&self, words: &str) {
        let until = Instant::now() + HANGS;
        let mut said = Vec::new();
        while said.last().is_none_or(|line: &String| !line.contains(words)) {
            match self.running.log.recv_deadline(until) {
                Ok(line) => said.push(line),
                Err(_) => panic!("no `{words}` in {said:#?}"),
            }
        }
    }

    /// Returns when this time has passed; what the server logs meanwhile is not read later.
    pub fn pass(&self, time: Duration) {
        let until = Instant::now() + time;
        while self.running.log.recv_deadline(until).is_ok() {}
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
        self.kill();
        self.restart();
    }

    /// Kills the server, and starts it again without what it had stored.
    pub fn forget(&mut self) {
        self.kill();
        for entry in std::fs::read_dir(self.folder.path()).expect("a folder") {
            std::fs::remove_dir_all(entry.expect("an entry").path()).expect("what was stored");
        }
        self.restart();
    }

    /// Stops the server, or lets it go on.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.running.child), signal).expect("a server");
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        self.running.child.kill().expect("a server");
        self.running.child.wait().expect("an end");
    }

    /// Starts a server that was killed again, on the same port, with what it had stored.
    pub fn restart(&mut self) {
        self.running = started(&self.program, &self.flags, self.running.port);
    }
}

/// The flags of a server with JetStream that stores there.
fn storing(folder: &Path) -> Vec<String> {
    vec!["-js".to_owned(), "-sd".to_owned(), folder.display().to_string()]
}

/// Starts a server, and waits until it is ready. Port 0 is any free one.
fn started(program: &Path, flags: &[String], port: u16) -> Running {
    let number = if port == 0 { "-1".to_owned() } else { port.to_string() };
    let mut command = Command::new(program);
    command.args(["-a", "127.0.0.1", "-p", &number]).args(flags).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the server starts");
    let mut said = BufReader::new(child.stderr.take().expect("a log"));
    let mut start = String::new();
    while !start.contains("Server is ready") {
        assert!(said.read_line(&mut start).expect("a line") > 0, "the server has ended: {start}");
    }
    let (sender, log) = crossbeam_channel::unbounded();
    // Read on, so that the pipe never fills.
    std::thread::spawn(move || said.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    let port = port_of(&start, "Listening for client connections on ").expect("a port");
    Running { child, port, start, log }
}

/// The port at the end of the line that has these words.
fn port_of(said: &str, words: &str) -> Option<u16> {
    let line = said.lines().find(|line| line.contains(words))?;
    line.trim().rsplit(':').next()?.parse().ok()
}

/// Sends a request with these bytes, and asks for a sign that the broker has read them.
fn say(mut connection: &TcpStream, request: &str, bytes: &[u8]) {
    let greeting = &b"CONNECT {\"verbose\":false}\r\n"[..];
    for part in [greeting, request.as_bytes(), b"\r\n", bytes, b"\r\nPING\r\n"] {
        connection.write_all(part).expect("a request");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.running.child.kill();
        let _ = self.running.child.wait();
    }
}
