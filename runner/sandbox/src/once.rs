//! Values made once for all callers that need them at the same time, and a gate that limits how
//! many callers work at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

/// Values by key. The first caller that needs a value makes it, and others wait for that value
/// alone.
pub(crate) struct OncePerKey<V, E>(Mutex<Cells<V, E>>);

type Cells<V, E> = HashMap<Arc<str>, Arc<OnceLock<Result<V, E>>>>;

impl<V, E> Default for OncePerKey<V, E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone, E: Clone> OncePerKey<V, E> {
    /// Returns the value of a key. All callers that wait while it is made share an error; a later
    /// caller tries again.
    ///
    /// # Errors
    ///
    /// Returns the error of `make`.
    pub(crate) fn get_or_make(&self, key: &Arc<str>, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        let cell = Arc::clone(self.cells().entry(Arc::clone(key)).or_default());
        let made = cell.get_or_init(make).clone();
        if made.is_err() {
            let mut cells = self.cells();
            if cells.get(key).is_some_and(|now| Arc::ptr_eq(now, &cell)) {
                cells.remove(key);
            }
        }
        made
    }

    /// Returns the value of a key if it has been made.
    pub(crate) fn get(&self, key: &str) -> Option<V> {
        self.cells().get(key)?.get()?.as_ref().ok().cloned()
    }

    /// Drops the values of all other keys. Clones that callers hold remain valid.
    pub(crate) fn keep_only(&self, is_kept: impl Fn(&str) -> bool) {
        // A value that is being made stays, because others wait for it.
        self.cells().retain(|key, cell| is_kept(key) || cell.get().is_none());
    }

    fn cells(&self) -> MutexGuard<'_, Cells<V, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a fixed number of callers through at once.
#[derive(Debug)]
pub(crate) struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place in a [`Gate`], until it is dropped.
pub(crate) struct Place<'a>(&'a Gate);

impl Gate {
    pub(crate) fn new(places: usize) -> Self {
        Self { free: Mutex::new(places), freed: Condvar::new() }
    }

    /// Waits for a place.
    pub(crate) fn enter(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn one_key_does_not_wait_for_another() {
        let values = OncePerKey::<u32, String>::default();
        let (begun, begins) = mpsc::channel();
        let (go, goes) = mpsc::channel::<u32>();
        let values = &values;
        thread::scope(|scope| {
            let slow = scope.spawn(move || {
                values.get_or_make(&"slow".into(), || {
                    begun.send(()).unwrap();
                    Ok(goes.recv().unwrap())
                })
            });
            begins.recv().unwrap();
            assert_eq!(values.get_or_make(&"quick".into(), || Ok(2)), Ok(2));
            go.send(1).unwrap();
            assert_eq!(slow.join().unwrap(), Ok(1));
        });
    }

    #[test]
    fn a_value_is_made_once() {
        let (values, made) = (OncePerKey::<usize, String>::default(), AtomicUsize::new(0));
        let make = || Ok(made.fetch_add(1, Ordering::SeqCst));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(values.get_or_make(&"key".into(), make), Ok(0)));
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn an_error_is_forgotten() {
        let values = OncePerKey::<u32, String>::default();
        let key = "key".into();
        assert_eq!(values.get_or_make(&key, || Err("full".to_owned())), Err("full".to_owned()));
        assert_eq!(values.get_or_make(&key, || Ok(1)), Ok(1));
        assert_eq!(values.get_or_make(&key, || Ok(2)), Ok(1));
    }

    #[test]
    fn no_more_than_its_places_pass_a_gate() {
        let (gate, inside, most) = (Gate::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let place = gate.enter();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(place);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
        let (one, two) = (gate.enter(), gate.enter());
        drop((one, two));
    }
}
