//! What systemd is told of a service, on the socket that it names.

use std::os::unix::net::UnixDatagram;

use super::HANGS;
use crate::harness::Folder;
use crate::harness::root;
use crate::harness::serving::Serving;

/// The next message that is told, of those that begin so.
#[track_caller]
fn told(socket: &UnixDatagram, begins: &str) -> String {
    let mut message = [0; 4096];
    loop {
        let length = socket.recv(&mut message).unwrap_or_else(|e| panic!("no `{begins}`: {e}"));
        let text = String::from_utf8(message[..length].to_vec()).unwrap();
        if text.starts_with(begins) {
            return text;
        }
    }
}

#[test]
fn systemd_is_told_when_a_service_serves_lives_and_stops() {
    let folder = Folder::new().guest("add.wat").file("jobs/sum.yaml", "function: add:add\nargs: [1, 2]\n");
    let socket = UnixDatagram::bind(folder.path("notify")).unwrap();
    socket.set_read_timeout(Some(HANGS)).unwrap();
    let mut command = folder.command(&["serve", "--listen", "off", "--log", "json"]);
    command.env("NOTIFY_SOCKET", folder.path("notify")).env("WATCHDOG_USEC", "300000");
    let serving = Serving::of(&mut command);
    told(&socket, "READY=1");
    told(&socket, "WATCHDOG=1");
    told(&socket, "WATCHDOG=1");
    folder.write("jobs/more.yaml", "function: add:add\nargs: [1, 2]\n");
    let two = "STATUS=jobs: 2; runs: 0; builds: 0 running, 0 waiting\n";
    assert_eq!(told(&socket, two), two);
    serving.ask_to_stop();
    told(&socket, "STOPPING=1");
    serving.record("stopped");
}

#[test]
fn the_unit_gives_a_service_more_time_to_stop_than_it_takes() {
    let unit = std::fs::read_to_string(root().join("examples/deploy/jobcontrol.service")).unwrap();
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
    let seconds = |text: &str| text.trim_end_matches('s').parse::<u64>().unwrap();
    let grace = value("ExecStart").split_once("--grace ").unwrap().1;
    let grace = seconds(grace.split(' ').next().unwrap());
    // What is written at the end, and those who are told of failed runs, have some seconds of their
    // own.
    assert!(seconds(value("TimeoutStopSec")) >= grace + 10, "{unit}");
    assert_eq!(value("Type"), "notify");
}
