//! What today's manifests say about the job of an older build, and the grants that it may therefore
//! not have again.

use std::fmt;

/// What today's manifests say about a job. `G` is the type of its grants.
#[derive(Debug)]
pub enum Today<'a, G: ?Sized> {
    /// The job exists and grants this.
    Grants(&'a G),
    /// The job no longer exists.
    Gone,
    /// Unknown, because the manifests cannot be read; contains the reason.
    Unknown(&'a str),
}

impl<'a, G: ?Sized> Today<'a, G> {
    /// Selects a part of the grants.
    pub fn map<H: ?Sized>(&self, part: impl FnOnce(&'a G) -> &'a H) -> Today<'a, H> {
        match self {
            Self::Grants(grants) => Today::Grants(part(grants)),
            Self::Gone => Today::Gone,
            Self::Unknown(reason) => Today::Unknown(reason),
        }
    }

    /// Returns what today's job grants, if the job exists.
    pub(crate) fn grants(&self) -> Option<&'a G> {
        match self {
            Self::Grants(grants) => Some(grants),
            Self::Gone | Self::Unknown(_) => None,
        }
    }

    /// Creates the refusal that says that the build may not have `what` again.
    pub(crate) fn withdrawn(&self, what: String, remedy: Option<String>) -> Withdrawn {
        let unknown = match self {
            Self::Unknown(reason) => Some((*reason).to_owned()),
            Self::Grants(_) | Self::Gone => None,
        };
        Withdrawn { what, unknown, remedy }
    }
}

/// The build that is being repeated.
#[derive(Clone, Copy, Debug)]
pub struct Repeated<'a> {
    /// The folder that the paths of the build are relative to.
    pub folder: &'a str,
    /// Whether the operator lists the folders that may be granted, under `ceiling.files`. Listed
    /// folders are granted regardless of today's manifest.
    pub operator_lists_files: bool,
    /// Whether the operator limits the requests that may be granted, under `ceiling.http`.
    pub operator_lists_http: bool,
}

/// A grant of an older build that it may not have again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Withdrawn {
    /// What was granted: ``the variable `TOKEN` ``.
    pub what: String,
    /// Why it is unknown whether today's job grants it, if it is unknown.
    pub unknown: Option<String>,
    /// What else would grant it again, apart from a change of the job's manifest.
    pub remedy: Option<String>,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it was granted {}, ", self.what)?;
        match &self.unknown {
            Some(reason) => write!(f, "and it is not known whether its job still grants that ({reason})")?,
            None => f.write_str("but its job no longer grants that")?,
        }
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}
