//! The description that every key of a job provides.

use crate::job::Job;
use crate::manifest::context::Context;
use crate::schema::functions::Callable;
use crate::value::Value;
use crate::yaml::fields::Fields;

/// A key of a job.
pub(crate) struct JobKey {
    /// The name of the key in a manifest.
    pub(crate) name: &'static str,

    /// Whether the key affects what a build returns. A job is outdated once such a key has changed.
    pub(crate) decisive: bool,

    /// The position of the key in a build config. Stored configs are compared as bytes, so this
    /// never changes; a new key takes the next number.
    pub(crate) packed_at: u8,

    /// Takes the key out of a manifest's job and reports everything that is wrong with it. Called
    /// once for each job, in the order of the list, whether or not the key is present.
    pub(crate) read: fn(&mut Draft<'_>, &mut Fields<'_>),

    /// Returns the value of the key in a build config, or `None` to leave the key out.
    pub(crate) pack: fn(&Job) -> Option<Value>,

    /// Reads what `pack` returned into a job that has the default value. Another program may have
    /// written it, so invalid values are ignored. Called only if the key is present.
    pub(crate) unpack: fn(&Value, &mut Job),

    /// Returns the JSON schema of the key, with its description, for editors.
    pub(crate) schema: fn(&[Callable<'_>]) -> serde_json::Value,
}

/// A job whose keys are being read.
pub(crate) struct Draft<'a> {
    /// The operator's settings that reading needs.
    pub(crate) context: &'a Context,
    /// The names of all keys.
    pub(crate) names: &'a [&'static str],
    /// The id of a job that does not set one, if it is the only job in its file.
    pub(crate) stem: Option<&'a str>,
    /// What has been read so far. The id and the function are empty if they could not be read.
    pub(crate) job: Job,
}
