//! New runs.

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;
use crate::harness::served::Got;
use crate::harness::served::Served;

const JOBS: &str = "jobs:
  - { id: one, function: add:add, args: [1, 2] }
  - id: two
    function: add:add
    kwargs: { a: !retval one, b: 10 }
  - { id: careful, function: add:add, args: [1, 1], protected: true }
  - { id: broken, function: add:add, args: [1] }
";

fn folder() -> Folder {
    Folder::new().guest("add.wat").file("jobs/all.yaml", JOBS)
}

fn ask(served: &Served, body: &Value) -> Got {
    served.send("POST", "/api/v1/runs?wait=30", &[], &body.to_string())
}

#[test]
fn a_run_is_asked_for_and_answered_when_it_has_ended() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let got = ask(&served, &json!({ "targets": ["two"], "deps": true, "priority": 7 }));
    assert!(got.status == 201 && got.has("location: /api/v1/runs/1"), "{}", got.head);
    let run = got.json();
    assert_eq!(
        (&run["status"], &run["priority"], &run["requested_by"]),
        (&json!("SUCCESSFUL"), &json!(7), &json!("api:local"))
    );
    assert_eq!(served.get("/api/v1/builds/2/retval"), 13);
    // By name for the one job, by job for several.
    let one = ask(&served, &json!({ "targets": ["one"], "arguments": { "a": 20 } })).ok();
    assert_eq!(one["jobs"][0]["build"], 3);
    assert_eq!(served.get("/api/v1/builds/3/retval"), 22);
    ask(&served, &json!({ "targets": ["two"], "pins": { "one": 1 }, "arguments": { "two": { "b": 5 } } })).ok();
    assert_eq!(served.get("/api/v1/builds/4/retval"), 8);
    let stale = ask(&served, &json!({ "targets": ["one"], "revdeps": true })).ok();
    assert_eq!((stale["builds"]["successful"].as_u64(), &stale["left_out"]), (Some(2), &json!([])));
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let folder = folder();
    folder.run(&["run", "--deps", "two"]).code(0);
    let served = Served::start(&folder, &[]);
    let refused = |body: Value, status: u16, pointer: &str| {
        let problem = ask(&served, &body).refused(status);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
        problem
    };
    refused(json!({ "targets": [] }), 400, "/targets");
    let unknown = refused(json!({ "targets": ["one", "twoo"] }), 404, "/targets/1");
    assert_eq!(unknown["hints"], json!(["did you mean `two`?"]));
    refused(json!({ "targets": ["one", "one"] }), 400, "/targets/1");
    let wrong = refused(json!({ "targets": ["one"], "arguments": { "a": "x", "b": -1 } }), 400, "/arguments/a");
    assert_eq!(wrong["detail"], "a: expected u32, found the string `x`");
    assert_eq!(wrong["errors"][1]["pointer"], "/arguments/b");
    let by_job = json!({ "targets": ["one", "two"], "arguments": { "two": { "c": 1 }, "other": {} } });
    let problem = refused(by_job, 400, "/arguments/other");
    assert_eq!(problem["errors"][1]["pointer"], "/arguments/two/c");
    refused(json!({ "targets": ["two"], "pins": { "one": 2 } }), 400, "/pins/one");
    refused(json!({ "targets": ["two"], "pins": { "one": 99 } }), 404, "/pins/one");
    refused(json!({ "targets": ["two"], "pins": { "one": "x" } }), 400, "/pins/one");
    refused(json!({ "targets": ["one"], "priority": 5000 }), 400, "/priority");
    refused(json!({ "targets": ["careful"] }), 409, "/armed");
    ask(&served, &json!({ "targets": ["careful"], "armed": ["careful"] })).ok();
    assert!(!ask(&served, &json!({ "targets": ["broken"] })).refused(422)["codes"].as_array().unwrap().is_empty());
    let long = served.send("POST", "/api/v1/runs?wait=61", &[], r#"{"targets": ["one"]}"#).refused(400);
    assert_eq!(long["errors"][0]["parameter"], "wait");
}

