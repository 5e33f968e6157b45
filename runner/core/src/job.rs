//! A job: one entry of a manifest, with every default decided.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::grants::Grants;
use crate::grants::HttpGrant;
use crate::labels::Labels;
use crate::limits::Limits;
use crate::pool::PoolUse;
use crate::retry::Retry;
use crate::schedule::Schedule;
use crate::trigger::Trigger;

pub use crate::argument::Arg;
pub use crate::argument::ArgNode;
pub use crate::argument::Reference;
pub use crate::yaml::key::Key;

/// One entry of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The id, unique in the folder: letters, digits, `_` and `-`.
    pub id: String,
    /// A short text for people.
    pub title: Option<String>,
    /// A longer text for people, at most 64 KiB.
    pub notes: Option<String>,
    /// Tags to find it by.
    pub tags: Vec<String>,
    /// The function it calls.
    pub function: FunctionRef,
    /// Arguments by position.
    pub args: Vec<Arg>,
    /// Arguments by parameter name.
    pub kwargs: Vec<(Key, Arg)>,
    /// Jobs that must be built first although no value of them is used; those of `!retval` are
    /// implied.
    pub dependencies: Vec<Key>,
    /// The resources that its builds may use.
    pub limits: Limits,
    /// How often a failed build is tried.
    pub retry: Retry,
    /// What its plugin may access.
    pub grants: Grants,
    /// What its builds take from a pool while they run.
    pub pool: Option<PoolUse>,
    /// The labels that a worker must have to run it.
    pub needs: Labels,
    /// Other functions of its plugin that are called.
    pub hooks: Hooks,
    /// Whether it must be armed before a person can run it. A schedule arms it.
    pub protected: bool,
    /// When it runs automatically.
    pub schedule: Option<Schedule>,
    /// What else starts it automatically; see [`Job::builds_on_change`].
    pub on: Option<Trigger>,
    /// The priority: of several waiting builds, those with the larger number start first. From
    /// minus [`MAX_PRIORITY`](crate::trigger::MAX_PRIORITY) to plus that; 0 by default.
    pub priority: i64,
    /// Its place in the manifests.
    pub place: Place,
}

/// The place of a job in the manifests.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The manifest.
    pub source: Arc<Source>,
    /// The manifest's folder; paths in the manifest are relative to it.
    pub folder: String,
    /// The job's id.
    pub id: Span,
    /// The value of `function`.
    pub function: Span,
    /// The value of `args`, if it was given.
    pub args: Option<Span>,
    /// The value of `kwargs`, if it was given.
    pub kwargs: Option<Span>,
}

/// What a job calls: `PATH[@sha256:HEX][:EXPORT]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionRef {
    /// The plugin as written: a bare name, or a path relative to the manifest.
    pub plugin: String,
    /// The digest that the plugin is pinned to: SHA-256 in 64 lower-case hexadecimal digits.
    pub digest: Option<String>,
    /// The export as written: `f`, `iface#f` or `ns:pkg/iface#f`; `None` for a plugin that is a
    /// command.
    pub export: Option<String>,
}

/// Separator between a plugin and the digest it is pinned to.
const PINNED: &str = "@sha256:";

impl FunctionRef {
    /// Reads `PATH[@sha256:HEX][:EXPORT]`. The export begins after the first colon, or after the
    /// first colon behind the digest if there is one.
    ///
    /// # Errors
    ///
    /// Returns a description of what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (plugin, digest, export) = match text.split_once(PINNED) {
            Some((plugin, rest)) => {
                let (digest, export) = rest.split_once(':').map_or((rest, None), |(d, e)| (d, Some(e)));
                (plugin, Some(digest), export)
            }
            None => text.split_once(':').map_or((text, None, None), |(plugin, export)| (plugin, None, Some(export))),
        };
        // A text without a colon is a command: a bare name, or the path of a plugin's file.
        let is_file = plugin.ends_with(".wasm") || plugin.ends_with(".wat");
        let is_command = || is_file || !plugin.contains(|c: char| "./\\#".contains(c) || c.is_whitespace());
        let whole = export.map_or_else(is_command, |export| !export.is_empty() && !export.starts_with(':'));
        if plugin.is_empty() || !whole {
            return Err(format!("`{text}` does not name a function of a plugin"));
        }
        if let Some(digest) = digest
            && (digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(format!("`{digest}` is not a SHA-256 (write 64 hexadecimal digits)"));
        }
        let digest = digest.map(str::to_ascii_lowercase);
        Ok(Self { plugin: plugin.to_owned(), digest, export: export.map(str::to_owned) })
    }
}

