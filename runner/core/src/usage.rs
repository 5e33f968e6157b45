//! What a call of a guest used.

/// What a call of a guest used, beside its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The most linear memory that the instance had at one time, in bytes.
    pub peak_memory: u64,
    /// Time that the guest ran, in microseconds: its functions and those of the host that it called, without waiting.
    pub guest_time: u64,
}
