//! Limits how many requests a client may send. Each client has a bucket that refills over time; the
//! caller passes in the time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Requests that one client may send at once: enough for a page with its parts, many times over.
const BURST: u32 = 200;

/// Requests per second that one client may send in the long run. Neither a person nor a script
/// needs that many.
const PER_SECOND: u32 = 50;

/// Most clients in memory, at about 50 bytes each. Beyond that, clients with full buckets are
/// forgotten.
const CLIENTS: usize = 10_000;

/// The time in which the bucket regains one request, in nanoseconds.
const REQUEST: u64 = 1_000_000_000 / PER_SECOND as u64;

/// The time in which an empty bucket fills up, in nanoseconds.
const FULL: u64 = REQUEST * BURST as u64;

/// The buckets of all clients. Each entry holds the moment when the bucket will be full again.
pub(super) struct Rates<K> {
    full_at: HashMap<K, u64>,
}

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self { full_at: HashMap::new() }
    }
}

impl<K: Hash + Eq> Rates<K> {
    /// Takes one request of a client at `now`, counted from any fixed moment.
    ///
    /// # Errors
    ///
    /// Returns how long the client has to wait if its bucket is empty.
    pub(super) fn take(&mut self, client: K, now: Duration) -> Result<(), Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX - FULL);
        if self.full_at.len() >= CLIENTS && !self.full_at.contains_key(&client) {
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() >= CLIENTS {
                // More clients at once than a service for one team has: new clients wait.
                return Err(Duration::from_nanos(REQUEST));
            }
        }
        let full_at = self.full_at.entry(client).or_insert(now);
        let next = now.max(*full_at) + REQUEST;
        if next > now + FULL {
            return Err(Duration::from_nanos(next - FULL - now));
        }
        *full_at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_what_follows_waits_for_its_time() {
        let (mut rates, start) = (Rates::default(), Duration::from_secs(5));
        for _ in 0..BURST {
            assert_eq!(rates.take("a", start), Ok(()));
        }
        let wait = rates.take("a", start).unwrap_err();
        assert_eq!(wait, Duration::from_nanos(REQUEST));
        assert_eq!(rates.take("b", start), Ok(()), "others have their own");
        assert!(rates.take("a", start + wait - Duration::from_nanos(1)).is_err());
        assert_eq!(rates.take("a", start + wait), Ok(()));
        assert!(rates.take("a", start + wait).is_err());
        let rested = start + Duration::from_secs(100);
        let more = (0..BURST * 2).filter(|_| rates.take("a", rested).is_ok()).count();
        assert_eq!(more, BURST as usize, "a bucket is never more than full");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let (mut rates, now) = (Rates::default(), Duration::from_secs(1));
        let taken = (0..2 * CLIENTS).filter(|client| rates.take(*client, now).is_ok()).count();
        assert_eq!((taken, rates.full_at.len()), (CLIENTS, CLIENTS));
        // Known clients go on, and clients with full buckets make room for new ones.
        assert_eq!(rates.take(0, now), Ok(()));
        assert_eq!(rates.take(2 * CLIENTS, now + Duration::from_secs(10)), Ok(()));
        assert_eq!(rates.full_at.len(), 1);
    }
}
