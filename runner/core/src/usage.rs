//! What a build used.

/// What one call used of the machine and of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The most linear memory that the instance had at one time, in bytes.
    pub peak_memory: u64,
    /// Time the guest ran, in microseconds: the time its call was on a guest thread, host functions
    /// included, waiting excluded.
    pub guest_time: u64,
    /// What it did over HTTP.
    pub traffic: Traffic,
}

impl Usage {
    /// What two calls of one build used together.
    pub(crate) fn with(self, more: Self) -> Self {
        Self {
            peak_memory: self.peak_memory.max(more.peak_memory),
            guest_time: self.guest_time + more.guest_time,
            traffic: Traffic {
                requests: self.traffic.requests + more.traffic.requests,
                sent: self.traffic.sent + more.traffic.sent,
                received: self.traffic.received + more.traffic.received,
            },
        }
    }
}

/// What was done over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that were asked for, those included that were refused.
    pub requests: u64,
    /// Bytes that were sent, with all that TLS adds.
    pub sent: u64,
    /// Bytes that were received, likewise.
    pub received: u64,
}