impl fmt::Display for FunctionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plugin)?;
        if let Some(digest) = &self.digest {
            write!(f, "{PINNED}{digest}")?;
        }
        self.export.as_ref().map_or(Ok(()), |export| write!(f, ":{export}"))
    }
}

/// Functions of the job's plugin that are called with a build's return value. A build keeps its
/// plugin, so they can be called as long as the build exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Called when a build is deleted; key `cleanup_function`.
    pub cleanup: Option<Hook>,
    /// Turns the return value into text for people; key `repr_function`.
    pub repr: Option<Hook>,
}

/// A function of the job's plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The export, as written.
    pub export: String,
    /// Its position in the manifest.
    pub span: Span,
}

impl Job {
    /// Creates a job with every default, of which only the place is known.
    pub(crate) fn empty(place: Place) -> Self {
        Self {
            id: String::new(),
            title: None,
            notes: None,
            tags: Vec::new(),
            function: FunctionRef::default(),
            args: Vec::new(),
            kwargs: Vec::new(),
            dependencies: Vec::new(),
            limits: Limits::default(),
            retry: Retry::never(),
            grants: Grants::default(),
            pool: None,
            needs: Labels::default(),
            hooks: Hooks::default(),
            protected: false,
            schedule: None,
            on: None,
            priority: 0,
            place,
        }
    }

    /// Returns whether a service builds it when something that decides its result has changed.
    /// `by_default` is the operator's choice for jobs that are not protected and name no trigger.
    pub fn builds_on_change(&self, by_default: bool) -> bool {
        match self.on {
            Some(Trigger::Change) => true,
            None => by_default && !self.protected && self.schedule.is_none(),
        }
    }

    /// Returns every reference in the arguments, with its position.
    pub fn references(&self) -> Vec<(&Reference, Span)> {
        let mut out = Vec::new();
        self.args.iter().for_each(|arg| arg.references(&mut out));
        self.kwargs.iter().for_each(|(_, arg)| arg.references(&mut out));
        out
    }

    /// Returns every secret in the arguments, with its position.
    pub fn argument_secrets(&self) -> Vec<(&str, Span)> {
        let mut out = Vec::new();
        self.args.iter().for_each(|arg| arg.secrets(&mut out));
        self.kwargs.iter().for_each(|(_, arg)| arg.secrets(&mut out));
        out
    }

    /// Returns every secret that the job names in its arguments and grants, each with its position.
    pub fn secrets(&self) -> Vec<(&str, Span)> {
        let mut out = self.argument_secrets();
        out.extend(self.grants.http.iter().flat_map(HttpGrant::secrets));
        out.extend(self.grants.secrets.iter().map(|grant| (grant.name.as_str(), grant.span)));
        out
    }

    /// Returns the jobs it depends on, by `dependencies` or `!retval`, each once, with the position
    /// of the first mention.
    pub fn dependency_ids(&self) -> Vec<(&str, Span)> {
        let mut seen = BTreeSet::new();
        let named = self.dependencies.iter().map(|key| (key.name.as_str(), key.span));
        let implied = self.references();
        let implied = implied.iter().map(|(reference, span)| (reference.job.as_str(), *span));
        named.chain(implied).filter(|(id, _)| seen.insert(*id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_written_as_it_was_read() {
        let digest = "ab".repeat(32);
        for text in ["sales:f", "./sub/x.wasm:ns:pkg/iface@1.0.0#f", "tool", "./tool.wasm"] {
            assert_eq!(FunctionRef::parse(text).unwrap().to_string(), text);
        }
        for text in [format!("sales@sha256:{digest}:ns:pkg/iface#f"), format!("tool@sha256:{digest}")] {
            let read = FunctionRef::parse(&text).unwrap();
            assert_eq!((read.to_string(), read.digest.as_deref()), (text, Some(digest.as_str())));
        }
        let upper = FunctionRef::parse(&format!("x@sha256:{}:f", digest.to_uppercase())).unwrap();
        assert_eq!(upper.digest, Some(digest));
    }

    #[test]
    fn a_function_without_a_plugin_or_with_half_a_digest_is_refused() {
        for text in
            ["", ":f", "x:", "x::f", "sales.f", "sales/f", "sales#f", "x@sha256:", "x@sha256:abc:f", "@sha256:abc:f"]
        {
            assert!(FunctionRef::parse(text).is_err(), "{text}");
        }
    }
}
