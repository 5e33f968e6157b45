//! Caches which records a long log has. A page addresses records by position, but the store knows
//! them only by id.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Mutex;

use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogMap;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

use crate::lock::lock;

/// Most ids in the cache, at 8 bytes each.
const KEPT: usize = 4_000_000;
/// Most maps in the cache.
const MAPS: usize = 32;

/// A choice of records of a build's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogChoice {
    /// The build.
    pub(super) build: u64,
    /// Only records at or above this level.
    pub(super) min_level: Option<i64>,
    /// Only records with this text in their message or target, ignoring case.
    pub(super) text: Option<String>,
    /// Only records of this attempt.
    pub(super) attempt: Option<u32>,
}

impl LogChoice {
    /// Chooses all records of a build.
    pub(super) fn all(build: u64) -> Self {
        Self { build, ..Self::default() }
    }

    fn is_read(&self) -> bool {
        self.text.is_some() || self.attempt.is_some()
    }

    /// Returns whether the choice includes a record. `text` is the chosen text in lower case.
    pub(super) fn lets_through(&self, record: &LogRecord, text: Option<&str>) -> bool {
        let has = |part: &str, text: &str| part.to_lowercase().contains(text);
        let (attempt, record) = (record.attempt, &record.record);
        self.min_level.is_none_or(|level| record.level >= level)
            && text.is_none_or(|text| has(&record.message, text) || has(&record.target, text))
            && self.attempt.is_none_or(|wanted| wanted == attempt)
    }
}

/// The ids of a choice, and the last id that was read for it.
#[derive(Clone)]
struct Kept {
    choice: LogChoice,
    ids: Arc<Vec<u64>>,
    read_to: u64,
}

/// The cache of ids and maps of long logs.
#[derive(Default)]
pub(super) struct KeptLogs {
    ids: Mutex<VecDeque<Kept>>,
    maps: Mutex<VecDeque<(u64, Arc<LogMap>)>>,
}

impl KeptLogs {
    /// Returns the ids of the records, oldest first. Reads only the records written since the last
    /// call.
    pub(super) fn ids(&self, storage: &dyn Storage, choice: &LogChoice) -> Result<Arc<Vec<u64>>> {
        let known = {
            let mut all = lock(&self.ids);
            let at = all.iter().position(|kept| kept.choice == *choice);
            at.and_then(|at| all.remove(at))
        };
        let mut kept = known.unwrap_or_else(|| Kept { choice: choice.clone(), ids: Arc::default(), read_to: 0 });
        let filter = LogFilter {
            build_id: Some(choice.build),
            min_level: choice.min_level,
            after: Some(kept.read_to),
            ..LogFilter::default()
        };
        // Get this id before the records. Everything up to it is read below, whether it is chosen
        // or not.
        let newest = storage.get_last_log_id()?;
        let mut more = Vec::new();
        if choice.is_read() {
            let text = choice.text.as_ref().map(|text| text.to_lowercase());
            storage.iter_log_messages(&filter, &mut |record| {
                kept.read_to = record.id;
                if choice.lets_through(&record, text.as_deref()) {
                    more.push(record.id);
                }
                ControlFlow::Continue(())
            })?;
        } else {
            more = storage.get_log_ids(&filter)?;
        }
        kept.read_to = kept.read_to.max(newest).max(more.last().copied().unwrap_or(0));
        if !more.is_empty() {
            Arc::make_mut(&mut kept.ids).append(&mut more);
        }
        let ids = Arc::clone(&kept.ids);
        self.keep(kept);
        Ok(ids)
    }

    fn keep(&self, kept: Kept) {
        let mut all = lock(&self.ids);
        all.push_front(kept);
        let mut room = KEPT;
        all.retain(|kept| {
            // Even a short list counts for its overhead.
            let size = kept.ids.len() + 1_000;
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        });
    }

    /// Returns how the records spread over time. The map is cached once the build has ended.
    pub(super) fn map(&self, storage: &dyn Storage, build: u64, has_ended: bool) -> Result<Arc<LogMap>> {
        if let Some((_, map)) = lock(&self.maps).iter().find(|(id, _)| *id == build) {
            return Ok(Arc::clone(map));
        }
        let map = Arc::new(storage.get_log_map(build)?);
        if has_ended {
            let mut maps = lock(&self.maps);
            maps.push_front((build, Arc::clone(&map)));
            maps.truncate(MAPS);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use crate::service::hub::Hub;
    use jobcontrol_core::clock::Timestamp;
    use jobcontrol_core::event::Level;
    use jobcontrol_core::event::NewRecord;
    use jobcontrol_core::value::Value;

    use super::*;

    #[test]
    fn what_is_kept_follows_the_log() {
        let hub = Hub::in_memory();
        let storage = hub.storage();
        let build = storage.create_build("a", &Value::Map(Vec::new())).unwrap();
        let log = |level, text: &str| {
            storage.log_message(build, NewRecord::new(Timestamp(1), level, "t", text)).unwrap();
        };
        let kept = KeptLogs::default();
        let count = |choice: &LogChoice| kept.ids(storage, choice).unwrap().len();
        let text = LogChoice { text: Some("NEEDLE".to_owned()), ..LogChoice::all(build) };
        let severe = LogChoice { min_level: Some(40), ..LogChoice::all(build) };
        assert_eq!((count(&LogChoice::all(build)), count(&text), count(&severe)), (0, 0, 0));
        log(Level::Info, "a needle");
        log(Level::Error, "hay");
        assert_eq!((count(&LogChoice::all(build)), count(&text), count(&severe)), (2, 1, 1));
        log(Level::Error, "Needle");
        assert_eq!((count(&LogChoice::all(build)), count(&text), count(&severe)), (3, 2, 2));
        assert_eq!((count(&LogChoice::all(build)), count(&text), count(&severe)), (3, 2, 2), "nothing is added twice");
        assert_eq!(count(&LogChoice { attempt: Some(1), ..LogChoice::all(build) }), 0);
    }
}
