//! What the routes answer, and that it is what the command line says.

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;
use crate::harness::served::Served;

/// A sum, a sum of that, one that fails, one that is protected, and one that is wrong.
const JOBS: &str = "jobs:
  - { id: one, function: add:add, args: [1, 2], tags: [sums], title: A sum }
  - id: two
    function: add:add
    kwargs: { a: !retval one, b: 10 }
  - { id: bad, function: divide:divide, args: [1, 0] }
  - { id: careful, function: add:add, args: [1, 1], protected: true }
  - { id: broken, function: add:add, args: [1] }
";

fn built() -> Folder {
    let folder = Folder::new().guest("add.wat").guest("divide.wat").file("jobs/all.yaml", JOBS);
    folder.run(&["run", "--deps", "two"]).code(0);
    folder.run(&["run", "bad"]).code(1);
    folder
}

fn ids(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[key].to_string().trim_matches('"').to_owned()).collect()
}

#[test]
fn jobs_and_builds_are_told_as_the_command_line_tells_them() {
    let folder = built();
    let served = Served::start(&folder, &[]);
    assert_eq!(served.get("/api/v1/jobs")["jobs"], folder.json(&["jobs"]));
    assert_eq!(served.get("/api/v1/jobs/two"), folder.json(&["job", "two"]));
    assert_eq!(served.get("/api/v1/builds?order=asc")["builds"], folder.json(&["builds"]));
    for id in ["1", "2", "3"] {
        assert_eq!(served.get(&format!("/api/v1/builds/{id}")), folder.json(&["build", "show", id]), "{id}");
    }
    assert_eq!(served.get("/api/v1/builds/2/retval"), 13);
    assert_eq!(served.get("/api/v1/builds/3/log")["records"], folder.json(&["logs", "3"]));
    let mut runs = served.get("/api/v1/runs")["runs"].take();
    runs.as_array_mut().unwrap().reverse();
    assert_eq!(runs, folder.json(&["runs"]));
    assert_eq!(served.get("/api/v1/runs/1"), folder.json(&["runs", "show", "1"]));
    assert_eq!(served.get("/api/v1/graph"), folder.json(&["graph"]));
    assert_eq!(served.get("/api/v1/plugins/add"), folder.json(&["inspect", "add"]));
    let found = served.get("/api/v1/diagnostics");
    assert_eq!(found["summary"]["errors"], 1);
    assert_eq!(found["diagnostics"], folder.json(&["check"])["diagnostics"]);
    assert_eq!(served.stop(), 0);
}

#[test]
fn lists_are_filtered_and_come_in_pages() {
    let folder = built();
    let served = Served::start(&folder, &[]);
    let jobs = |query: &str| ids(&served.get(&format!("/api/v1/jobs?{query}"))["jobs"], "id");
    assert_eq!(jobs("q=A%20SUM"), ["one"]);
    assert_eq!(jobs("tag=sums"), ["one"]);
    assert_eq!(jobs("status=failed,broken"), ["bad", "broken"]);
    let first = served.get("/api/v1/jobs?limit=2");
    assert_eq!((ids(&first["jobs"], "id"), &first["next"]), (vec!["bad".into(), "broken".into()], &json!("broken")));
    let last = served.get("/api/v1/jobs?limit=3&after=broken");
    assert_eq!((ids(&last["jobs"], "id").len(), &last["next"]), (3, &json!(null)));
    let builds = |query: &str| ids(&served.get(&format!("/api/v1/builds?{query}"))["builds"], "id");
    assert_eq!(builds("success=false"), ["3"]);
    assert_eq!(builds("job_id=two"), ["2"]);
    assert_eq!(builds("tag=sums"), ["1"]);
    assert_eq!(builds("max_date=2000-01-01"), Vec::<String>::new());
    assert_eq!(builds("min_date=2000-01-01&before=3"), ["2", "1"]);
    let page = served.get("/api/v1/builds?limit=2");
    assert_eq!((ids(&page["builds"], "id"), &page["next"]), (vec!["3".into(), "2".into()], &json!(2)));
    assert_eq!(served.get("/api/v1/runs?limit=1")["next"], 2);
    let rows = served.get("/api/v1/timeline?failed=true");
    assert_eq!(ids(&rows["jobs"], "job_id"), ["bad"]);
}

