//! Named numbers of slots that builds share.

/// What a build takes of a pool while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// The pool's name.
    pub name: String,
    /// How many of its slots; at least 1.
    pub slots: u32,
}
