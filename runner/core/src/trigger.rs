//! Triggers: what starts runs of a job automatically, besides its schedule.

/// Largest priority; its negative is the smallest one. Enough for any order, and short enough to
/// compare at a glance.
pub const MAX_PRIORITY: i64 = 1_000;

/// What starts a job automatically; key `on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Something that decides the job's result has changed since its newest build, or there is no
    /// build.
    Change,
}

impl Trigger {
    /// All triggers with their names, as written in a manifest.
    pub const NAMES: &[(&str, Self)] = &[("change", Self::Change)];

    /// Returns the name as written in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
        }
    }
}
