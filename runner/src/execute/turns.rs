//! Decides who waits while a plugin is compiled. The first build that needs the plugin uses a
//! thread; all others wait without one. There are some hundred threads for waiting, and a plugin
//! that takes its whole minute may have more jobs than that.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;

use tokio::sync::watch;

use crate::execute::error::ExecuteError;
use crate::lock::lock;

/// The state of a plugin: nothing yet, or that it is ready, or why it is not.
type Made = Option<Result<(), ExecuteError>>;

/// Plugins that are being made ready, or are ready, by digest.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<Arc<str>, watch::Receiver<Made>>>);

/// The turn of the caller that makes a plugin ready. If it is dropped without an end, the next
/// caller gets it.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    digest: &'a Arc<str>,
    made: watch::Sender<Made>,
}

impl Turns {
    /// Returns the turn to make a plugin ready, or `None` once another caller has made it ready.
    ///
    /// # Errors
    ///
    /// Returns why it could not be made ready, to all callers that waited. Later callers try again.
    pub(super) async fn take<'a>(&'a self, digest: &'a Arc<str>) -> Result<Option<Turn<'a>>, ExecuteError> {
        loop {
            let mut made = {
                let mut turns = lock(&self.0);
                match turns.get(digest) {
                    Some(made) => made.clone(),
                    None => {
                        let (made, seen) = watch::channel(None);
                        turns.insert(Arc::clone(digest), seen);
                        return Ok(Some(Turn { turns: self, digest, made }));
                    }
                }
            };
            if let Ok(made) = made.wait_for(Option::is_some).await
                && let Some(made) = made.clone()
            {
                return made.map(|()| None);
            }
        }
    }
}

impl Turn<'_> {
    /// Ends the turn, and notifies those that wait.
    pub(super) fn end(self, made: Result<(), ExecuteError>) {
        if made.is_err() {
            lock(&self.turns.0).remove(self.digest);
        }
        self.made.send_replace(Some(made));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.made.borrow().is_none() {
            lock(&self.turns.0).remove(self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn all_who_wait_learn_what_became_of_it_and_who_comes_later_tries_anew() {
        let (turns, digest) = (Turns::default(), Arc::from("a"));
        let failed = || ExecuteError::Arguments("it takes too long".to_owned());
        Builder::new_current_thread().build().unwrap().block_on(async {
            let first = turns.take(&digest).await.unwrap().unwrap();
            let (waiting, ()) = tokio::join!(turns.take(&digest), async { first.end(Err(failed())) });
            assert_eq!(waiting.err().map(|error| error.to_string()), Some(failed().to_string()));
            // A caller that gives up leaves its turn to the next.
            let second = turns.take(&digest).await.unwrap();
            let (third, ()) = tokio::join!(turns.take(&digest), async { drop(second) });
            third.unwrap().unwrap().end(Ok(()));
            assert!(turns.take(&digest).await.unwrap().is_none());
            assert!(turns.take(&Arc::from("b")).await.unwrap().is_some());
        });
    }
}
