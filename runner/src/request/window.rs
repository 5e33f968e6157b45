//! Builds of a period. Ids rise with the time of creation, so a binary search finds where a period
//! begins.

use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

/// Narrows a filter to builds that were created at `from` or later, and before `to`.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub(crate) fn narrow(
    storage: &dyn Storage,
    filter: &mut BuildFilter,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<()> {
    if let Some(from) = from {
        let last_before = last_before(storage, from)?;
        filter.after = Some(filter.after.map_or(last_before, |after| after.max(last_before)));
    }
    if let Some(to) = to {
        let first_after = last_before(storage, to)? + 1;
        filter.before = Some(filter.before.map_or(first_after, |before| before.min(first_after)));
    }
    Ok(())
}

/// Returns the largest id such that all builds up to it were created before a moment, or 0 if there
/// is none.
fn last_before(storage: &dyn Storage, moment: Timestamp) -> Result<u64> {
    let newest = BuildFilter { order: Order::Desc, limit: 1, brief: true, ..BuildFilter::default() };
    let Some(newest) = storage.get_job_builds(&newest)?.pop() else {
        return Ok(0);
    };
    let (mut before, mut not_before) = (0, newest.id + 1);
    while before + 1 < not_before {
        let middle = before + (not_before - before) / 2;
        // Builds may have been deleted: the next existing one shows on which side the middle is.
        let next = BuildFilter { after: Some(middle - 1), limit: 1, brief: true, ..BuildFilter::default() };
        match storage.get_job_builds(&next)?.pop() {
            Some(Build { id, created, .. }) if created < moment => before = id,
            Some(_) | None => not_before = middle,
        }
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jobcontrol_core::clock::ManualClock;
    use jobcontrol_core::memory::MemoryStorage;
    use jobcontrol_core::value::Value;

    use super::*;

    #[test]
    fn builds_of_a_time_are_found_wherever_others_were_deleted() {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let storage = MemoryStorage::new(Arc::<ManualClock>::clone(&clock));
        storage.install().unwrap();
        let mut made = Vec::new();
        for second in 0..40_i64 {
            clock.set(Timestamp(second / 2 * 10));
            made.push((storage.create_build("x", &Value::Map(Vec::new())).unwrap(), second / 2 * 10));
        }
        for id in [1, 2, 3, 10, 11, 12, 13, 40] {
            storage.delete_build(id).unwrap();
            made.retain(|(other, _)| *other != id);
        }
        for (from, to) in [(0, 0), (0, 10), (5, 15), (50, 60), (45, 75), (-5, 1_000), (1_000, 2_000), (190, 191)] {
            let mut filter = BuildFilter::default();
            narrow(&storage, &mut filter, Some(Timestamp(from)), Some(Timestamp(to))).unwrap();
            let found: Vec<_> = storage.get_job_builds(&filter).unwrap().iter().map(|build| build.id).collect();
            let expected = made.iter().filter(|(_, at)| (from..to).contains(at)).map(|(id, _)| *id);
            assert_eq!(found, expected.collect::<Vec<_>>(), "{from}..{to}");
        }
    }
}
