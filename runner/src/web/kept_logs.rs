//! Which records a long log has, kept for a while: a page shows any part of it by its place, and
//! the store knows records by their ids alone.

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

/// Ids that are kept: 8 bytes each.
const KEPT: usize = 4_000_000;
/// Maps that are kept.
const MAPS: usize = 32;

/// Which records of a build's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogChoice {
    /// The build.
    pub(super) build: u64,
    /// Only those at or above this level.
    pub(super) min_level: Option<i64>,
    /// Only those with this text in their message or target, in any case.
    pub(super) text: Option<String>,
    /// Only those of this attempt.
    pub(super) attempt: Option<u32>,
}

impl LogChoice {
    /// All of a build.
    pub(super) fn all(build: u64) -> Self {
        Self { build, ..Self::default() }
    }

    fn is_read(&self) -> bool {
        self.text.is_some() || self.attempt.is_some()
    }

    /// Whether a record is among them; `text` is theirs in lower case.
    pub(super) fn lets_through(&self, record: &LogRecord, text: Option<&str>) -> bool {
        let has = |part: &str, text: &str| part.to_lowercase().contains(text);
        let (attempt, record) = (record.attempt, &record.record);
        self.min_level.is_none_or(|level| record.level >= level)
            && text.is_none_or(|text| has(&record.message, text) || has(&record.target, text))
            && self.attempt.is_none_or(|wanted| wanted == attempt)
    }
}

/// The ids of a choice, and how far the log was read for them.
#[derive(Clone)]
struct Kept {
    choice: LogChoice,
    ids: Arc<Vec<u64>>,
    read_to: u64,
}

/// What is kept of long logs.
#[derive(Default)]
pub(super) struct KeptLogs {
    ids: Mutex<VecDeque<Kept>>,
    maps: Mutex<VecDeque<(u64, Arc<LogMap>)>>,
}

impl KeptLogs {
    /// The ids of the records, oldest first. What was written since the last time is read alone.
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
        // Before the records: those up to this one are all read below, whether they are chosen or
        // not.
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
            // A short one costs its place all the same.
            let size = kept.ids.len() + 1_000;
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        });
    }

    /// Where the records lie in time; kept once the build has ended.
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
        assert_eq!((count(&LogChoice::all(build)), count(&text), count(&severe)), (3, 2, 2), "none of it twice");
        assert_eq!(count(&LogChoice { attempt: Some(1), ..LogChoice::all(build) }), 0);
    }
}
