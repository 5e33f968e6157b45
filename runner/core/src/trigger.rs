//! Triggers: what starts runs of a job without a person, beside its schedule.

/// Largest priority, and with a minus the smallest one: enough for any order, and short enough to
/// compare at a glance.
pub const MAX_PRIORITY: i64 = 1_000;

/// What starts a job without a person; key `on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Whatever decides the job's result has changed since its newest build, or there is none.
    Change,
}

impl Trigger {
    /// All of them with their names, as they are written.
    pub const NAMES: &[(&str, Self)] = &[("change", Self::Change)];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
        }
    }
}
