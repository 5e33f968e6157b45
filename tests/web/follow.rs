//! What an open page is sent.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::storage::Storage;
use serde_json::Value;

use crate::harness::Folder;
use crate::harness::served::Served;

const BROWSER: &str = "Accept: text/html";

/// A stream of pieces.
struct Pieces {
    connection: BufReader<TcpStream>,
    text: String,
}

/// A piece: its id, the event, and its data.
#[derive(Clone, Debug)]
struct Piece {
    id: Option<String>,
    event: String,
    data: Value,
}

impl Pieces {
    /// Follows a page, as the page itself says, from after a record if one is named.
    fn of(served: &Served, page: &str, again: Option<&str>) -> Self {
        let html = String::from_utf8(served.send("GET", page, &[BROWSER], "").body).unwrap();
        let feed = html.split("data-feed=\"").nth(1).and_then(|rest| rest.split('"').next());
        let feed = feed.unwrap_or_else(|| panic!("{page} is not followed")).replace("&#38;", "&");
        Self::at(served, &feed, again)
    }

    fn at(served: &Served, feed: &str, again: Option<&str>) -> Self {
        let mut connection = TcpStream::connect(&served.address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let again = again.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        write!(connection, "GET {feed} HTTP/1.1\r\nHost: localhost\r\n{again}\r\n").unwrap();
        let mut connection = BufReader::new(connection);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(connection.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        Self { connection, text: String::new() }
    }

    fn next(&mut self) -> Piece {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            assert!(Instant::now() < until, "nothing has come but heartbeats");
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let of = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let (id, Some(event), Some(data)) = (of("id: "), of("event: "), of("data: ")) {
                    let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
                    return Piece { id, event, data };
                }
            }
            let mut line = String::new();
            self.connection.read_line(&mut line).expect("a piece in time");
            let length = usize::from_str_radix(line.trim(), 16).expect("a chunk");
            let mut bytes = vec![0; length + 2];
            self.connection.read_exact(&mut bytes).unwrap();
            bytes.truncate(length);
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// Reads up to a piece of that element which has this text; returns all of them.
    fn until(&mut self, at: &str, text: &str) -> Vec<Piece> {
        let (mut seen, until): (Vec<Piece>, _) = (Vec::new(), Instant::now() + Duration::from_secs(20));
        loop {
            let told = || seen.iter().map(|piece| format!("{}\n", piece.data)).collect::<String>();
            assert!(Instant::now() < until, "no `{text}` in {at}: {}", told());
            let piece = self.next();
            let is_it = piece.data["at"] == at && piece.data["html"].as_str().is_some_and(|html| html.contains(text));
            seen.push(piece);
            if is_it {
                return seen;
            }
        }
    }
}

/// The numbers of the log's lines in these pieces.
fn lines(pieces: &[Piece]) -> Vec<usize> {
    let html =
        pieces.iter().filter(|piece| piece.data["at"] == "log:lines").filter_map(|piece| piece.data["html"].as_str());
    html.flat_map(|html| html.split("<li id=\"L").skip(1))
        .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn a_list_shows_what_happens_and_a_broken_file_without_being_loaded_again() {
    let folder = Folder::new()
        .guest("divide.wat")
        .file("jobs/all.yaml", "jobs:\n  - { id: good, function: divide:divide, args: [6, 3] }\n");
    let served = Served::start(&folder, &[]);
    let mut jobs = Pieces::of(&served, "/", None);
    let first = jobs.until("running", "");
    assert!(!first.iter().any(|piece| piece.data["at"] == "jobs"), "the page has it: {first:?}");
    folder.run(&["run", "good"]).code(0);
    jobs.until("jobs", "Up to date");
    folder.write("jobs/all.yaml", "jobs:\n  - { id: good, function: divide:divide, args: [6, 0] }\n");
    jobs.until("jobs", "Needs attention");
    folder.run(&["run", "good"]).code(1);
    jobs.until("why:good", "integer divide by zero");
    folder.write("jobs/all.yaml", "jobs:\n  - { id: good, function: divide:divide, args: [6] }\n");
    jobs.until("mistakes", "mistake");
    folder.write("jobs/all.yaml", "jobs:\n  - { id: good, function: divide:divide, args: [6, 2] }\n");
    folder.run(&["run", "good"]).code(0);
    jobs.until("jobs", "Up to date");
}

#[test]
fn a_log_is_followed_and_nothing_is_missed_or_comes_twice() {
    let folder =
        Folder::new().guest("loop_endless.wat").file("jobs/spin.yaml", "function: loop_endless:spin\ntimeout: 1h\n");
    let served = Served::start(&folder, &[]);
    served.send("POST", "/api/v1/runs", &[], "{\"targets\": [\"spin\"]}").ok();
    served.get_until("/api/v1/builds/1", |build| build["status"] == "RUNNING");
    // Another process writes; the page is sent what the store has.
    let store = folder.store();
    let say = |from: u64, to: u64| {
        let line = |number| NewRecord::new(Timestamp(1), Level::Info, "t", format!("line {number}"));
        crate::harness::say(&store, 1, from..=to, line);
    };
    say(1, 10);
    let mut first = Pieces::of(&served, "/builds/1", None);
    say(11, 60);
    let seen = first.until("log:lines", "line 60");
    assert_eq!(lines(&seen), (11..=60).collect::<Vec<_>>(), "the page had the first ten");
    let last = seen.iter().rev().find_map(|piece| piece.id.clone()).unwrap();
    drop(first);
    say(61, 75);
    let mut again = Pieces::of(&served, "/builds/1", Some(&last));
    let seen = again.until("log:lines", "line 75");
    assert_eq!(lines(&seen), (61..=75).collect::<Vec<_>>(), "from after the last one");
    assert!(seen.iter().any(|piece| piece.data["at"] == "build:head"), "who comes back gets all pieces anew");
    // A filter counts all records, and sends those that fit.
    let mut chosen = Pieces::of(&served, "/builds/1?q=LINE+77", None);
    say(76, 77);
    assert_eq!(lines(&chosen.until("log:lines", "line 77")), [77]);
    // A log that runs away from its reader: the end is what is sent, and the gap is told.
    say(78, 6_000);
    let mut slow = Pieces::of(&served, "/builds/1", Some("0.0"));
    let told = slow.until("log:lines", "left out here");
    assert!(lines(&told).len() < 6_000);
    slow.until("log:lines", "line 6000");
    served.send("POST", "/api/v1/builds/1/cancel", &[], "").ok();
    again.until("build:head", "Run again");
}

#[test]
fn a_long_log_is_read_in_parts_by_place_level_and_text() {
    let folder = Folder::new().guest("add.wat").file("jobs/one.yaml", "function: add:add\nargs: [1, 2]\n");
    folder.run(&["run", "one"]).code(0);
    let store = folder.store();
    for number in 1..=6_000 {
        let level = if number % 1_000 == 0 { Level::Error } else { Level::Info };
        store.log_message(1, NewRecord::new(Timestamp(number), level, "t", format!("record <{number}>"))).unwrap();
    }
    let served = Served::start(&folder, &[]);
    let get = |path: &str| String::from_utf8(served.send("GET", path, &[BROWSER], "").body).unwrap();
    let page = get("/builds/1");
    assert!(page.contains("data-total=\"6000\"") && page.contains("6,000 records"), "{}", page.len());
    assert_eq!(page.matches("<li id=\"L").count(), 200, "the last of them are there without scripts");
    let chunk = get("/builds/1/log?chunk=10");
    assert!(
        chunk.contains("id=\"L2001\"") && chunk.contains("record &#60;2001&#62;") && chunk.contains("id=\"L2200\"")
    );
    assert_eq!(chunk.matches("<li id=\"L").count(), 200);
    assert_eq!(get("/builds/1/log?chunk=30"), "");
    let errors = get("/builds/1/log?chunk=0&level=error");
    assert_eq!(errors.matches("<li id=\"L").count(), 6);
    assert!(errors.contains("id=\"L3000\" class=\"is-error\""), "a record keeps its place: {errors}");
    assert!(get("/builds/1?q=%3C42%3E").contains("1 of 6,000 records"));
    let raw = get("/builds/1/log.txt");
    assert_eq!((raw.matches(" t: record <").count(), raw.contains("record <6000>")), (6_000, true));
    assert_eq!(get("/builds/1/log.jsonl").matches("{\"id\":").count(), 6_000);
    let value = served.send("GET", "/builds/1/retval.json", &[], "");
    assert!(
        value.has("content-disposition: attachment; filename=\"one-1.json\"") && value.body == b"3",
        "{}",
        value.head
    );
    assert_eq!(served.send("GET", "/builds/1/log", &[], "").status, 400);
    assert_eq!(served.send("GET", "/builds/9/log.txt", &[], "").status, 404);
}

#[test]
fn a_page_that_is_not_there_is_not_followed() {
    let folder = Folder::new().guest("add.wat").file("jobs/one.yaml", "function: add:add\nargs: [1, 2]\n");
    let served = Served::start(&folder, &[]);
    for query in [
        "",
        "?page=nothing",
        "?page=build",
        "?page=build&build=9",
        "?page=jobs&nope=1",
        "?page=job&job=nope",
        "?page=run&run=x",
    ] {
        let status = served.send("GET", &format!("/live{query}"), &[], "").status;
        assert!(matches!(status, 400 | 404), "{query}: {status}");
    }
    // Whoever comes back to a list says how far it was, as every page does.
    let mut back = Pieces::at(&served, "/live?page=jobs&after=one&seen=0.0", None);
    assert_eq!(back.next().event, "patch");
    // Another version of the program has made the page: it is to be loaded again.
    let mut old = Pieces::at(&served, "/live?page=jobs&version=0.0.0", None);
    assert_eq!(old.next().event, "reload");
}

#[test]
fn every_page_that_shows_what_changes_is_sent_it() {
    let job = "  - { id: good, function: divide:divide, args: [6, 3], schedule: { cron: \"0 6 * * *\" } }\n";
    let folder = Folder::new().guest("divide.wat").file("jobs/all.yaml", format!("jobs:\n{job}"));
    let served = Served::start(&folder, &[]);
    let mut timeline = Pieces::of(&served, "/timeline", None);
    let mut plugin = Pieces::of(&served, "/plugins/divide", None);
    let mut plugins = Pieces::of(&served, "/plugins?q=div", None);
    let mut schedules = Pieces::of(&served, "/schedules", None);
    let mut workers = Pieces::of(&served, "/workers", None);
    folder.run(&["run", "good"]).code(0);
    timeline.until("timeline", "href=\"/builds/1\"");
    timeline.until("timeline:sub", "1 build in 24 h");
    plugin.until("plugin", "in use</span>");
    let more = "  - { id: more, function: divide:divide, args: [1, 1], schedule: { cron: \"0 7 * * *\" } }\n";
    folder.write("jobs/all.yaml", format!("jobs:\n{job}{more}"));
    schedules.until("schedules", "0 7 * * *");
    plugins.until("plugins", "<td class=\"num\">2</td>");
    plugin.until("plugin", "href=\"/jobs/more\"");
    workers.until("jobs:count", "2");
    // What goes while somebody looks at it is told, and stays to be read.
    std::fs::remove_file(folder.path("jobs/divide.wat")).unwrap();
    plugin.until("gone", "there is no plugin `divide`");
    folder.write("jobs/divide.wat", std::fs::read(crate::harness::root().join("tests/guests/divide.wat")).unwrap());
    plugin.until("plugin", "href=\"/jobs/more\"");
}
