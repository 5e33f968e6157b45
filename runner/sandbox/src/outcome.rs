//! The outcome of a call, in the terms of the core crate.

use std::fmt::Write;

use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Cause;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::LOG_MESSAGE;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::limits::SAME_FOR_ALL;
use jobcontrol_core::limits::STACK;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::reason;
use jobcontrol_core::reason::Reason;
use jobcontrol_core::reason::Seen;
use jobcontrol_core::secret::Redactor;
use jobcontrol_core::value::Value;
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::ResourceTableError;

use crate::bounded::Bounded;
use crate::grant::GrantedFolder;
use crate::signal::Signal;
use crate::traceback;
use crate::transfer::FUEL;
use crate::transfer::HELD;
use crate::transfer::Mismatch;
use crate::transfer::Returned;
use crate::transfer::TooLarge;

/// How the engine reports that a plugin passed more than [`FUEL`] bytes for each of `retval` to the
/// host in one call.
const FUEL_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

/// How the engine reports that a store has too many instances, tables or memories.
const COUNTED: &str = "resource limit exceeded: ";

/// Returns the outcome of a call that returned, trapped, or was ended.
pub(crate) fn of(result: wasmtime::Result<Returned>, limits: &Limits) -> Outcome {
    match result {
        Err(error) => failed(&error, limits),
        Ok(Returned::Value(value)) => Outcome::Returned(value),
        Ok(Returned::Error(value)) => {
            let message = value.as_ref().map_or_else(|| "the function returned an error".to_owned(), error_message);
            Outcome::Failed(Failure { value, ..Failure::new(FailureKind::Error, message) })
        }
    }
}

/// Adds the reason that the guest wrote on standard error, if it aborted and the outcome lacks a
/// reason.
pub(crate) fn explained(outcome: Outcome, stderr: impl FnOnce() -> String) -> Outcome {
    match outcome {
        Outcome::Failed(failure) if matches!(failure.kind, FailureKind::Trap | FailureKind::Exit) => {
            Outcome::Failed(explain(failure, reason::read(&stderr())))
        }
        outcome => outcome,
    }
}

/// Names the path and the grant that opens it, if the plugin failed because its job does not grant
/// a file.
pub(crate) fn with_grant(outcome: Outcome, folders: &[GrantedFolder], stderr: impl FnOnce() -> String) -> Outcome {
    let Outcome::Failed(mut failure) = outcome else {
        return outcome;
    };
    // A program that exits has written its reason on standard error, if it gave one.
    let stderr = match failure.kind {
        FailureKind::Error | FailureKind::Plugin(_) => Some(String::new()),
        FailureKind::Exit | FailureKind::Trap => Some(stderr()),
        _ => None,
    };
    if let Some(stderr) = stderr {
        let seen: Vec<_> = folders.iter().map(|folder| Seen { guest: &folder.guest, write: folder.write }).collect();
        let told = failure.causes.iter().map(|cause| cause.message.as_str());
        let texts = [failure.message.as_str(), stderr.as_str()];
        let missed = texts.into_iter().chain(told).find_map(|text| reason::refused(text, &seen));
        if let Some(missed) = missed {
            failure.message = format!("{}\n{missed}", failure.message);
        }
    }
    Outcome::Failed(failure)
}

/// Names the last refused request if the plugin failed after one.
pub(crate) fn with_request(mut outcome: Outcome, refused: Option<String>) -> Outcome {
    use FailureKind::Error;
    use FailureKind::Exit;
    use FailureKind::Plugin;
    use FailureKind::Trap;
    if let (Outcome::Failed(failure), Some(refused)) = (&mut outcome, refused)
        && matches!(failure.kind, Error | Exit | Trap | Plugin(_))
    {
        failure.message = format!("{}\n{refused}", failure.message);
    }
    outcome
}

/// Removes secrets from an outcome. A return value that contains a secret becomes a failure.
pub(crate) fn without_secrets(mut outcome: Outcome, redactor: &Redactor) -> Outcome {
    match &mut outcome {
        Outcome::Returned(Some(value)) => {
            if let Some(name) = redactor.found_in(value) {
                let message =
                    format!("the return value contains the secret `{name}`; return values are stored, so leave it out");
                return Outcome::Failed(Failure::new(FailureKind::Secret, message));
            }
        }
        Outcome::Returned(None) => {}
        Outcome::Skipped(reason) => redactor.text(reason),
        Outcome::Failed(failure) => redactor.failure(failure),
    }
    outcome
}

/// The most causes that a reason may have beside the trap.
const CAUSES: usize = 90;

