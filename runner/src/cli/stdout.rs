//! Whether the program was started with a standard output. The standard library opens `/dev/null`
//! in the place of one that is closed before `main` begins, and what is written there would be lost
//! without a word.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Run by the loader before `main`, and so before the standard library looks.
#[cfg(target_os = "linux")]
#[used]
#[expect(
    unsafe_code,
    reason = "what the loader runs is named by its section; the function has no state to find unready"
)]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

#[cfg(target_os = "linux")]
extern "C" fn look() {
    // Without `/proc`, nobody knows.
    let is_there = |path: &str| std::fs::symlink_metadata(path).is_ok();
    CLOSED.store(is_there("/proc/self/fd") && !is_there("/proc/self/fd/1"), Ordering::Relaxed);
}

/// Refuses to write where nothing can be read.
pub(super) fn stdout_is_open() -> io::Result<()> {
    match CLOSED.load(Ordering::Relaxed) {
        true => Err(io::Error::other("standard output is closed")),
        false => Ok(()),
    }
}
