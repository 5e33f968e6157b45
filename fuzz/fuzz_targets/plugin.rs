//! Any bytes as a plugin: an answer, and no crash.
#![no_main]

use std::path::Path;

use jobcontrol_sandbox::missing_imports;
use jobcontrol_sandbox::read_plugin_bytes;
use jobcontrol_sandbox::wit_text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["fuzz.wasm", "fuzz.wat"] {
        if let Ok(plugin) = read_plugin_bytes(bytes.into(), Path::new(name)) {
            let _ = wit_text(&plugin);
            let _ = missing_imports(&plugin);
        }
    }
});
