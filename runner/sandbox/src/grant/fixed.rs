//! Clocks and random numbers that are the same in each build.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jobcontrol_core::clock::Timestamp;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use wasmtime_wasi::HostMonotonicClock;
use wasmtime_wasi::HostWallClock;
use wasmtime_wasi::WasiCtxBuilder;

/// A wall clock that always returns the same time.
struct Fixed(Duration);

impl HostWallClock for Fixed {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// A monotonic clock that advances each time it is read, so a loop that waits for a time ends.
#[derive(Default)]
struct Counting(AtomicU64);

/// How many nanoseconds it advances by.
const STEP: u64 = 1_000;

impl HostMonotonicClock for Counting {
    fn resolution(&self) -> u64 {
        STEP
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(STEP, Ordering::Relaxed)
    }
}

pub(super) fn set_clock(builder: &mut WasiCtxBuilder, time: Timestamp) {
    let since = Duration::from_micros(u64::try_from(time.0).unwrap_or(0));
    builder.wall_clock(Fixed(since)).monotonic_clock(Counting::default());
}

/// Sets three random sources from one seed. None of them reveals the output of another.
pub(super) fn set_random(builder: &mut WasiCtxBuilder, seed: u64) {
    let random = ChaCha8Rng::seed_from_u64(seed);
    let mut insecure = ChaCha8Rng::seed_from_u64(seed);
    insecure.set_stream(1);
    let seeds = [insecure.next_u64(), insecure.next_u64()];
    let insecure_seed = u128::from(seeds[0]) << u64::BITS | u128::from(seeds[1]);
    builder.secure_random(random).insecure_random(insecure).insecure_random_seed(insecure_seed);
}
