//! A service that answers HTTP, and a client that sends what it is told, well-formed or not.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::process::ChildStderr;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::Folder;

/// Time for an event to come.
const EVENT_WITHIN: Duration = Duration::from_secs(30);

/// A stream of events.
pub struct Stream {
    connection: BufReader<TcpStream>,
    text: String,
}

/// An event as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub id: String,
    pub event: String,
    pub data: Value,
}

impl Stream {
    /// Waits for the next event; none once the service has ended the stream.
    pub fn next(&mut self) -> Option<Seen> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let of = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let (Some(id), Some(event), Some(data)) = (of("id: "), of("event: "), of("data: ")) {
                    return Some(Seen { id, event, data: serde_json::from_str(&data).expect("JSON") });
                }
            }
            let chunk = self.chunk()?;
            self.text.push_str(&chunk);
        }
    }

    fn chunk(&mut self) -> Option<String> {
        let mut line = String::new();
        self.connection.read_line(&mut line).expect("an event in time");
        let length = usize::from_str_radix(line.trim(), 16).ok().filter(|length| *length > 0)?;
        let mut bytes = vec![0; length + 2];
        self.connection.read_exact(&mut bytes).expect("a chunk");
        bytes.truncate(length);
        Some(String::from_utf8(bytes).expect("UTF-8"))
    }

    /// Reads up to an event that fits; returns all of them.
    pub fn until(&mut self, fits: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            seen.push(self.next().unwrap_or_else(|| panic!("the stream has ended: {seen:#?}")));
            if seen.last().is_some_and(&fits) {
                return seen;
            }
        }
    }

    /// Reads up to the end of a build.
    pub fn built(&mut self, build: u64) -> Vec<Seen> {
        self.until(|seen| seen.event == "status" && seen.data["id"] == build && !seen.data["took"].is_null())
    }
}

/// The program in a folder, with these arguments, started by a line of a shell, in which `"$0"
/// "$@"` is the command.
pub fn shelled(folder: &Folder, line: &str, arguments: &[&str]) -> Command {
    let inner = folder.command(arguments);
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(inner.get_current_dir().expect("a folder")).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A service in a folder, killed when it is dropped.
pub struct Served {
    child: Child,
    /// Where it listens: `127.0.0.1:1234` or `unix:PATH`.
    pub address: String,
    /// Its log, read on by nobody: what it says later fits the pipe.
    log: Option<BufReader<ChildStderr>>,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Served {
    /// Starts `serve` on any free port of loopback.
    pub fn start(folder: &Folder, more: &[&str]) -> Self {
        Self::on(folder, "127.0.0.1:0", more)
    }

    /// Starts `serve` there, and waits until it answers.
    pub fn on(folder: &Folder, listen: &str, more: &[&str]) -> Self {
        Self::anywhere(folder, &[&["--listen", listen], more].concat())
    }

    /// Starts `serve` with these arguments, and waits until it answers.
    pub fn anywhere(folder: &Folder, more: &[&str]) -> Self {
        Self::of(&mut folder.command(&[&["serve", "--log", "json", "--grace", "5s"], more].concat()))
    }

    /// The service that a command starts, whose log is JSON; waits until it answers.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("a log"));
        // Whatever comes of the start, the child ends with this.
        let mut served = Self { child, address: String::new(), log: None };
        let mut said = String::new();
        while served.address.is_empty() {
            let mut line = String::new();
            let read = log.read_line(&mut line).expect("a line");
            assert!(read > 0, "the service has ended: {said}");
            said.push_str(&line);
            let found = serde_json::from_str::<Value>(&line).ok().and_then(|line| address(&line));
            served.address = found.unwrap_or_default();
        }
        served.log = Some(log);
        served
    }

    /// Sends a request to a path, with these lines of its head and this body; returns the answer.
    pub fn send(&self, method: &str, path: &str, lines: &[&str], body: &str) -> Got {
        let has = |name: &str| lines.iter().any(|line| line.to_ascii_lowercase().starts_with(name));
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !has("host:") {
            request.push_str("Host: localhost\r\n");
        }
        if !body.is_empty() || method == "POST" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        if !body.is_empty() && !has("content-type:") {
            request.push_str("Content-Type: application/json\r\n");
        }
        lines.iter().for_each(|line| request.push_str(&format!("{line}\r\n")));
        request.push_str("\r\n");
        request.push_str(body);
        self.raw(request.as_bytes())
    }

    /// Sends bytes as they are, and reads the answer to its end.
    pub fn raw(&self, bytes: &[u8]) -> Got {
        let mut answer = Vec::new();
        match self.address.strip_prefix("unix:") {
            Some(path) => talk(UnixStream::connect(path).expect("a socket"), bytes, &mut answer),
            None => talk(TcpStream::connect(&self.address).expect("a connection"), bytes, &mut answer),
        }
        Got::read(&answer)
    }

    /// Watches events, from after an event if one is named.
    pub fn watch(&self, query: &str, after: Option<&str>) -> Stream {
        let after = after.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        self.watch_with(query, &after)
    }

    /// Watches events, with these lines in the head of the request.
    pub fn watch_with(&self, query: &str, lines: &str) -> Stream {
        let mut connection = TcpStream::connect(&self.address).expect("a connection");
        connection.set_read_timeout(Some(EVENT_WITHIN)).expect("a timeout");
        let head = format!("GET /api/v1/events{query} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        connection.write_all(head.as_bytes()).expect("a request");
        let mut connection = BufReader::new(connection);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(connection.read_line(&mut head).expect("a head") > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
        let mut stream = Stream { connection, text: String::new() };
        // It is watched once something has come.
        stream.text = stream.chunk().expect("a first chunk");
        stream
    }

    /// What a path answers, which is a document.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.get_until(path, |_| true)
    }

    /// The same once what it answers is as it should be. Others change it, so it is asked for again
    /// and again.
    #[track_caller]
    pub fn get_until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let got = self.send("GET", path, &[], "");
            // Whoever asks this often is told to wait.
            if got.status == 429 {
                std::thread::yield_now();
                continue;
            }
            let document = got.ok();
            if is_so(&document) {
                return document;
            }
            assert!(std::time::Instant::now() < until, "{document:#}");
            std::thread::yield_now();
        }
    }

    /// Its process.
    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> i32 {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::INT).expect("a process");
        self.child.wait().expect("an end").code().unwrap_or(-1)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(line: &Value) -> Option<String> {
    let address = [&line["address"], &line["fields"]["address"]].into_iter().find_map(Value::as_str)?;
    Some(address.split_once("://").map_or(address, |(_, address)| address).to_owned())
}

fn talk(mut stream: impl Read + Write, bytes: &[u8], answer: &mut Vec<u8>) {
    // Whoever is refused early is cut off while still sending.
    let _ = stream.write_all(bytes);
    let _ = stream.read_to_end(answer);
}

impl Got {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Self { status, head, body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
    }

    /// The document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}) in {self:?}"))
    }

    /// The document of an answer that says yes.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.head, String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Asserts a refusal of this status, which is a problem document; returns it.
    #[track_caller]
    pub fn refused(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} {}", self.head, String::from_utf8_lossy(&self.body));
        assert!(self.has("content-type: application/problem+json"), "{}", self.head);
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem
    }

    /// Whether the head has this line.
    pub fn has(&self, line: &str) -> bool {
        self.head.lines().any(|other| other.eq_ignore_ascii_case(line))
    }
}
