//! Why something that was asked for is not done.

use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::storage::StorageError;

/// What sort of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// What was asked for makes no sense.
    Usage,
    /// There is no such job, build, run or plugin.
    NotFound,
    /// The manifests that it needs do not check.
    Unchecked,
    /// It would use builds of jobs that are outdated or failing.
    Stale,
    /// It cannot be done, though it makes sense.
    Failed,
    /// The store.
    Storage,
}

impl RefusalKind {
    /// As programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotFound => "not-found",
            Self::Unchecked => "unchecked",
            Self::Stale => "stale",
            Self::Failed => "failed",
            Self::Storage => "storage",
        }
    }
}

/// A part of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One of the jobs to build, by its place among them; none for all of them.
    Target(Option<usize>),
    /// All pins together.
    Pins,
    /// A pin: its job, and the build where that is what is wrong.
    Pin(String, Option<u64>),
    /// An argument given as JSON, by the keys and indices that lead to it.
    Argument(Vec<String>),
}

/// What is wrong with a part of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which part.
    pub place: Place,
    /// What is wrong, on one line.
    pub reason: String,
}

/// Why something that was asked for is not done, for a person or a program.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The sort.
    pub kind: RefusalKind,
    /// What is wrong, on one line.
    pub message: String,
    /// What would mend it, each on one line.
    pub hints: Vec<String>,
    /// What is wrong with the manifests, with their lines.
    pub diagnostics: Vec<Diagnostic>,
    /// What is wrong with single parts of what was asked for. The message is about the first of
    /// them.
    pub faults: Vec<Fault>,
}

impl Refusal {
    fn of(kind: RefusalKind, message: impl Into<String>) -> Self {
        let (hints, diagnostics, faults) = Default::default();
        Self { kind, message: message.into(), hints, diagnostics, faults }
    }

    /// With the part of what was asked for that the message is about.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.faults.push(Fault { place, reason: self.message.clone() });
        self
    }

    /// What was asked for makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::of(RefusalKind::Usage, message)
    }

    /// What was asked for is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::of(RefusalKind::NotFound, message)
    }

    /// It would use builds of jobs that are outdated or failing.
    pub fn stale(message: impl Into<String>) -> Self {
        Self::of(RefusalKind::Stale, message)
    }

    /// It cannot be done.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::of(RefusalKind::Failed, message)
    }

    /// The manifests do not check.
    pub fn unchecked(diagnostics: Vec<Diagnostic>) -> Self {
        let message = match diagnostics.as_slice() {
            [one] => one.message.clone(),
            _ => "the manifests do not check".to_owned(),
        };
        Self { diagnostics, ..Self::of(RefusalKind::Unchecked, message) }
    }

    /// With what would mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// With the name that was likely meant, where there is one.
    #[must_use]
    pub fn did_you_mean(self, near: Option<impl std::fmt::Display>) -> Self {
        match near {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// The message with its hints, on one line.
    pub fn text(&self) -> String {
        std::iter::once(&self.message).chain(&self.hints).map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound(_) | StorageError::NoRun(_) | StorageError::NoToken(_) => {
                Self::not_found(error.to_string())
            }
            StorageError::Refused(reason) => Self::usage(reason),
            _ => Self::of(RefusalKind::Storage, error.to_string()),
        }
    }
}
