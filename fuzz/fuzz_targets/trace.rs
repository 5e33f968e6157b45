//! Any calls in any plugin with debugging information, for the process that finds names and lines:
//! an answer, and no crash.
#![no_main]

use std::path::Path;

use jobcontrol_sandbox::Task;
use jobcontrol_sandbox::answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // What has no question at its start is answered in words.
    let _ = answer(Task::Trace, input, Path::new("fuzz.wasm"));
});
