//! What happens, as it happens.

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::harness::Folder;
use crate::harness::served::Seen;
use crate::harness::served::Served;

const JOBS: &str = "jobs:
  - { id: one, function: add:add, args: [1, 2] }
  - { id: two, function: add:add, args: [2, 2] }
  - { id: bad, function: divide:divide, args: [1, 0] }
  - { id: talks, function: log_raw:write, args: [1, 0, 1000, 0, 0, 6000] }
";

fn folder() -> Folder {
    Folder::new().guest("add.wat").guest("divide.wat").guest("log_raw.wat").file("jobs/all.yaml", JOBS)
}

fn run(served: &Served, job: &str) {
    let body = json!({ "targets": [job] }).to_string();
    served.send("POST", "/api/v1/runs?wait=30", &[], &body).ok();
}

fn ids(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|seen| seen.id.clone()).collect()
}

#[test]
fn builds_are_seen_from_their_start_to_their_end() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let (mut all, mut bad) = (served.watch("", None), served.watch("?job=bad", None));
    run(&served, "one");
    run(&served, "bad");
    let seen = all.built(1);
    assert!(seen.iter().all(|seen| seen.data["job_id"] == "one"), "{seen:#?}");
    assert_eq!(seen.first().unwrap().data["status"], "RUNNING");
    assert_eq!(seen.last().unwrap().data["status"], "SUCCESSFUL");
    let seen = bad.built(2);
    assert!(seen.iter().all(|seen| seen.data["job_id"] == "bad" || seen.data["build_id"] == 2), "{seen:#?}");
    let end = &seen.last().unwrap().data;
    assert_eq!(
        (&end["status"], &end["attempt"], &end["exception"]["kind"]),
        (&json!("FAILED"), &json!(1), &json!("trap"))
    );
}

#[test]
fn whoever_goes_on_misses_nothing_and_gets_nothing_twice() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let mut all = served.watch("", None);
    (0..3).for_each(|_| run(&served, "one"));
    let before = all.built(3);
    (0..3).for_each(|_| run(&served, "two"));
    let whole = [before, all.built(6)].concat();
    let mut sorted = ids(&whole);
    sorted.dedup();
    assert_eq!(sorted.len(), whole.len(), "none comes twice");
    for at in [0, 1, whole.len() / 2, whole.len() - 2] {
        let rest = served.watch("", Some(&whole[at].id)).built(6);
        assert_eq!(rest, whole[at + 1..], "after {at}");
    }
    let of_job: Vec<_> = whole[1..].iter().filter(|seen| seen.data["job_id"] == "two").cloned().collect();
    assert_eq!(served.watch("?job=two", Some(&whole[0].id)).built(6), of_job);
    let of_run: Vec<_> = whole[1..].iter().filter(|seen| seen.data["id"] == 6).cloned().collect();
    assert_eq!(served.watch("?run=6", Some(&whole[0].id)).built(6), of_run);
    assert_eq!(served.watch("?build=6", Some(&whole[0].id)).built(6), of_run);
    // What is not known begins afresh.
    for id in ["1-5", "x", "", "99999999999999999999-1"] {
        assert_eq!(served.watch("", Some(id)).next().unwrap().event, "fresh", "{id}");
    }
}

#[test]
fn a_run_is_seen_alone() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let held = json!({ "targets": ["two"], "start": false }).to_string();
    served.send("POST", "/api/v1/runs", &[], &held).ok();
    let mut of_run = served.watch("?run=1", None);
    run(&served, "one");
    assert_eq!(served.send("POST", "/api/v1/runs/1/start", &[], "").status, 202);
    let seen = of_run.built(1);
    assert!(seen.iter().all(|seen| seen.data["job_id"] == "two"), "{seen:#?}");
    served.send("GET", "/api/v1/events?run=9", &[], "").refused(404);
    served.send("GET", "/api/v1/events?job=nine", &[], "").refused(404);
    served.send("GET", "/api/v1/events?run=1&build=1", &[], "").refused(400);
}

#[test]
fn builds_of_other_processes_are_seen() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let (mut all, mut two) = (served.watch("", None), served.watch("?job=two", None));
    folder.run(&["run", "one"]).code(0);
    folder.run(&["run", "two"]).code(0);
    let seen = all.built(2);
    assert_eq!(seen.last().unwrap().data["status"], "SUCCESSFUL");
    assert!(seen.iter().any(|seen| seen.data["id"] == 1 && seen.data["status"] == "SUCCESSFUL"), "{seen:#?}");
    assert!(two.built(2).iter().all(|seen| seen.data["job_id"] == "two"));
    folder.run(&["run", "bad"]).code(1);
    assert_eq!(all.built(3).last().unwrap().data["exception"]["kind"], "trap");
}

#[test]
fn a_look_at_the_files_is_seen_by_those_whom_it_concerns() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let mut all = served.watch("", None);
    folder.write("jobs/all.yaml", JOBS.replace("[2, 2]", "[2, 3]"));
    let seen = all.until(|seen| seen.event == "reload");
    assert_eq!(seen.last().unwrap().data["altered"][0]["job"], "two");
}

#[test]
fn a_client_that_does_not_read_delays_no_build_and_is_told_what_it_lost() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let mut slow = served.watch("", None);
    let mut never = TcpStream::connect(&served.address).unwrap();
    never.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    for _ in 0..3 {
        run(&served, "talks");
    }
    assert_eq!(served.get("/api/v1/runs/3")["status"], "SUCCESSFUL");
    let seen = slow.built(3);
    let lost: u64 =
        seen.iter().filter(|seen| seen.event == "lost").map(|seen| seen.data["lost"].as_u64().unwrap()).sum();
    assert!(lost > 0, "{} events", seen.len());
    let number = |seen: &Seen| seen.id.rsplit_once('-').unwrap().1.parse::<u64>().unwrap();
    assert!(seen.windows(2).all(|two| number(&two[0]) < number(&two[1])), "in order");
    // Nothing is missing but what it was told of.
    let shown = seen.iter().filter(|seen| seen.event != "lost").count() as u64;
    assert_eq!(shown + lost, number(seen.last().unwrap()), "it watched from the beginning");
    assert_eq!(served.stop(), 0);
    let mut rest = Vec::new();
    never.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = never.read_to_end(&mut rest);
}
