//! The sandbox, through the real program: what goes in and comes out, and what no guest can do.

mod compiling;
mod concurrency;
mod contract;
mod deep;
mod direct;
mod echo;
mod failures;
mod fixed;
mod grants;
mod hostile;
mod kinds;
mod large;
mod limits;
mod loading;
mod plugins;
mod preview1;
mod quota;
mod recognised;
mod stopping;
mod types;
mod usage;
mod values;

pub(crate) use direct::call_with;
pub(crate) use direct::function;
pub(crate) use direct::sandbox_for;

use serde_json::Value;

use crate::harness::Folder;

/// A job that was built, in a folder of its own.
struct Built {
    folder: Folder,
    code: i32,
    build: Value,
}

/// Builds the job `j` of a manifest whose plugin is a guest.
#[track_caller]
fn built(guest: &str, manifest: &str) -> Built {
    built_in(Folder::new().guest(guest).file("jobs/j.yaml", manifest))
}

/// Builds the job `j` of a folder.
#[track_caller]
fn built_in(folder: Folder) -> Built {
    let answer = folder.run(&["run", "j", "--format", "json"]);
    let build = serde_json::from_str(&answer.stdout).unwrap_or_else(|e| panic!("no JSON ({e}) in {answer:#?}"));
    Built { folder, code: answer.code, build }
}

impl Built {
    /// What the function returned, having succeeded.
    #[track_caller]
    fn retval(&self) -> &Value {
        assert_eq!((self.code, &self.build["status"]), (0, &Value::from("SUCCESSFUL")), "{:#}", self.build);
        &self.build["retval"]
    }

    /// The failure's message, which has to be of this kind.
    #[track_caller]
    fn failed(&self, kind: &str) -> &str {
        assert_eq!((self.code, &self.build["status"]), (1, &Value::from("FAILED")), "{:#}", self.build);
        assert_eq!(self.build["exception"]["kind"], kind, "{:#}", self.build);
        self.build["exception"]["message"].as_str().expect("a message")
    }

    /// The traceback's functions with their places, outermost first.
    fn calls(&self) -> Vec<String> {
        let frames = self.build["exception_tb"].as_array().expect("frames");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        frames.iter().map(|f| format!("{} {}:{}", text(&f["function"]), text(&f["file"]), f["line"])).collect()
    }

    /// The build's log records.
    fn log(&self) -> Vec<Value> {
        let records = self.folder.json(&["logs", &self.build["id"].to_string()]);
        records.as_array().expect("a list of records").clone()
    }

    /// The build's log records as level, target and message.
    fn lines(&self) -> Vec<(i64, String, String)> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let line = |record: &Value| {
            (record["level"].as_i64().expect("a level"), text(&record["target"]), text(&record["message"]))
        };
        self.log().iter().map(line).collect()
    }

    /// The messages of the build's log.
    fn messages(&self) -> Vec<String> {
        self.lines().into_iter().map(|(_, _, message)| message).collect()
    }
}
