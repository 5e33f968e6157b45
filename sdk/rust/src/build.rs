//! The running build, and ending it as skipped.

use crate::host;

/// Information about the build that calls the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The number of the build, as the interfaces show it.
    pub build_id: u64,
    /// The job that is being built.
    pub job_id: String,
    /// 1 for the first attempt, 2 for the first retry.
    pub attempt: u32,
    /// The same text for all attempts of one build. Send it along with side effects, so that a
    /// retry does not repeat them.
    pub idempotency_key: String,
}

/// Returns the running build.
///
/// Outside WebAssembly it is build 0 of the job `test`, in its first attempt.
pub fn current() -> BuildInfo {
    match host::current() {
        Some(info) => BuildInfo {
            build_id: info.build_id,
            job_id: info.job_id,
            attempt: info.attempt,
            idempotency_key: info.idempotency_key,
        },
        None => BuildInfo { build_id: 0, job_id: "test".to_owned(), attempt: 1, idempotency_key: "test".to_owned() },
    }
}

/// Ends the build as skipped, because there was nothing to do; `reason` says why.
pub fn skip(reason: &str) -> ! {
    host::skip(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_host_there_is_a_build_for_tests() {
        assert_eq!(current().job_id, "test");
        assert_eq!(current().attempt, 1);
    }

    #[test]
    #[should_panic(expected = "skipped: no new orders")]
    fn skipping_without_a_host_panics() {
        skip("no new orders");
    }
}
