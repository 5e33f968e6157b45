//! Attempts that run on other machines: what a service and its workers agree on, as state machines
//! without input or output of their own. Whoever drives them sends the messages, and a test can
//! lose, double, delay and reorder each of them.
//!
//! - `attempt`: which attempt a message is about
//! - `leases`: the service's side: which worker has which attempt, and what of its messages counts
//! - `hands`: the worker's side: what it asks, starts, reports and gives back
//!
//! The agreement, from an offer to an end:
//!
//! 1. The service offers an attempt. Any worker may receive the offer, and more than one may.
//! 2. A worker claims it. The service grants it to the first worker that asks, and refuses others.
//! 3. The worker runs the attempt and reports in numbered messages, one at a time. The service
//!    takes each number once, in order, and only from the worker that has the attempt.
//! 4. The last report ends the attempt. When the broker has it, the worker drops the offer.
//! 5. A worker that is silent for too long loses the attempt. What it still says is refused, and it
//!    is told to stop.

mod attempt;
mod hands;
mod leases;

pub use attempt::AttemptKey;
pub use hands::AGAIN;
pub use hands::Action;
pub use hands::Hands;
pub use leases::Claim;
pub use leases::Due;
pub use leases::Leases;
pub use leases::MISSING;
pub use leases::OFFER_AGAIN;
pub use leases::SILENCE;
pub use leases::Verdict;
