//! Detects whether anything that decides the result of a job has changed since the last build. `on:
//! change` is based on this.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::Digest;
use sha2::Sha256;

use crate::build::Build;
use crate::check::CheckedJob;
use crate::check::Graph;
use crate::config;
use crate::status::JobHistory;
use crate::status::differences;
use crate::value::Value;
use crate::value::pack;

/// Returns whether a job would now use something else than its newest finished build did, or has no
/// finished build. How that build ended does not matter. `latest` returns the latest successful
/// build of a dependency.
pub fn is_changed<'a>(checked: &CheckedJob, history: &JobHistory, latest: impl Fn(&str) -> Option<&'a Build>) -> bool {
    let finished = [&history.ended, &history.last_good].into_iter().flatten().max_by_key(|build| build.id);
    finished.is_none_or(|used| !differences(&checked.job, &checked.plugin.digest, used, latest).is_empty())
}

/// Returns a digest of everything that decides the result of a job. This is the configuration and
/// plugin of the job and of all jobs that it needs, and what those jobs returned.
pub fn fingerprint<'a>(graph: &Graph, id: &str, latest: impl Fn(&str) -> Option<&'a Build>) -> String {
    let mut digest = Sha256::new();
    let mut add = |text: &[u8]| {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    for need in graph.closure([id]) {
        add(need.as_bytes());
        if let Some(checked) = graph.jobs.get(need) {
            add(checked.plugin.digest.as_bytes());
            let config = checked.job.to_config();
            let decisive =
                config::decisive(&config).map(|(key, value)| (key.to_owned(), value.cloned().unwrap_or(Value::Null)));
            // A config that cannot be packed cannot be built; the error is reported there.
            add(&pack(&Value::map(decisive)).unwrap_or_default());
        }
        if need != id
            && let Some(build) = latest(need)
        {
            // For an order-only dependency there is no value that shows a change.
            let by_value = build.retval_digest.clone().filter(|_| !for_order(graph, id, need));
            add(by_value.unwrap_or_else(|| build.id.to_string()).as_bytes());
        }
    }
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns whether a job needs another one directly, but takes no value from it.
fn for_order(graph: &Graph, id: &str, need: &str) -> bool {
    graph.jobs.get(id).is_some_and(|checked| {
        let references = checked.job.references();
        let names = checked.job.dependency_ids().iter().any(|(other, _)| *other == need);
        names && !references.iter().any(|(reference, _)| reference.job == need)
    })
}

/// A due job, with the fingerprint of what decides its result now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueJob {
    /// The job.
    pub job: Arc<str>,
    /// Its [`fingerprint`].
    pub fingerprint: String,
}