fn explain(failure: Failure, reason: Option<Reason>) -> Failure {
    let code = match failure.value {
        Some(Value::Int(code)) => i32::try_from(code).ok(),
        _ => None,
    };
    let is_abort = |reason: &Reason| failure.kind == FailureKind::Trap || code.is_some_and(|c| reason.exits_with(c));
    let Some(reason) = reason.filter(is_abort) else {
        return failure;
    };
    // Calls that the language named are better than the engine's, which then belong to the trap.
    let (frames, trapped) = match reason.names_calls() {
        true => (reason.frames, traceback::unsought(failure.frames)),
        false => (traceback::untraced(failure.frames, reason.frames), Vec::new()),
    };
    let ended = Cause { kind: failure.kind.to_string(), message: failure.message, frames: trapped };
    let causes = reason.causes.into_iter().take(CAUSES).chain([ended]).collect();
    let (kind, message, value) = (FailureKind::Plugin(reason.kind), reason.message, failure.value);
    Failure { kind, message, value, causes, frames, from_stderr: true }
}

/// Describes a function's error value as text: `case: payload`, or `field: value, ..`.
fn error_message(value: &Value) -> String {
    let mut message = Bounded::new(LOG_MESSAGE);
    // Text beyond the limit is cut.
    let _ = error_text(value, &mut message);
    message.text()
}

fn error_text(value: &Value, to: &mut Bounded) -> std::fmt::Result {
    match value {
        Value::String(text) => to.write_str(text),
        Value::Null => to.write_str("none"),
        Value::Bool(b) => write!(to, "{b}"),
        Value::Int(i) => write!(to, "{i}"),
        Value::Float(x) => write!(to, "{x}"),
        Value::Bytes(bytes) => write!(to, "{} bytes", bytes.len()),
        Value::List(items) => items.iter().enumerate().try_for_each(|(at, item)| {
            to.write_str(if at == 0 { "" } else { ", " })?;
            error_text(item, to)
        }),
        Value::Map(entries) => entries.iter().enumerate().try_for_each(|(at, (key, value))| {
            write!(to, "{}{key}: ", if at == 0 { "" } else { ", " })?;
            error_text(value, to)
        }),
    }
}

fn failed(error: &wasmtime::Error, limits: &Limits) -> Outcome {
    let mut failure = match error.downcast_ref::<Signal>() {
        Some(Signal::Skip(reason)) => return Outcome::Skipped(reason.clone()),
        Some(Signal::Fail(failure)) => (**failure).clone(),
        Some(Signal::Exit(code)) => exited(*code),
        Some(Signal::Limit(message)) => Failure::new(FailureKind::Limit, message),
        Some(Signal::Timeout(timeout)) => Failure::new(FailureKind::Timeout, timeout.text(limits)),
        Some(Signal::Cancelled) => Failure::new(FailureKind::Cancelled, "the build was cancelled"),
        Some(Signal::Storage(message)) => Failure::new(FailureKind::Storage, message),
        None => trapped(error, limits),
    };
    let said = std::mem::take(&mut failure.frames);
    failure.frames = traceback::untraced(traceback::frames(error), said);
    Outcome::Failed(failure)
}

/// Returns the failure of a build that is over a limit.
pub(crate) fn over(limits: &Limits, excess: Excess<'_>) -> Failure {
    Failure::new(FailureKind::Limit, limits.exceeded(excess))
}

fn trapped(error: &wasmtime::Error, limits: &Limits) -> Failure {
    let cause = error.root_cause().to_string();
    if cause.contains(FUEL_EXHAUSTED) {
        return over(limits, Excess::Handed(FUEL));
    }
    match error.downcast_ref::<TooLarge>() {
        Some(TooLarge::Encoded(what)) => return over(limits, Excess::Encoded(what)),
        Some(TooLarge::Held(what)) => return over(limits, Excess::Held(what, HELD)),
        None => {}
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return over(limits, Excess::Handles);
    }
    if let Some(Mismatch(reason)) = error.downcast_ref::<Mismatch>() {
        return Failure::new(FailureKind::Arguments, reason);
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return exited(exit.0);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => {
            let stack = show_bytes(STACK);
            Failure::new(FailureKind::Limit, format!("the guest's stack is above {stack}{SAME_FOR_ALL}"))
        }
        Some(trap) => Failure::new(FailureKind::Trap, with_place(*trap, error)),
        None => match cause.strip_prefix(COUNTED) {
            Some(what) if what.starts_with("instance count") => over(limits, Excess::Instances),
            Some(what) => Failure::new(FailureKind::Limit, format!("{what}{SAME_FOR_ALL}")),
            None => Failure::new(FailureKind::Trap, cause),
        },
    }
}

fn exited(code: i32) -> Failure {
    let value = Some(Value::Int(code.into()));
    Failure { value, ..Failure::new(FailureKind::Exit, format!("the plugin exited with code {code}")) }
}

fn trap_text(trap: Trap) -> String {
    let text = trap.to_string();
    text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned()
}

/// How the engine reports the address of a bad memory access: `memory fault at wasm address
/// 0xfffffff0 in linear memory of size 0x20000`.
const FAULT: &str = "memory fault at ";

/// Describes a trap with the address that caused it, if the engine knows it.
fn with_place(trap: Trap, error: &wasmtime::Error) -> String {
    let text = trap_text(trap);
    let fault = error.chain().map(ToString::to_string).find(|cause| cause.starts_with(FAULT));
    match fault {
        Some(fault) => format!("{text}: {fault}"),
        None => text,
    }
}
