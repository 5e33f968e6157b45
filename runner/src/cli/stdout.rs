//! Whether the program was started with an open standard output. If it is closed, the standard
//! library opens `/dev/null` in its place before `main` begins, and output would be lost silently.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

static CLOSED: AtomicBool = AtomicBool::new(false);

/// The loader runs this before `main`, and so before the standard library looks.
#[cfg(target_os = "linux")]
#[used]
#[expect(
    unsafe_code,
    reason = "the section names what the loader runs; the function uses no state that is not ready yet"
)]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

#[cfg(target_os = "linux")]
extern "C" fn look() {
    // Without `/proc`, there is no way to know.
    let is_there = |path: &str| std::fs::symlink_metadata(path).is_ok();
    CLOSED.store(is_there("/proc/self/fd") && !is_there("/proc/self/fd/1"), Ordering::Relaxed);
}

/// Returns an error if standard output is closed, so that no output is lost.
pub(super) fn stdout_is_open() -> io::Result<()> {
    match CLOSED.load(Ordering::Relaxed) {
        true => Err(io::Error::other("standard output is closed")),
        false => Ok(()),
    }
}
