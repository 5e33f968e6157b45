//! `notify:`: who is told of scheduled runs that failed, and what.

use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;

use data_encoding::HEXLOWER;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;

use super::HANGS;
use super::VALUE;
use super::serve;
use crate::harness::Folder;
use crate::harness::peer::Peer;
use crate::harness::peer::certificate;
use crate::harness::peer::ok;
use crate::harness::peer::read_head;
use crate::harness::serving::says;

/// Fails each second.
const BAD: &str = "function: divide:divide\nargs: [1, 0]\nschedule: \"* * * * * *\"\n";

/// A folder in which the program `tell` is told, which is this script.
fn telling(script: &str, more: &str) -> Folder {
    let settings = format!("secrets: {{ TOKEN: {{ env: API_TOKEN }} }}\nnotify:\n  - command: [./tell]\n{more}");
    let folder = Folder::new().guest("divide.wat").guest("secrets_told.wat").file("jobcontrol.yaml", settings);
    folder.write("tell", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(folder.path("tell"), PermissionsExt::from_mode(0o700)).unwrap();
    folder
}

#[test]
fn a_command_reads_the_run_and_sees_no_secret() {
    let folder = telling("env > told.env; cat > told.new; mv told.new told.json", "");
    let job = "function: secrets_told:refuse\nargs: [!secret TOKEN]\nschedule: \"* * * * * *\"\n";
    folder.write("jobs/bad.yaml", job);
    let serving = serve(&folder);
    let said = serving.until(|record| says(record, "reported a failed run"));
    assert!(!said.iter().any(|record| record.to_string().contains(VALUE)), "{said:#?}");
    let told = said.last().unwrap();
    assert_eq!(told["to"].as_str().map(|to| to.ends_with("/tell")), Some(true), "{told}");
    serving.stop();
    for name in ["told.json", "told.env"] {
        let text = std::fs::read_to_string(folder.path(name)).unwrap();
        assert!(!text.contains(VALUE), "{text}");
    }
    let mut said: Value = serde_json::from_slice(&std::fs::read(folder.path("told.json")).unwrap()).unwrap();
    let failures = said.as_object_mut().unwrap().remove("failures").unwrap();
    assert_eq!(said, folder.json(&["runs", "show", &said["id"].to_string()]));
    assert_eq!((&said["status"], &said["requested_by"]), (&json!("FAILED"), &json!("schedule:bad")));
    assert_eq!((&failures[0]["job_id"], &failures[0]["kind"]), (&json!("bad"), &json!("error")), "{failures}");
    let build = folder.json(&["build", "show", &failures[0]["build"].to_string()]);
    assert_eq!(failures[0]["message"], build["exception"]["message"]);
}

#[test]
fn a_command_that_fails_is_logged_and_only_schedules_are_told_of() {
    let folder = telling("cat > told.new; mv told.new told.json; echo no such printer; exit 3", "");
    folder.write("jobs/other.yaml", "function: divide:divide\nargs: [2, 0]\n");
    let serving = serve(&folder);
    folder.run(&["enqueue", "other"]).code(0);
    let by_hand = serving.record("run ended");
    folder.write("jobs/bad.yaml", BAD);
    let failed = serving.record("a command that reports failed runs did not work");
    assert_eq!(
        (&failed["reason"], &failed["output"]),
        (&json!("failed with exit status: 3"), &json!("no such printer"))
    );
    assert_ne!(failed["run"], by_hand["run"]);
}

/// A request: its head, and its body.
pub(super) type Request = (String, Vec<u8>);

/// A server that answers the first request of each path with this, and each later one with a 204.
pub(super) fn receiver(first: &'static str) -> (Peer, Receiver<Request>) {
    let (sender, requests) = channel();
    let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let peer = Peer::raw(move |stream| {
        let mut stream = BufReader::new(stream);
        let head = read_head(&mut stream).unwrap();
        let mut body = vec![0; header(&head, "content-length").unwrap().parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        let is_first = seen.lock().unwrap().insert(head.lines().next().unwrap().to_owned());
        let _ = sender.send((head, body));
        let answer = if is_first { first } else { "HTTP/1.1 204 No Content\r\n" };
        stream.get_mut().write_all(format!("{answer}content-length: 0\r\n\r\n").as_bytes()).unwrap();
    });
    (peer, requests)
}

pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let named = |line: &'a str| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name));
    head.lines().filter_map(named).map(|(_, value)| value.trim()).next()
}

/// The first request, and the next one of the same delivery.
fn tried_twice(requests: &Receiver<Request>) -> [Request; 2] {
    let first = requests.recv_timeout(HANGS).unwrap();
    let id = header(&first.0, "x-jobcontrol-delivery").unwrap().to_owned();
    let again = || requests.recv_timeout(HANGS).unwrap();
    let second = std::iter::repeat_with(again).find(|(head, _)| header(head, "x-jobcontrol-delivery") == Some(&id));
    [first, second.unwrap()]
}

#[test]
fn a_webhook_is_signed_and_tried_again_until_it_is_accepted() {
    let (peer, requests) = receiver("HTTP/1.1 500 Down\r\n");
    let url = format!("http://127.0.0.1:{}/jobs?key=in-the-path", peer.port);
    let folder = telling("exit 1", &format!("  - {{ webhook: \"{url}\", secret: TOKEN }}\n"));
    folder.write("jobs/bad.yaml", BAD);
    let serving = serve(&folder);
    let [first, second] = tried_twice(&requests);
    assert!(first.0.starts_with("POST /jobs?key=in-the-path HTTP/1.1\r\n"), "{}", first.0);
    assert_eq!(first.1, second.1);
    for (head, body) in [first, second] {
        let mut mac = Hmac::<Sha256>::new_from_slice(VALUE.as_bytes()).unwrap();
        mac.update(&body);
        let signature = format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes()));
        assert_eq!(header(&head, "x-jobcontrol-signature"), Some(signature.as_str()), "{head}");
        assert_eq!(header(&head, "content-type"), Some("application/json"));
        let said: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&said["status"], &said["failures"][0]["kind"]), (&json!("FAILED"), &json!("trap")));
    }
    let failed = serving.record("a webhook was not reached");
    assert_eq!((&failed["tried"], &failed["to"]), (&json!(1), &json!(format!("http://127.0.0.1:{}", peer.port))));
    assert_eq!(failed["reason"], "it answered with the status 500");
    serving.stop();
}

