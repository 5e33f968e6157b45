//! Pools: named numbers of slots that builds share.

/// Largest size of a pool: more than a machine runs builds at once.
pub const MAX_SIZE: u32 = 10_000;

/// What each build of a job takes of a pool while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// The pool's name, like a job's id.
    pub name: String,
    /// How many of its slots, 1 to [`MAX_SIZE`].
    pub slots: u32,
}
