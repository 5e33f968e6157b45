//! The shape of what differs between builds.

use jobcontrol_core::difference::Difference;
use serde::Serialize;
use utoipa::ToSchema;

/// What differs between a build and the last success of its job before it.
#[derive(Serialize, ToSchema)]
pub(crate) struct DiffJson<'a> {
    /// The build.
    pub(crate) build: u64,
    /// The build that it is compared with; null if its job had not succeeded before.
    pub(crate) last_success: Option<u64>,
    /// In the order of their likely effect.
    pub(crate) differences: Vec<DifferenceJson<'a>>,
}

/// One thing that differs.
#[derive(Serialize, ToSchema)]
pub(crate) struct DifferenceJson<'a> {
    /// `plugin`, a key of the configuration such as `kwargs.since`, or a dependency as `pins.JOB`.
    what: &'a str,
    /// The old value in short; null if there was none.
    was: Option<&'a str>,
    /// The new value in short; null if it is gone.
    now: Option<&'a str>,
}

impl<'a> DifferenceJson<'a> {
    pub(crate) fn new(difference: &'a Difference) -> Self {
        Self { what: &difference.what, was: difference.was.as_deref(), now: difference.now.as_deref() }
    }
}
