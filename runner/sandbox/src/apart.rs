//! Long work of the host, done so that the other guests of a thread go on.

use std::cell::Cell;
use std::num::NonZero;
use std::sync::LazyLock;

use tokio::runtime::Handle;
use tokio::runtime::RuntimeFlavor;

use crate::once::Gate;

/// Lets as much long work through at once as there are processors. More would only take turns with
/// the guests, which would wait for each of them in turn.
static PROCESSORS: LazyLock<Gate> =
    LazyLock::new(|| Gate::new(std::thread::available_parallelism().map_or(1, NonZero::get)));

thread_local! {
    /// Whether this thread is doing long work.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

/// This thread is doing long work until it is dropped.
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

/// Does `work` on this thread, while another thread takes over all else that this one had to do.
/// The kernel then shares the processors among them. It waits first while as much long work is done
/// as there are processors.
///
/// On a runtime of one thread, outside of any, and within other long work, `work` is just done. It
/// must not be called in a `LocalSet`, where the runtime panics.
///
/// Handing over takes some 10 microseconds, so this is for work that takes a millisecond or more.
///
/// On the stack of a guest, `work` must not let the guest run: a guest that gives way leaves this
/// function unfinished on one thread, and goes on with it on another.
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

/// As [`apart`], if `long`; else `work` is just done.
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
        // More of it at once than there are places.
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
