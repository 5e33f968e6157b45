//! What a user sees of attempts on workers, on the bus inside the service and on a real broker.

use serde_json::json;

use super::AtWork;
use super::broker::Broker;
use super::built;
use super::ended;
use super::folder;
use super::key;
use crate::harness::Folder;
use crate::harness::served::Served;

/// A bus with one worker, once a service serves.
struct On {
    broker: Option<Broker>,
    worker: Option<AtWork>,
}

impl On {
    fn local() -> Self {
        Self { broker: None, worker: None }
    }

    fn nats() -> Self {
        Self { broker: Some(Broker::start()), worker: None }
    }

    /// Serves a folder. The worker has the label, and the key in the folder's `worker.key`, if the
    /// bus does not give it one.
    fn serve(&mut self, folder: &Folder) -> Served {
        let Some(broker) = &self.broker else {
            return Served::start(folder, &["--bus", "local:gpu"]);
        };
        let own = Folder::new();
        let public = key(&own);
        let operator = std::fs::read_to_string(folder.path("jobcontrol.yaml")).unwrap_or_default();
        folder.write("jobcontrol.yaml", format!("{operator}workers: [{public}]\n"));
        let served = Served::start(folder, &["--bus", &broker.url()]);
        self.worker = Some(AtWork::within(own, &broker.url(), &["--label", "gpu", "--key", "worker.key"]));
        served
    }

    /// The name of the worker.
    fn name(&self, folder: &Folder) -> String {
        match &self.broker {
            None => "local".to_owned(),
            Some(broker) => {
                let workers = folder.json(&["workers", "--bus", &broker.url()]);
                assert_eq!(workers.as_array().map(Vec::len), Some(1), "{workers:#}");
                workers[0]["worker"].as_str().expect("a name").to_owned()
            }
        }
    }
}

fn a_graph_is_built_by_workers_with_its_values_and_failures(mut on: On) {
    let folder = folder();
    let served = on.serve(&folder);
    assert_eq!(built(&folder, &served, "three", 2, "SUCCESSFUL")["retval"], 3);
    let name = on.name(&folder);
    let page = served.send("GET", "/workers", &["Accept: text/html"], "");
    let page = String::from_utf8(page.body).expect("a page");
    assert!(page.contains("Workers on the bus") && page.contains(&name), "{page}");
    let three = served.get("/api/v1/builds/2");
    assert_eq!((&three["worker"], &three["attempts"][0]["worker"]), (&json!(name), &json!(name)), "{three:#}");
    folder.run(&["build", "show", "2"]).code(0).tells(&name);
    let bad = built(&folder, &served, "bad", 3, "FAILED");
    assert_eq!(bad["exception"]["kind"], "trap", "{bad:#}");
    served.get_until("/api/v1/builds/3", |build| build["exception_tb"].to_string().contains("divide"));
    let flaky = built(&folder, &served, "flaky", 4, "SUCCESSFUL");
    assert_eq!((&flaky["attempt"], &flaky["retval"]), (&json!(3), &json!(3)), "{flaky:#}");
    assert_eq!(flaky["attempts"][0]["worker"], json!(name), "{flaky:#}");
    assert_eq!(built(&folder, &served, "short", 5, "FAILED")["exception"]["kind"], "timeout");
    assert_eq!(built(&folder, &served, "length", 7, "SUCCESSFUL")["retval"], 2_000_000.0);
    let log = served.get("/api/v1/builds/6/log");
    assert!(log.to_string().contains("making 2000000"), "{log:#}");
}

fn a_cancel_reaches_the_guest_and_frees_its_slot(mut on: On) {
    let folder = folder();
    let served = on.serve(&folder);
    built(&folder, &served, "spins", 1, "RUNNING");
    folder.run(&["build", "cancel", "1"]).code(0);
    assert_eq!(ended(&served, 1, "FAILED")["exception"]["kind"], "cancelled");
    assert_eq!(built(&folder, &served, "six", 2, "SUCCESSFUL")["retval"], 6);
}

fn a_worker_grants_no_folder_that_its_own_operator_does_not_allow(mut on: On) {
    let jobs = "id: files\nfunction: files_create:create\n\
                grants: { files: [{ host: ./data, guest: /data, mode: read }] }\n";
    let folder = folder().guest("files_create.wat").file("jobs/files.yaml", jobs).file("jobs/data/a", "");
    let served = on.serve(&folder);
    let refused = built(&folder, &served, "files", 1, "FAILED");
    assert!(refused.to_string().contains("this worker grants no folders"), "{refused:#}");
}

fn a_secret_reaches_a_worker_and_nothing_else(mut on: On) {
    let script = "export function told(token: string): number { console.log('it is', token); return token.length }\n";
    let jobs = "id: told\nfunction: told.ts:told\nargs: [!secret TOKEN]\n";
    let folder = Folder::new().file("jobs/told.ts", script).file("jobs/a.yaml", jobs).file("token", "hunter2-hunter2");
    std::fs::set_permissions(folder.path("token"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("a file");
    folder.write("jobcontrol.yaml", "secrets: { TOKEN: { file: token } }\n");
    let served = on.serve(&folder);
    assert_eq!(built(&folder, &served, "told", 1, "SUCCESSFUL")["retval"], 15.0);
    let log = served.get("/api/v1/builds/1/log").to_string();
    assert!(log.contains("it is") && !log.contains("hunter2"), "{log}");
}

fn a_job_waits_in_the_store_for_a_worker_with_its_labels(mut on: On) {
    let job = |id: &str, labels: &str| format!("  - {{ id: {id}, function: divide:divide, args: [4, 2], {labels} }}\n");
    let jobs = format!("jobs:\n{}{}", job("gpu", "needs: { labels: [gpu] }"), job("tpu", "needs: { labels: [tpu] }"));
    let folder = folder().file("jobs/labels.yaml", jobs);
    let served = on.serve(&folder);
    assert_eq!(built(&folder, &served, "gpu", 1, "SUCCESSFUL")["retval"], 2);
    built(&folder, &served, "tpu", 2, "CREATED");
    let reason = "waits for a worker with the labels `tpu`: none is on the bus";
    served.get_until("/api/v1/builds/2/log", |log| log.to_string().contains(reason));
    folder.run(&["build", "show", "2"]).code(0).tells("a worker with the labels `tpu`");
    folder.run(&["build", "cancel", "2"]).code(0);
    let build = ended(&served, 2, "FAILED");
    assert_eq!((&build["attempt"], &build["exception"]["kind"]), (&json!(0), &json!("cancelled")), "{build:#}");
}

macro_rules! on_both {
    ($($test:ident)+) => {
        mod local {
            $(#[test]
            fn $test() {
                super::$test(super::On::local());
            })+
        }

        mod nats {
            $(#[test]
            #[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
            fn $test() {
                super::$test(super::On::nats());
            })+
        }
    };
}

on_both! {
    a_graph_is_built_by_workers_with_its_values_and_failures
    a_cancel_reaches_the_guest_and_frees_its_slot
    a_worker_grants_no_folder_that_its_own_operator_does_not_allow
    a_secret_reaches_a_worker_and_nothing_else
    a_job_waits_in_the_store_for_a_worker_with_its_labels
}
