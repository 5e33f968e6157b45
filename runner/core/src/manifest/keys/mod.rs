//! The keys of a job. Each key defines how it is read from a manifest, packed into a build config,
//! read back, and described to editors. To add a key, add a constant in a file here and an entry in
//! [`KEYS`].

pub(crate) mod arguments;
mod dependencies;
mod for_people;
pub(crate) mod function;
mod grants;
pub(crate) mod hooks;
pub(crate) mod id;
pub(crate) mod job_key;
pub(crate) mod limits;
pub(crate) mod needs;
pub(crate) mod on;
pub(crate) mod pool;
pub(crate) mod priority;
mod protected;
pub(crate) mod retry;
pub(crate) mod schedule;
pub(crate) mod timeout;

use job_key::JobKey;

/// Every key of a job, in the order in which the keys are read and shown to people.
pub(crate) const KEYS: &[JobKey] = &[
    id::ID,
    for_people::TITLE,
    for_people::NOTES,
    for_people::TAGS,
    function::FUNCTION,
    arguments::ARGS,
    arguments::KWARGS,
    dependencies::DEPENDENCIES,
    timeout::TIMEOUT,
    retry::RETRY,
    limits::LIMITS,
    grants::GRANTS,
    pool::POOL,
    needs::NEEDS,
    priority::PRIORITY,
    protected::PROTECTED,
    schedule::SCHEDULE,
    on::ON,
    hooks::CLEANUP,
    hooks::REPR,
];

/// Keys of a job that are planned.
pub(crate) const LATER: &[&str] = &["map", "reuse", "traceback"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_name_and_its_own_place_in_a_build_config() {
        for (i, key) in KEYS.iter().enumerate() {
            let others = || KEYS[i + 1..].iter();
            assert!(others().all(|other| other.name != key.name && other.packed_at != key.packed_at), "{}", key.name);
        }
    }
}
