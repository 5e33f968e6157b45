//! Finds the names and lines of the calls of failures, in parallel to the builds. No build waits
//! for it.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::child_limits::TRACE_TIME;
use jobcontrol_core::event::Ending;
use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::are_raw;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::storage::Traceback;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_frames;
use jobcontrol_sandbox::Plugins;
use jobcontrol_sandbox::TRACING;
use tokio::sync::Notify;
use tokio::sync::Semaphore;

use crate::lock::lock;
use crate::record::recorder::Recorder;

/// The most attempts whose calls are looked for or were found. The calls of further attempts stay
/// as they are until somebody reads them.
const MOST: usize = 250;

/// How long to wait for the calls of a failure after it happened: the time for finding them, and
/// the time for starting a process.
const PATIENCE: Duration = TRACE_TIME.saturating_add(Duration::from_millis(500));

/// Finds names and lines, and writes them to the store after the failure itself.
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

struct Inner {
    plugins: Plugins,
    recorder: Recorder,
    asked: Mutex<HashMap<u64, BTreeMap<u32, Asked>>>,
    answered: Notify,
    /// Waiting for a place takes no thread, because other builds need the threads.
    places: Semaphore,
}

/// A failed attempt of a build.
struct Asked {
    since: Instant,
    /// What was found, or `None` while it is looked for.
    found: Option<Vec<Frame>>,
}

impl Tracer {
    pub(super) fn new(plugins: Plugins, recorder: Recorder) -> Self {
        let (asked, answered, places) = (Mutex::default(), Notify::new(), Semaphore::new(TRACING));
        Self(Arc::new(Inner { plugins, recorder, asked, answered, places }))
    }

    /// Adds names and lines to the calls of a failure, if the plugin has failed in this way before.
    pub(super) fn known(&self, plugin: &Plugin, failure: &mut Failure) {
        if are_raw(&failure.frames) {
            let frames = std::mem::take(&mut failure.frames);
            failure.frames = self.0.plugins.trace_again(&plugin.digest, frames).unwrap_or_else(|frames| frames);
        }
    }

    /// Starts to look for the calls of a failure that the store has.
    pub(super) fn begin(&self, id: u64, attempt: u32, plugin: &Arc<Plugin>, failure: &Failure) {
        if !are_raw(&failure.frames) {
            return;
        }
        {
            let mut asked = lock(&self.0.asked);
            let count = |asked: &HashMap<u64, BTreeMap<u32, Asked>>| asked.values().map(BTreeMap::len).sum::<usize>();
            if count(&asked) >= MOST {
                asked.values_mut().for_each(|attempts| attempts.retain(|_, asked| asked.found.is_none()));
                asked.retain(|_, attempts| !attempts.is_empty());
            }
            if count(&asked) >= MOST {
                return;
            }
            asked.entry(id).or_default().insert(attempt, Asked { since: Instant::now(), found: None });
        }
        let (this, plugin, frames) = (self.clone(), Arc::clone(plugin), failure.frames.clone());
        tokio::spawn(async move {
            let plugins = this.0.plugins.clone();
            let look = move || plugins.trace(&plugin.digest, &plugin.bytes, Path::new(&plugin.path), frames);
            let place = this.0.places.acquire().await;
            let found = tokio::task::spawn_blocking(look).await.unwrap_or_default();
            drop(place);
            if let Some(exception_tb) = pack_frames(&found) {
                // A build that was deleted in the meantime needs no traceback.
                let _ = this.0.recorder.write(Write::Traceback(Traceback { id, attempt, exception_tb })).await;
            }
            if let Some(asked) = lock(&this.0.asked).get_mut(&id).and_then(|attempts| attempts.get_mut(&attempt)) {
                asked.found = Some(found);
            }
            this.0.answered.notify_waiters();
        });
    }

    /// Returns an event with the names and lines of its failure. Waits for them, but not longer
    /// than a person would.
    pub async fn named(&self, event: Arc<Event>) -> Arc<Event> {
        let (attempt, failure) = match &event.kind {
            EventKind::AttemptFailed { attempt, failure, .. } => (Some(*attempt), &**failure),
            EventKind::Finished { ending: Ending::Failed(failure), .. } => (None, failure),
            _ => return event,
        };
        if !are_raw(&failure.frames) {
            return event;
        }
        let Some(frames) = self.wait(event.build_id, attempt).await else {
            return event;
        };
        let failure = Failure { frames, ..failure.clone() };
        let mut named = (*event).clone();
        match &mut named.kind {
            EventKind::AttemptFailed { failure: of, .. } => *of = Arc::new(failure),
            EventKind::Finished { ending, .. } => *ending = Ending::Failed(failure),
            _ => {}
        }
        Arc::new(named)
    }

    /// Waits until everything that is looked for is written, or has been waited for long enough.
    pub async fn settle(&self) {
        self.until(|asked| {
            asked.values().flat_map(BTreeMap::values).filter(|asked| asked.found.is_none()).map(|a| a.since).max()
        })
        .await;
    }

    /// Returns what was found for an attempt, or for the newest attempt of a build.
    async fn wait(&self, id: u64, attempt: Option<u32>) -> Option<Vec<Frame>> {
        let of = |asked: &HashMap<u64, BTreeMap<u32, Asked>>| {
            let attempts = asked.get(&id)?;
            let asked = match attempt {
                Some(attempt) => attempts.get(&attempt)?,
                None => attempts.last_key_value()?.1,
            };
            Some((asked.since, asked.found.clone()))
        };
        self.until(|asked| of(asked).filter(|(_, found)| found.is_none()).map(|(since, _)| since)).await;
        of(&lock(&self.0.asked))?.1
    }

    /// Waits until `open` finds nothing that is open, or only what has been open for too long.
    async fn until(&self, open: impl Fn(&HashMap<u64, BTreeMap<u32, Asked>>) -> Option<Instant>) {
        loop {
            let answered = self.0.answered.notified();
            tokio::pin!(answered);
            answered.as_mut().enable();
            let Some(since) = open(&lock(&self.0.asked)) else {
                return;
            };
            let end = since + PATIENCE;
            if tokio::time::timeout_at(end.into(), answered).await.is_err() {
                return;
            }
        }
    }
}