#[test]
fn what_is_missing_or_makes_no_sense_is_a_problem_with_its_place() {
    let folder = built();
    let served = Served::start(&folder, &[]);
    let ask = |path: &str, status| served.send("GET", path, &[], "").refused(status);
    let missing = ask("/api/v1/jobs/twoo", 404);
    assert_eq!(
        (&missing["detail"], &missing["hints"]),
        (&json!("there is no job `twoo`"), &json!(["did you mean `two`?"]))
    );
    assert_eq!(missing["type"], "urn:jobcontrol:problem:not-found");
    assert!(missing["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(ask("/api/v1/builds/99", 404)["detail"], "there is no build 99");
    assert_eq!(ask("/api/v1/builds/99/log", 404)["detail"], "there is no build 99");
    assert_eq!(ask("/api/v1/builds?limit=0", 400)["errors"][0]["parameter"], "limit");
    assert_eq!(ask("/api/v1/builds?min_date=x", 400)["errors"][0]["parameter"], "min_date");
    ask("/api/v1/builds?colour=red", 400);
    ask("/api/v1/builds/x", 404);
    ask("/api/v1/nothing", 404);
    served.send("PUT", "/api/v1/jobs", &[], "").refused(405);
    let form = ask("/api/v1/jobs/none/form", 404);
    assert_eq!(form["detail"], "there is no job `none`");
}

#[test]
fn a_form_says_what_a_job_takes_and_a_manifest_what_is_written() {
    let folder = built();
    let served = Served::start(&folder, &[]);
    let form = served.get("/api/v1/jobs/two/form");
    let reference = json!({ "!retval": "one" });
    assert_eq!(form["parameters"][0], json!({ "name": "a", "type": "u32", "required": true, "value": reference }));
    assert_eq!(form["schema"]["required"], json!(["a", "b"]));
    let manifest = served.get("/api/v1/jobs/broken/manifest");
    assert_eq!((&manifest["text"], &manifest["file"]), (&json!(JOBS), &json!("jobs/all.yaml")));
    assert_eq!(manifest["diagnostics"][0]["line"], 8);
}

#[test]
fn what_differs_from_the_last_success_is_told() {
    let folder = built();
    folder.write("jobs/all.yaml", JOBS.replace("b: 10", "b: 11"));
    folder.run(&["run", "two"]).code(0);
    let served = Served::start(&folder, &[]);
    assert_eq!(
        served.get("/api/v1/builds/4/diff"),
        json!({ "build": 4, "last_success": 2, "differences": [{ "what": "kwargs.b", "was": "10", "now": "11" }] })
    );
}

#[test]
fn a_build_is_done_again_and_deleted() {
    let folder = built();
    let served = Served::start(&folder, &[]);
    let started = served.send("POST", "/api/v1/builds/2/rerun", &[], r#"{"how": "latest"}"#);
    assert_eq!(started.status, 201, "{started:?}");
    assert!(started.has("location: /api/v1/runs/3"), "{}", started.head);
    let run = served.get_until("/api/v1/runs/3", |run| run["status"] == "SUCCESSFUL");
    assert_eq!(run["requested_by"], "api:local");
    assert_eq!(served.get("/api/v1/builds/4/retval"), 13);
    let again = served.send("POST", "/api/v1/runs/1/rerun", &[], "{}").ok();
    assert_eq!(again["jobs"], json!(["two"]));
    served.get_until("/api/v1/runs/4", |run| run["status"] == "SUCCESSFUL");
    assert_eq!(served.send("DELETE", "/api/v1/builds/4", &[], "").ok()["deleted"], json!([4]));
    served.send("GET", "/api/v1/builds/4", &[], "").refused(404);
    served.send("POST", "/api/v1/builds/1/cancel", &[], "").refused(409);
    served.send("POST", "/api/v1/runs/1/cancel", &[], "").refused(409);
}

#[test]
fn a_protected_job_is_armed_by_its_name_alone() {
    let folder = built();
    folder.run(&["run", "careful", "--yes-protected"]).code(0);
    let served = Served::start(&folder, &[]);
    let ask = |body: &str| served.send("POST", "/api/v1/builds/4/rerun", &[], body);
    let refused = ask("{}").refused(409);
    assert_eq!(refused["errors"][0]["pointer"], "/armed");
    ask(r#"{"armed": ["one"]}"#).refused(409);
    assert_eq!(ask(r#"{"armed": ["careful"]}"#).status, 201);
}

#[test]
fn schedules_and_looks_at_the_files_are_told() {
    let scheduled = "function: add:add\nargs: [1, 2]\nschedule: { cron: \"0 6 * * *\", timezone: Europe/Rome }\n";
    let folder = built().file("jobs/daily.yaml", scheduled);
    let served = Served::start(&folder, &[]);
    let schedules = served.get_until("/api/v1/schedules", |all| !all["schedules"][0]["seen_to"].is_null());
    let daily = &schedules["schedules"][0];
    assert_eq!(
        (&daily["job_id"], &daily["cron"], &daily["timezone"]),
        (&json!("daily"), &json!("0 6 * * *"), &json!("Europe/Rome"))
    );
    assert_eq!((&daily["open_runs"], &daily["last_run"]), (&json!([]), &json!(null)));
    assert!(daily["next"].is_string());
    let first = served.get_until("/api/v1/reloads", |all| !all["reloads"][0].is_null());
    assert_eq!((&first["reloads"][0]["first"], &first["reloads"][0]["errors"]), (&json!(true), &json!(1)));
    folder.write("jobs/all.yaml", JOBS.replace("b: 10", "b: 11"));
    assert_eq!(served.send("POST", "/api/v1/reloads", &[], "").status, 202);
    let reloads = served.get_until("/api/v1/reloads?limit=1", |all| all["reloads"][0]["first"] == false);
    assert_eq!(
        reloads["reloads"][0]["altered"],
        json!([{ "job": "two", "changes": ["`kwargs.b` has changed: 10 -> 11"] }])
    );
    let before = served.get(&format!("/api/v1/reloads?before={}", reloads["next"]));
    assert_eq!(before["reloads"][0]["first"], true);
}

#[test]
fn a_build_that_waits_says_what_for() {
    let waits = "function: shared_until, grants: { files: [{ host: ./data, guest: /data, mode: read }] }, pool: db";
    let jobs = format!("jobs:\n  - {{ id: holds, {waits} }}\n  - {{ id: follows, {waits} }}\n");
    let folder = Folder::new().guest("shared_until.wat").file("jobs/jobs.yaml", jobs).file("jobs/data/x", "");
    folder.write("jobcontrol.yaml", "pools: { db: 1 }\n");
    let served = Served::start(&folder, &[]);
    let ask = |body: &str| assert_eq!(served.send("POST", "/api/v1/runs", &[], body).status, 201);
    ask(r#"{"targets": ["holds"]}"#);
    served.get_until("/api/v1/builds/1", |build| build["status"] == "RUNNING");
    ask(r#"{"targets": ["follows"]}"#);
    assert_eq!(served.get("/api/v1/builds/2")["waits_for"], "pool db: 1 of 1 slots used by build 1");
    assert_eq!(served.get("/api/v1/builds")["builds"][1]["waits_for"], json!(null));
    ask(r#"{"targets": ["holds"], "start": false}"#);
    assert_eq!(served.get("/api/v1/builds/3")["waits_for"], "a service, or a person to start its run");
    folder.write("jobs/data/go", "");
    served.get_until("/api/v1/builds/2", |build| build["status"] == "SUCCESSFUL");
}

#[test]
fn the_description_names_every_route() {
    let folder = built();
    let served = Served::start(&folder, &[]);
    let description = served.get("/api/v1/openapi.json");
    assert_eq!(description["openapi"], "3.1.0");
    for (path, item) in description["paths"].as_object().unwrap() {
        // Events go on for ever.
        if item.get("get").is_some() && !path.ends_with("/events") {
            let one = path.replace("{id}", if path.contains("/jobs/") { "one" } else { "1" }).replace("{name}", "add");
            assert_eq!(served.send("GET", &one, &[], "").status, 200, "{one}");
        }
    }
}
