//! Standard output and error: each line becomes a log record, with level INFO or WARNING.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Bytes;
use jobcontrol_core::event::Level;
use jobcontrol_core::failure::CUT;
use jobcontrol_core::limits;
use jobcontrol_core::plain;
use jobcontrol_core::reason;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::IsTerminal;
use wasmtime_wasi::cli::StdoutStream;
use wasmtime_wasi::p2::OutputStream;
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::StreamError;
use wasmtime_wasi::p2::StreamResult;

use crate::guest::Guest;
use crate::signal::Signal;

/// How many bytes a guest may write at once.
const PERMIT: usize = 64 << 10;

/// A stream that becomes log records.
#[derive(Clone)]
pub(crate) struct Lines {
    guest: Arc<Guest>,
    level: Level,
    target: &'static str,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// A line that has not ended yet, cut at the limit of a message.
    partial: Vec<u8>,
    /// Whether the rest of the line is dropped.
    cut: bool,
    /// The last lines of standard error, where a runtime writes why it aborts.
    last: String,
}

pub(super) fn streams(guest: &Arc<Guest>) -> [Lines; 2] {
    [(Level::Info, "stdout"), (Level::Warning, "stderr")].map(|(level, target)| Lines {
        guest: Arc::clone(guest),
        level,
        target,
        state: Arc::default(),
    })
}

impl Lines {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, bytes: &[u8]) -> Result<(), Signal> {
        self.guest.deadlines.sign();
        let max = limits::LOG_MESSAGE;
        let mut state = self.state();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = max.saturating_sub(state.partial.len());
            state.cut |= text.len() > room;
            state.partial.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                self.end_line(&mut state)?;
            }
        }
        Ok(())
    }

    fn end_line(&self, state: &mut State) -> Result<(), Signal> {
        let line = std::mem::take(&mut state.partial);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let mut message = String::from_utf8_lossy(line).into_owned();
        if std::mem::take(&mut state.cut) {
            message.push_str(CUT);
        }
        let secrets = self.guest.secrets();
        // A secret may have control characters, which are removed below.
        if !secrets.is_empty() && message.contains(char::is_control) {
            secrets.redactor().text(&mut message);
        }
        if self.is_stderr() {
            let begin = state.last.len();
            state.last.push_str(&message);
            if !secrets.is_empty() {
                let mut line = state.last.split_off(begin);
                secrets.redactor().text(&mut line);
                state.last.push_str(&line);
            }
            state.last.push('\n');
            // Old text is removed rarely, so that each byte is moved once or twice.
            if state.last.len() > 2 * reason::MOST {
                let from = state.last.ceil_char_boundary(state.last.len() - reason::MOST);
                state.last.drain(..from);
            }
        }
        // A person reads it, not a terminal. Bytes that are not text are shown as they are.
        let message = plain::text(&message).into_owned();
        self.guest.admit(self.guest.record(self.level, self.target, message))?;
        self.guest.try_drain();
        Ok(())
    }

    fn is_stderr(&self) -> bool {
        self.level == Level::Warning
    }

    /// Returns the end of what was written, including an unfinished last line.
    pub(crate) fn last(&self) -> String {
        let state = self.state();
        let mut line = String::from_utf8_lossy(&state.partial).into_owned();
        if state.cut {
            line.push_str(CUT);
        }
        self.guest.secrets().redactor().text(&mut line);
        format!("{}{line}", state.last)
    }

    /// Hands over what is left, including an unfinished last line.
    pub(crate) async fn finish(&self) -> Result<(), Signal> {
        {
            let mut state = self.state();
            if !state.partial.is_empty() || state.cut {
                self.end_line(&mut state)?;
            }
        }
        self.guest.drain().await
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        // A libc that sees a terminal flushes its buffer at each line, so no line is lost when the
        // guest traps. Standard error has no buffer, and programs write colours to a terminal.
        !self.is_stderr()
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes).map_err(|signal| StreamError::Trap(signal.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(if self.guest.is_drained() { PERMIT } else { 0 })
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {
        // A store that is gone is reported at the next write.
        let _ = self.guest.drain().await;
    }
}
