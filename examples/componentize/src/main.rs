//! `componentize IN.wasm OUT.wasm` makes a component of a core module.
//!
//! jobcontrol does the same when it loads a core module. A file on disk is for those who commit a
//! plugin, or give it to another runtime.

use std::borrow::Cow;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
use wit_component::ComponentEncoder;

/// The first eight bytes tell core modules and components apart.
const CORE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("usage: componentize IN.wasm OUT.wasm");
        return ExitCode::from(2);
    };
    match run(Path::new(from), Path::new(to)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(from: &Path, to: &Path) -> Result<(), String> {
    let input = fs::read(from).map_err(|e| format!("{} cannot be read: {e}", from.display()))?;
    let component =
        component(&input).map_err(|e| format!("{} cannot be made a component: {}", from.display(), chain(&*e)))?;
    fs::write(to, component).map_err(|e| format!("{} cannot be written: {e}", to.display()))
}

/// A component stays as it is, so that the target of the build does not matter.
fn component(input: &[u8]) -> Result<Cow<'_, [u8]>, Box<dyn Error>> {
    if input.starts_with(COMPONENT) {
        return Ok(Cow::Borrowed(input));
    }
    if !input.starts_with(CORE) {
        return Err("it is no WebAssembly binary".into());
    }
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(input)?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
        .encode()?;
    Ok(Cow::Owned(encoded))
}

/// The message of an error and of all its sources.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
