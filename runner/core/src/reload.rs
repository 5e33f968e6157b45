//! What a change of the files changed, in the jobs' own terms.

use serde::Deserialize;
use serde::Serialize;

use crate::changes::changes;
use crate::check::CheckedJob;
use crate::check::Graph;
use crate::diagnostic::Diagnostic;
use crate::failure::cut;
use crate::value::Name;
use crate::value::Value;

/// Entries of each list that are kept; of the others only the number is.
const KEPT: usize = 1_000;
/// Mistakes that are kept.
const KEPT_PROBLEMS: usize = 100;
/// Characters of a line of a file that are kept with a mistake in it.
const LINE: usize = 500;

/// What a change of the files changed. The lists are cut at 1,000 entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reload {
    /// Whether it is the first look of a service at the files.
    pub first: bool,
    /// Files that changed.
    pub files: Vec<String>,
    /// Jobs that are new.
    pub added: Vec<String>,
    /// Jobs that are gone.
    pub removed: Vec<String>,
    /// Jobs that are otherwise.
    pub altered: Vec<Altered>,
    /// Files whose last good version stays in use.
    pub last_good: Vec<String>,
    /// How many jobs there are now.
    pub jobs: u64,
    /// How many mistakes there are now.
    pub errors: u64,
    /// The first 100 of them.
    pub problems: Vec<Problem>,
}

/// A job that is otherwise than before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Altered {
    /// The job.
    pub job: String,
    /// What differs, each in a few words.
    pub changes: Vec<String>,
}

/// A mistake as a reload keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The code.
    pub code: String,
    /// What is wrong, in one line.
    pub message: String,
    /// The file.
    pub file: Option<String>,
    /// Counted from 1; none for a mistake of a whole file.
    pub line: Option<u64>,
    /// In characters, counted from 1.
    pub column: Option<u64>,
    /// The text of that line.
    pub text: Option<String>,
    /// What would mend it.
    pub help: Vec<String>,
}

impl Reload {
    /// What lies between two catalogs. `files` and `last_good` are named as the person would type
    /// them.
    pub fn between(before: &Graph, after: &Graph) -> Self {
        let added = after.jobs.keys().filter(|id| !before.jobs.contains_key(*id)).take(KEPT).cloned().collect();
        let removed = before.jobs.keys().filter(|id| !after.jobs.contains_key(*id)).take(KEPT).cloned().collect();
        let altered = after.jobs.iter().filter_map(|(id, now)| {
            let changes = altered(before.jobs.get(id)?, now);
            (!changes.is_empty()).then(|| Altered { job: id.clone(), changes })
        });
        let altered = altered.take(KEPT).collect();
        Self { added, removed, altered, jobs: after.dependencies.len() as u64, ..Self::default() }
    }

    /// With the files that changed, and those whose last good version stays in use.
    #[must_use]
    pub fn of_files(mut self, changed: &[String], last_good: &[String]) -> Self {
        self.files = changed.iter().take(KEPT).cloned().collect();
        self.last_good = last_good.iter().take(KEPT).cloned().collect();
        self
    }

    /// With what is wrong now.
    #[must_use]
    pub fn with_problems(mut self, problems: &[Diagnostic]) -> Self {
        self.errors = problems.len() as u64;
        self.problems = problems.iter().take(KEPT_PROBLEMS).map(Problem::of).collect();
        self
    }

    /// Whether nothing is otherwise than before.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.altered.is_empty() && self.files.is_empty()
    }

    /// As it is stored.
    pub fn pack(&self) -> Vec<u8> {
        // Plain data of known types: this cannot fail.
        rmp_serde::to_vec_named(self).unwrap_or_default()
    }

    /// Reads what [`Reload::pack`] wrote; what cannot be read is empty.
    pub fn unpack(bytes: &[u8]) -> Self {
        rmp_serde::from_slice(bytes).unwrap_or_default()
    }
}

impl Problem {
    fn of(problem: &Diagnostic) -> Self {
        let place = problem.label.as_ref().map(|label| {
            let (line, column) = label.source.position(label.span.start);
            let mut text = label.source.text.lines().nth(line - 1).unwrap_or_default().to_owned();
            cut(&mut text, LINE);
            (line as u64, column as u64, text)
        });
        let (line, column, text) = match place {
            Some((line, column, text)) => (Some(line), Some(column), Some(text)),
            None => (None, None, None),
        };
        Self {
            code: problem.code.id().to_owned(),
            message: problem.message.clone(),
            file: problem.path().map(str::to_owned),
            line,
            column,
            text,
            help: problem.help.clone(),
        }
    }
}

/// What differs between two versions of a job.
fn altered(before: &CheckedJob, now: &CheckedJob) -> Vec<String> {
    let mut out = Vec::new();
    if before.plugin.digest != now.plugin.digest {
        let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
        out.push(format!(
            "the plugin: sha256:{} -> sha256:{}",
            short(&before.plugin.digest),
            short(&now.plugin.digest)
        ));
    }
    if std::sync::Arc::ptr_eq(&before.job, &now.job) {
        return out;
    }
    let (Value::Map(was), Value::Map(is)) = (before.job.to_config(), now.job.to_config()) else {
        return out;
    };
    let of = |entries: &[(Name, Value)], key: &str| {
        entries.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
    };
    let keys = was.iter().chain(is.iter().filter(|(key, _)| of(&was, key).is_none())).map(|(key, _)| key);
    for key in keys {
        changes(key, of(&was, key).as_ref(), of(&is, key).as_ref(), &mut out);
    }
    out
}