#[test]
fn a_redirect_is_not_followed() {
    let (peer, requests) = receiver("HTTP/1.1 307 Elsewhere\r\nlocation: /elsewhere\r\n");
    let folder = telling("exit 0", &format!("  - {{ webhook: \"http://127.0.0.1:{}/jobs\" }}\n", peer.port));
    folder.write("jobs/bad.yaml", BAD);
    let serving = serve(&folder);
    for (head, _) in tried_twice(&requests) {
        assert!(head.starts_with("POST /jobs HTTP/1.1\r\n"), "{head}");
        assert_eq!(header(&head, "x-jobcontrol-signature"), None);
    }
    serving.stop();
}

#[test]
fn a_webhook_over_tls_is_trusted_as_the_operator_says() {
    let peer = Peer::https("server", |_| ok(""));
    let hook = format!("  - {{ webhook: \"https://localhost:{}/jobs\" }}\n", peer.port);
    let folder = telling("exit 0", &format!("{hook}http: {{ ca: {} }}\n", certificate("authority.pem")));
    folder.write("jobs/bad.yaml", BAD);
    let serving = serve(&folder);
    while !serving.record("reported a failed run")["to"].as_str().unwrap().starts_with("https://localhost:") {}
    assert!(peer.heads()[0].starts_with("POST /jobs HTTP/1.1\r\n"), "{:?}", peer.heads());
    // Another authority signed this one.
    let unknown = Peer::https("unknown", |_| ok(""));
    let settings = std::fs::read_to_string(folder.path("jobcontrol.yaml")).unwrap();
    let settings = settings.replace(&peer.port.to_string(), &unknown.port.to_string());
    folder.write("jobcontrol.yaml", settings);
    let failed = serving.record("a webhook was not reached");
    assert!(failed["reason"].as_str().unwrap().contains("UnknownIssuer"), "{failed}");
    assert!(unknown.heads().is_empty());
}

#[test]
fn a_run_that_a_killed_service_has_not_told_of_is_told_of_by_the_next() {
    let folder = telling("cat > told.new; mv told.new told.json; exec sleep 1000", "");
    folder.write("jobs/bad.yaml", BAD);
    let serving = serve(&folder);
    let run = serving.record("run ended")["run"].clone();
    serving.kill();
    folder.write("tell", "#!/bin/sh\ncat > told.new; mv told.new told.json\n");
    std::fs::remove_file(folder.path("jobs/bad.yaml")).unwrap();
    let serving = serve(&folder);
    let told = serving.until(|record| says(record, "reported a failed run"));
    assert_eq!(told.last().unwrap()["run"], run);
    serving.stop();
    // Once is enough.
    let serving = serve(&folder);
    serving.record("this service leads");
    let said = serving.stop();
    assert!(!said.iter().any(|record| says(record, "told of")), "{said:#?}");
}
