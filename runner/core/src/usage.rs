//! What a build used.

/// What one call used of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The most linear memory that the instance had at one time, in bytes.
    pub peak_memory: u64,
    /// Time the guest ran, in microseconds: the time its call was on a guest thread, host functions included, waiting
    /// excluded.
    pub guest_time: u64,
}
