//! Any bytes as a plugin, for the process that reads it: an answer, and no crash.
#![no_main]

use std::path::Path;

use jobcontrol_sandbox::Task;
use jobcontrol_sandbox::answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["fuzz.wasm", "fuzz.wat"] {
        for task in [Task::Read, Task::Wit] {
            answer(task, bytes, Path::new(name)).expect("an answer");
        }
    }
});
