//! Runs long work of the host without delaying the other guests on the same thread.

use std::cell::Cell;
use std::num::NonZero;
use std::sync::LazyLock;

use tokio::runtime::Handle;
use tokio::runtime::RuntimeFlavor;

use crate::once::Gate;

/// Allows as many pieces of long work at once as there are processors. Any more would compete with
/// the guests for processor time, and each guest would wait for its turn.
static PROCESSORS: LazyLock<Gate> =
    LazyLock::new(|| Gate::new(std::thread::available_parallelism().map_or(1, NonZero::get)));

thread_local! {
    /// Whether this thread is doing long work.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as doing long work until the value is dropped.
struct Working;

impl Working {
    fn begin() -> Self {
        WORKING.set(true);
        Self
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        WORKING.set(false);
    }
}

/// Runs `work` on this thread, while another thread takes over the other tasks of this one. The
/// kernel then shares the processors among them. If as much long work is running as there are
/// processors, it waits for some of it to finish.
///
/// On a single-threaded runtime, outside of a runtime, and within other long work, it just runs
/// `work`. Do not call it in a `LocalSet`: the runtime panics there.
///
/// Handing over takes about 10 microseconds, so this is for work that takes a millisecond or more.
///
/// On the stack of a guest, `work` must not let the guest run: a guest that yields leaves this
/// function unfinished on one thread and resumes it on another.
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> T {
    let several = Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if !several || WORKING.get() {
        return work();
    }
    tokio::task::block_in_place(|| {
        let _place = PROCESSORS.enter();
        let _working = Working::begin();
        work()
    })
}

/// Runs `work` through [`apart`] if `long` is true; otherwise just runs it.
pub(crate) fn apart_if<T>(long: bool, work: impl FnOnce() -> T) -> T {
    if long { apart(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn other_tasks_of_the_thread_go_on_meanwhile() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (sender, receiver) = mpsc::channel();
        let same_thread = runtime.block_on(runtime.spawn(async move {
            let before = thread::current().id();
            tokio::spawn(async move { sender.send(()).unwrap() });
            apart(|| receiver.recv().unwrap());
            before == thread::current().id()
        }));
        assert!(same_thread.unwrap());
    }

    #[test]
    fn work_within_work_waits_for_no_place() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        // More tasks at once than the gate has places.
        let tasks: Vec<_> = (0..64).map(|n| runtime.spawn(async move { apart(|| apart(|| n)) })).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(runtime.block_on(task).unwrap(), n);
        }
    }

    #[test]
    fn it_works_within_itself_on_one_thread_and_without_a_runtime() {
        assert_eq!(apart(|| 1), 1);
        let one = Builder::new_current_thread().build().unwrap();
        assert_eq!(one.block_on(async { apart(|| apart(|| 2)) }), 2);
        let many = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        assert_eq!(many.block_on(async { apart(|| apart(|| 3)) }), 3);
        assert_eq!(many.block_on(async { tokio::spawn(async { apart(|| apart(|| 4)) }).await.unwrap() }), 4);
    }
}
