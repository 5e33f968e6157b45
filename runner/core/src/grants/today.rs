//! What is known today of the job of an older build, and what it is refused for that.

use std::fmt;

/// What today's manifests say of a job: `G` is what it grants.
#[derive(Debug)]
pub enum Today<'a, G: ?Sized> {
    /// It grants this.
    Grants(&'a G),
    /// There is no such job any more.
    Gone,
    /// Nobody knows, for this reason: the manifests cannot be read.
    Unknown(&'a str),
}

impl<'a, G: ?Sized> Today<'a, G> {
    /// A part of what is granted.
    pub fn map<H: ?Sized>(&self, part: impl FnOnce(&'a G) -> &'a H) -> Today<'a, H> {
        match self {
            Self::Grants(grants) => Today::Grants(part(grants)),
            Self::Gone => Today::Gone,
            Self::Unknown(reason) => Today::Unknown(reason),
        }
    }

    /// What today's job grants, if there is one.
    pub(crate) fn grants(&self) -> Option<&'a G> {
        match self {
            Self::Grants(grants) => Some(grants),
            Self::Gone | Self::Unknown(_) => None,
        }
    }

    /// That the build may not have `what` again.
    pub(crate) fn withdrawn(&self, what: String, remedy: Option<String>) -> Withdrawn {
        let unknown = match self {
            Self::Unknown(reason) => Some((*reason).to_owned()),
            Self::Grants(_) | Self::Gone => None,
        };
        Withdrawn { what, unknown, remedy }
    }
}

/// The build that is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Repeated<'a> {
    /// The folder that its paths are relative to.
    pub folder: &'a str,
    /// Whether the operator lists the folders that may be granted, under `ceiling.files`: these are
    /// granted whatever today's manifest says.
    pub operator_lists_files: bool,
    /// Whether the operator bounds the requests that may be granted, under `ceiling.http`.
    pub operator_lists_http: bool,
}

/// A grant of an older build that it may not have again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Withdrawn {
    /// What was granted: ``the variable `TOKEN` ``.
    pub what: String,
    /// Why it is not known whether today's job grants it, if that is so.
    pub unknown: Option<String>,
    /// What would grant it again, beside the job's manifest.
    pub remedy: Option<String>,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it was granted {}, ", self.what)?;
        match &self.unknown {
            Some(reason) => write!(f, "and whether its job grants that still is not known ({reason})")?,
            None => f.write_str("and its job grants that no longer")?,
        }
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}
