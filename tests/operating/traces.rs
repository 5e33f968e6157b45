//! Spans of runs, sent to a collector.

use super::HANGS;
use super::notify::header;
use super::notify::receiver;
use crate::harness::Folder;
use crate::harness::serving::Serving;

#[test]
fn a_collector_is_sent_the_spans_of_a_run() {
    let (peer, requests) = receiver("HTTP/1.1 200 OK\r\n");
    let job = "function: add:add\nargs: [1, 2]\nschedule: \"* * * * * *\"\n";
    let folder = Folder::new().guest("add.wat").file("jobs/sum.yaml", job);
    let url = format!("http://127.0.0.1:{}/v1/traces", peer.port);
    let serving = Serving::of(&mut folder.command(&["serve", "--listen", "off", "--log", "json", "--otlp", &url]));
    serving.record("run ended");
    // What is left is sent at the end.
    serving.stop();
    let (head, body) = requests.recv_timeout(HANGS).unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "content-type"), Some("application/x-protobuf"));
    for part in ["jobcontrol", "build sum", "attempt", "schedule:sum", "SUCCESSFUL"] {
        assert!(body.windows(part.len()).any(|some| some == part.as_bytes()), "no `{part}`");
    }
}
