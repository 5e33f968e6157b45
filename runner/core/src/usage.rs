//! What a build used.

/// The resources of the machine and the network that one call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Peak linear memory of the instance, in bytes.
    pub peak_memory: u64,
    /// Time the guest ran, in microseconds: the time its call was on a guest thread, host functions
    /// included, waiting excluded.
    pub guest_time: u64,
    /// Its HTTP traffic.
    pub traffic: Traffic,
}

impl Usage {
    /// Returns the combined usage of two calls of one build.
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

/// HTTP traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Number of requests, including refused ones.
    pub requests: u64,
    /// Bytes sent, including the overhead of TLS.
    pub sent: u64,
    /// Bytes received, including the overhead of TLS.
    pub received: u64,
}
