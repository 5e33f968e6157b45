//! The whole run of a child: a task and its limits come from the arguments, a plugin's bytes from
//! standard input, and the answer goes to standard output.

use std::ffi::OsString;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use serde::Serialize;

use super::componentize::form;
use super::describe;
use super::task::ANSWER;
use super::task::RawCall;
use super::task::Refused;
use super::task::TIMED_OUT;
use super::task::Task;
use super::task::Why;
use super::trace;
use crate::engine;

/// Performs one task with an untrusted plugin. The process limits its memory and time before it
/// reads the first byte, and ends with its parent. `arguments` are the task, milliseconds, bytes of
/// address space, seconds of processor time, and the name of the plugin's file.
///
/// # Errors
///
/// Returns the compiler's error about the plugin, or an error if this process fails.
pub fn serve(arguments: &[OsString]) -> Result<(), String> {
    let text = |at: usize| arguments.get(at).and_then(|argument| argument.to_str());
    let number = |at: usize| text(at)?.parse::<u64>().ok();
    let (Some(task), Some(timeout), Some(memory), Some(processor), Some(name)) =
        (text(0).and_then(Task::of_name), number(1), number(2), number(3), arguments.get(4))
    else {
        return Err(
            "only jobcontrol itself can run this, with a task, a time and an amount of memory as arguments".into()
        );
    };
    bind(timeout, memory, processor)?;
    let mut input = Vec::new();
    std::io::stdin().lock().read_to_end(&mut input).map_err(|e| e.to_string())?;
    let answer = answer(task, &input, Path::new(name))?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&answer).and_then(|()| stdout.flush()).map_err(|e| e.to_string())
}

/// Returns the answer to a question in this process, for a child, and for fuzzing.
///
/// # Errors
///
/// Returns the compiler's error, or an error if the question is malformed.
pub fn answer(task: Task, input: &[u8], name: &Path) -> Result<Vec<u8>, String> {
    match task {
        Task::Read => packed(&describe::described(input, name).and_then(bounded)),
        Task::Wit => packed(&describe::wit_text(input, name).and_then(bounded)),
        Task::Trace => {
            let (calls, plugin) = traced(input)?;
            packed(&form(plugin, name).map(|form| trace::calls(&form.binary, &calls)))
        }
        Task::Compile => compiled(input, name),
    }
}

fn bind(timeout: u64, memory: u64, processor: u64) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| e.to_string())?;
    for (resource, most) in [(Resource::As, memory), (Resource::Cpu, processor), (Resource::Core, 0)] {
        let bound = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(resource, bound).map_err(|e| e.to_string())?;
    }
    watchdog(Duration::from_millis(timeout))
}

#[expect(clippy::exit, reason = "a decoder or a compiler has no other way to be stopped")]
fn watchdog(time: Duration) -> Result<(), String> {
    let waits = move || {
        std::thread::sleep(time);
        std::process::exit(TIMED_OUT);
    };
    std::thread::Builder::new().spawn(waits).map(drop).map_err(|e| e.to_string())
}

/// Limits the size of an answer. A larger one describes more than anybody uses.
fn bounded<T: Serialize>(answer: T) -> Result<T, Refused> {
    let size = packed(&answer).map_or(u64::MAX, |packed| packed.len() as u64);
    if size < ANSWER {
        return Ok(answer);
    }
    let most = ANSWER >> 20;
    Err(Refused::new(Why::TooLarge, format!("has functions and types that take more than {most} MiB to describe")))
}

fn packed<T: Serialize>(answer: &T) -> Result<Vec<u8>, String> {
    rmp_serde::to_vec(answer).map_err(|e| e.to_string())
}

/// Splits the input into the calls to look for, which have their length before them, and the
/// plugin.
fn traced(input: &[u8]) -> Result<(Vec<RawCall>, &[u8]), String> {
    let cut_short = || "the question is cut short".to_owned();
    let (length, rest) = input.split_first_chunk::<4>().ok_or_else(cut_short)?;
    let (calls, plugin) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut_short)?;
    Ok((rmp_serde::from_slice(calls).map_err(|e| e.to_string())?, plugin))
}

fn compiled(plugin: &[u8], name: &Path) -> Result<Vec<u8>, String> {
    let form = form(plugin, name).map_err(|refused| refused.what)?;
    let engine = engine::compiling().map_err(|e| e.to_string())?;
    let is_component = wasmparser::Parser::is_component(&form.binary);
    let compiled =
        if is_component { engine.precompile_component(&form.binary) } else { engine.precompile_module(&form.binary) };
    let compiled = compiled.map_err(|e| format!("{:#}", e.root_cause()))?;
    if compiled.len() as u64 > limits::COMPILED {
        return Err(format!("its compiled code is larger than {}", show_bytes(limits::COMPILED)));
    }
    Ok(compiled)
}
