//! HTTP requests of plugins, against real servers on loopback.
//!
//! - here: folders in which the plugin `http` makes requests
//! - `granted`: what may be asked for, and what is told of the rest
//! - `addresses`: where names lead, and where they may not
//! - `peers`: servers that misbehave
//! - `limits`: what a build may use of the network
//! - `sample`: the example `fetch`

#![expect(clippy::unwrap_used, reason = "a rule that is broken ends its test")]

mod addresses;
mod granted;
mod limits;
mod peers;
mod sample;

use serde_json::Value;

use crate::harness::Answer;
use crate::harness::Folder;
use crate::harness::peer::certificate;

/// An operator that allows loopback, and trusts the authority of the tests.
fn operator() -> String {
    format!("http: {{ addresses: [127.0.0.1], ca: {} }}\n", certificate("authority.pem"))
}

/// A folder with the plugin and these jobs, each as the inside of a flow mapping.
fn folder(jobs: &[&str]) -> Folder {
    let text = jobs.iter().map(|job| format!("  - {{ {job} }}\n")).collect::<String>();
    let folder = Folder::new().guest("http.wasm").file("jobs/http.yaml", format!("jobs:\n{text}"));
    folder.file("jobcontrol.yaml", operator())
}

/// A grant of everything at a port of loopback.
fn all(port: u16) -> String {
    format!(
        "grants: {{ http: [{{ host: 127.0.0.1, scheme: http, ports: [{port}], methods: [GET, POST, PUT, HEAD] }}] }}"
    )
}

/// A folder with one job, `job`, that calls a function with arguments, and may ask for everything
/// at a port.
fn job(function: &str, args: &str, port: u16) -> Folder {
    folder(&[&format!("id: job, function: http:{function}, args: {args}, {}", all(port))])
}

/// What the one job returned.
#[track_caller]
fn returned(folder: &Folder) -> Value {
    let answer = folder.run(&["run", "job", "--format", "json"]);
    let build: Value = serde_json::from_str(&answer.stdout).unwrap_or_else(|e| panic!("{e}: {answer:#?}"));
    let shown = folder.json(&["build", "show", "job"]);
    assert_eq!(shown["status"], "SUCCESSFUL", "{build:#} {shown:#} {answer:#?}");
    shown["retval"].clone()
}

/// How the one job failed.
#[track_caller]
fn failed(folder: &Folder) -> Answer {
    folder.run(&["run", "job"]).code(1)
}
