//! Manifests: YAML text in, jobs or diagnostics on the text's own lines out.
//!
//! - `decode`: the bytes of a file to its text
//! - `node`: YAML as a tree in which every value keeps its place and its tag
//! - `syntax`: what is wrong with a text that is no YAML
//! - `environment`: `${NAME}` in scalars
//! - `fields`: the keys of one mapping, each read once, with what is unknown or of the wrong kind reported
//! - `timing`: `timeout` and `retry`
//! - `units`: sizes and durations
//! - `parse`: a tree to jobs
//! - `rights`: what a job may use and touch
//! - `hooks`: `cleanup_function` and `repr_function`
//! - `entry`: a job as a person would begin it
//! - `settings`: `jobcontrol.yaml`, the operator's file

mod decode;
mod entry;
mod environment;
mod fields;
mod hooks;
mod node;
mod parse;
mod rights;
mod settings;
mod syntax;
mod timing;
mod units;

pub use decode::decode;
pub use entry::entry;
pub use environment::Environment;
pub use node::parse_value;
pub(crate) use parse::JOB_KEYS;
pub use parse::Parsed;
pub use parse::parse;
pub use parse::valid_id;
#[cfg(test)]
pub(crate) use rights::FILES_GRANT_KEYS;
#[cfg(test)]
pub(crate) use rights::GRANT_KEYS;
pub use settings::CeilingFiles;
pub use settings::Settings;
pub use settings::parse_settings;
pub use timing::Timeouts;
pub use units::duration as parse_duration;

use std::collections::BTreeMap;

use crate::limits::Limits;
use crate::limits::TIMEOUTS;

/// What a manifest is read with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The variables that `${NAME}` may take.
    pub environment: Environment,
    /// The largest limits a job may ask for.
    pub ceiling: Ceiling,
    /// The size of each pool.
    pub pools: BTreeMap<String, u32>,
}

/// The largest limits a job may ask for, as the operator set them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// By key under `limits:`.
    pub limits: Vec<(String, u64)>,
    /// The largest parts of `timeout`; a job that says nothing of a part has the ceiling's.
    pub timeouts: Timeouts,
}

impl Ceiling {
    /// The largest value of `key`, if the operator set one.
    pub fn limit(&self, key: &str) -> Option<u64> {
        self.limits.iter().find(|(k, _)| k == key).map(|(_, max)| *max)
    }

    /// The defaults, lowered to the ceiling.
    pub fn defaults(&self) -> Limits {
        let mut limits = Limits::default();
        for (key, max) in &self.limits {
            if let Some(limit) = limits.by_key(key) {
                *limit.value = (*limit.value).min(*max);
            }
        }
        self.timeouts.lower(&mut limits);
        limits
    }

    /// Notes which limits a job cannot raise.
    pub fn mark(&self, limits: &mut Limits) {
        let most = &self.timeouts;
        let parts = [
            (Some(limits.timeout), most.attempt),
            (limits.build_timeout, most.build),
            (limits.no_progress, most.no_progress),
        ];
        let timeouts = TIMEOUTS.into_iter().zip(parts);
        let timeouts = timeouts.filter(|(_, (value, most))| most.is_some() && value >= most).map(|(key, _)| key);
        let mut at_ceiling: Vec<_> = timeouts.collect();
        at_ceiling.extend(Limits::KEYS.iter().copied().filter(|key| {
            let value = limits.by_key(key).map(|limit| *limit.value);
            self.limit(key).is_some_and(|most| value >= Some(most))
        }));
        limits.at_ceiling = at_ceiling;
    }
}
