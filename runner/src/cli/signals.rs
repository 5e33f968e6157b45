//! Signals that must not end the program.

/// Ignores SIGXFSZ, which a write beyond the size that a file may have (`ulimit -f`) raises: a
/// guest that writes so much would end the program with all its builds. Ignored, the write fails
/// with EFBIG, and whoever wrote is told.
#[expect(unsafe_code, reason = "ignoring a signal runs no code of ours when it comes")]
pub(super) fn ignore_file_size() {
    // SAFETY: SIG_IGN is no handler. No other thread runs yet, and nothing else sets this signal.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}
