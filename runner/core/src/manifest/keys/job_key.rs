//! What every key of a job has to say of itself.

use crate::job::Job;
use crate::manifest::context::Context;
use crate::schema::functions::Callable;
use crate::value::Value;
use crate::yaml::fields::Fields;

/// A key of a job.
pub(crate) struct JobKey {
    /// As it is written.
    pub(crate) name: &'static str,

    /// Whether it decides what a build returns: a job is outdated once this has changed.
    pub(crate) decisive: bool,

    /// Where it stands among the keys of a build config. Stored configs are compared as bytes, so
    /// this never changes; a new key takes the next number.
    pub(crate) packed_at: u8,

    /// Takes the key out of a manifest's job and reports all that is wrong with it. Called once for
    /// each job, in the order of the list, whether the key was written or not.
    pub(crate) read: fn(&mut Draft<'_>, &mut Fields<'_>),

    /// The value of the key in a build config; none where it is left out.
    pub(crate) pack: fn(&Job) -> Option<Value>,

    /// Reads what `pack` returned into a job that has the default. Another program may have written
    /// it, so what makes no sense changes nothing. Called only if the key is there.
    pub(crate) unpack: fn(&Value, &mut Job),

    /// What editors are told of the key, with its description.
    pub(crate) schema: fn(&[Callable<'_>]) -> serde_json::Value,
}

/// A job while its keys are read.
pub(crate) struct Draft<'a> {
    /// What the manifest is read with.
    pub(crate) context: &'a Context,
    /// The names of all keys.
    pub(crate) names: &'a [&'static str],
    /// The id of a job that says none, if it is alone in its file.
    pub(crate) stem: Option<&'a str>,
    /// What has been read so far. Its id and its function are empty where these could not be read.
    pub(crate) job: Job,
}
