//! Why a request was refused.

use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::storage::StorageError;

/// The kind of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request is wrong.
    Usage,
    /// The job, build, run or plugin does not exist.
    NotFound,
    /// The manifests that it needs have mistakes.
    Unchecked,
    /// It would use builds of jobs that are outdated or failing.
    Stale,
    /// The request is valid, but cannot be carried out.
    Failed,
    /// The store failed.
    Storage,
}

impl RefusalKind {
    /// Returns the name that programs read.
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

/// A part of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One of the jobs to build, by its index; `None` for all of them.
    Target(Option<usize>),
    /// All pins together.
    Pins,
    /// A pin: its job, and the build if the build is what is wrong.
    Pin(String, Option<u64>),
    /// An argument given as JSON, by the keys and indices that lead to it.
    Argument(Vec<String>),
}

/// What is wrong with a part of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The part.
    pub place: Place,
    /// What is wrong, on one line.
    pub reason: String,
}

/// Why a request was refused, for a person or a program.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The kind.
    pub kind: RefusalKind,
    /// What is wrong, on one line.
    pub message: String,
    /// How to fix it, each hint on one line.
    pub hints: Vec<String>,
    /// What is wrong with the manifests, with their lines.
    pub diagnostics: Vec<Diagnostic>,
    /// What is wrong with single parts of the request. The message is about the first of them.
    pub faults: Vec<Fault>,
}

impl Refusal {
    fn of(kind: RefusalKind, message: impl Into<String>) -> Self {
        let (hints, diagnostics, faults) = Default::default();
        Self { kind, message: message.into(), hints, diagnostics, faults }
    }

    /// Adds the part of the request that the message is about.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.faults.push(Fault { place, reason: self.message.clone() });
        self
    }

    /// Creates a refusal of a wrong request.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::of(RefusalKind::Usage, message)
    }

    /// Creates a refusal because something does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::of(RefusalKind::NotFound, message)
    }

    /// Creates a refusal to use builds of jobs that are outdated or failing.
    pub fn stale(message: impl Into<String>) -> Self {
        Self::of(RefusalKind::Stale, message)
    }

    /// Creates a refusal of a request that cannot be carried out.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::of(RefusalKind::Failed, message)
    }

    /// Creates a refusal because the manifests have mistakes.
    pub fn unchecked(diagnostics: Vec<Diagnostic>) -> Self {
        let message = match diagnostics.as_slice() {
            [one] => one.message.clone(),
            _ => "the manifests have mistakes".to_owned(),
        };
        Self { diagnostics, ..Self::of(RefusalKind::Unchecked, message) }
    }

    /// Adds a hint that says how to fix it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the name that was probably meant, if there is one.
    #[must_use]
    pub fn did_you_mean(self, near: Option<impl std::fmt::Display>) -> Self {
        match near {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// Returns the message with its hints, on one line.
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
