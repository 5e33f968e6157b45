//! Signals that must not end the program.

/// Ignores SIGXFSZ, which a write beyond the allowed file size (`ulimit -f`) raises. Otherwise a
/// guest that writes too much would end the program with all its builds. With the signal ignored,
/// the write fails with EFBIG, and the writer gets the error.
#[expect(unsafe_code, reason = "ignoring a signal runs no code of ours when it comes")]
pub(super) fn ignore_file_size() {
    // SAFETY: SIG_IGN is not a handler. No other thread runs yet, and nothing else sets this
    // signal.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}