#[test]
fn jobs_are_named_by_patterns_and_tags_as_well() {
    let jobs = "jobs:
  - { id: sales-a, function: add:add, args: [1, 2], tags: [nightly] }
  - { id: sales-b, function: add:add, args: [1, 2] }
  - { id: other, function: add:add, args: [1, 2], tags: [nightly] }
";
    let folder = Folder::new().guest("add.wat").file("jobs/all.yaml", jobs);
    let served = Served::start(&folder, &[]);
    let built = |body: Value| -> Vec<String> {
        let run = ask(&served, &body).ok();
        run["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(built(json!({ "targets": ["sales-*"] })), ["sales-a", "sales-b"]);
    assert_eq!(
        built(json!({ "targets": ["sales-a"], "tags": ["nightly"] })),
        ["other", "sales-a"],
        "in the order of the plan"
    );
    assert_eq!(built(json!({ "all": true })).len(), 3);
    let refused = |body: Value, status: u16| ask(&served, &body).refused(status)["errors"][0]["pointer"].clone();
    assert_eq!(refused(json!({ "targets": ["sales-*", "nope"] }), 404), "/targets/1");
    assert_eq!(refused(json!({ "targets": ["other", "x-*"] }), 404), "/targets/1");
    assert_eq!(refused(json!({ "targets": ["other", "other"] }), 400), "/targets/1");
    assert_eq!(refused(json!({ "all": true, "tags": ["nightly"] }), 400), "/all");
    assert_eq!(refused(json!({}), 400), "/targets");
    assert!(ask(&served, &json!({ "tags": ["nigthly"] })).refused(404).to_string().contains("did you mean `nightly`?"));
}

#[test]
fn a_build_is_done_again_with_other_arguments() {
    let folder = folder();
    folder.run(&["run", "--deps", "two"]).code(0);
    let served = Served::start(&folder, &[]);
    let again = |body: Value| served.send("POST", "/api/v1/builds/2/rerun", &[], &body.to_string());
    let run = again(json!({ "how": "latest", "arguments": { "b": 100 } })).ok()["run"].clone();
    let run = served.get_until(&format!("/api/v1/runs/{run}"), |run| !run["end_time"].is_null());
    let build = run["jobs"][0]["build"].clone();
    assert_eq!(served.get(&format!("/api/v1/builds/{build}/retval")), 103);
    assert_eq!(served.get("/api/v1/jobs/two")["status"], "success");
    let problem = again(json!({ "arguments": { "b": "x" } })).refused(400);
    assert_eq!(problem["errors"][0]["pointer"], "/arguments/b");
}

#[test]
fn what_is_not_up_to_date_is_refused_where_that_is_asked_for() {
    let folder = folder();
    folder.run(&["run", "one"]).code(0);
    folder.write("jobs/all.yaml", JOBS.replace("[1, 2]", "[2, 2]"));
    let served = Served::start(&folder, &[]);
    let strict = ask(&served, &json!({ "targets": ["two"], "strict": true })).refused(409);
    assert_eq!(strict["type"], "urn:jobcontrol:problem:stale");
    let used = ask(&served, &json!({ "targets": ["two"] })).ok();
    assert_eq!(used["stale"], json!([{ "job_id": "one", "build": 1, "status": "outdated" }]));
}

#[test]
fn a_run_that_cannot_build_anything_is_a_run_all_the_same() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let run = ask(&served, &json!({ "targets": ["two"] })).ok();
    assert_eq!(run["status"], "FAILED");
    assert!(run["jobs"][0]["not_built_because"].as_str().unwrap().contains("`one` has no successful build"), "{run:#}");
}

#[test]
fn a_run_that_is_held_back_has_its_first_builds_and_waits_for_its_start() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    let body = json!({ "targets": ["two"], "deps": true, "start": false, "arguments": { "b": 5 } });
    let held = ask(&served, &body).ok();
    assert_eq!((&held["held"], &held["status"], &held["owner"]), (&json!(true), &json!("WAITING"), &json!(null)));
    assert_eq!((&held["jobs"][0]["status"], &held["jobs"][1]["build"]), (&json!("CREATED"), &json!(null)));
    assert_eq!(served.get("/api/v1/builds/1")["owner"], json!(null));
    let started = served.send("POST", "/api/v1/runs/1/start", &[], "");
    assert_eq!(started.status, 202, "{started:?}");
    served.get_until("/api/v1/runs/1", |run| run["status"] == "SUCCESSFUL");
    assert_eq!(served.get("/api/v1/builds/2/retval"), 8);
    served.send("POST", "/api/v1/runs/1/start", &[], "").refused(409);
    served.send("POST", "/api/v1/runs/9/start", &[], "").refused(404);
    let held = ask(&served, &body).ok();
    assert_eq!(served.send("POST", &format!("/api/v1/runs/{}/cancel", held["id"]), &[], "").status, 202);
    assert_eq!(served.get("/api/v1/runs/2")["status"], "CANCELLED");
    served.send("POST", "/api/v1/runs/2/start", &[], "").refused(409);
}

#[test]
fn a_run_that_is_held_back_outlives_its_service() {
    let folder = folder();
    let served = Served::start(&folder, &[]);
    ask(&served, &json!({ "targets": ["one"], "start": false })).ok();
    assert_eq!(served.stop(), 0);
    let served = Served::start(&folder, &[]);
    assert_eq!(served.get("/api/v1/runs/1")["jobs"][0]["status"], "CREATED");
    assert_eq!(served.send("POST", "/api/v1/runs/1/start", &[], "").status, 202);
    served.get_until("/api/v1/runs/1", |run| run["status"] == "SUCCESSFUL");
    assert_eq!(served.get("/api/v1/builds?order=asc")["builds"].as_array().unwrap().len(), 1);
}
