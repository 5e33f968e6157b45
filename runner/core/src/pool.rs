//! Pools: named numbers of slots that builds share.

/// Largest size of a pool: more than the number of builds that a machine runs at once.
pub const MAX_SIZE: u32 = 10_000;

/// What each build of a job takes from a pool while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// The pool's name, like a job's id.
    pub name: String,
    /// The number of slots, 1 to [`MAX_SIZE`].
    pub slots: u32,
}
