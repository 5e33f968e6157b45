//! The effect of a change to the files, described in terms of jobs.

use serde::Deserialize;
use serde::Serialize;

use crate::changes::changes;
use crate::check::CheckedJob;
use crate::check::Graph;
use crate::diagnostic::Diagnostic;
use crate::failure::cut;
use crate::value::Name;
use crate::value::Value;

/// How many entries of each list are kept.
const KEPT: usize = 1_000;
/// How many mistakes are kept.
const KEPT_PROBLEMS: usize = 100;
/// How many characters of a line with a mistake are kept.
const LINE: usize = 500;

/// The effect of a change to the files. The lists are cut at 1,000 entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reload {
    /// Whether this is the first time that a service reads the files.
    pub first: bool,
    /// Files that changed.
    pub files: Vec<String>,
    /// New jobs.
    pub added: Vec<String>,
    /// Removed jobs.
    pub removed: Vec<String>,
    /// Changed jobs.
    pub altered: Vec<Altered>,
    /// Files whose last good version stays in use.
    pub last_good: Vec<String>,
    /// How many jobs there are now.
    pub jobs: u64,
    /// How many mistakes the files have now.
    pub errors: u64,
    /// The first 100 of them.
    pub problems: Vec<Problem>,
}

/// A changed job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Altered {
    /// The job.
    pub job: String,
    /// What differs, each in a few words.
    pub changes: Vec<String>,
}

/// A mistake, as a reload keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The code.
    pub code: String,
    /// What is wrong, in one line.
    pub message: String,
    /// The file.
    pub file: Option<String>,
    /// The line, counted from 1; `None` for a mistake of a whole file.
    pub line: Option<u64>,
    /// The column in characters, counted from 1.
    pub column: Option<u64>,
    /// The text of that line.
    pub text: Option<String>,
    /// Hints that fix it.
    pub help: Vec<String>,
}

impl Reload {
    /// Compares two catalogs. The result has no files yet; see [`Reload::of_files`].
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

    /// Adds the files that changed, and those whose last good version stays in use. Both are named
    /// as a person would type them.
    #[must_use]
    pub fn of_files(mut self, changed: &[String], last_good: &[String]) -> Self {
        self.files = changed.iter().take(KEPT).cloned().collect();
        self.last_good = last_good.iter().take(KEPT).cloned().collect();
        self
    }

    /// Adds the current mistakes.
    #[must_use]
    pub fn with_problems(mut self, problems: &[Diagnostic]) -> Self {
        self.errors = problems.len() as u64;
        self.problems = problems.iter().take(KEPT_PROBLEMS).map(Problem::of).collect();
        self
    }

    /// Returns whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.altered.is_empty() && self.files.is_empty()
    }

    /// Packs it for the store.
    pub fn pack(&self) -> Vec<u8> {
        // Plain data of known types: this cannot fail.
        rmp_serde::to_vec_named(self).unwrap_or_default()
    }

    /// Reads what [`Reload::pack`] wrote. Parts that cannot be read are empty.
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

/// Returns what differs between two versions of a job.
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
