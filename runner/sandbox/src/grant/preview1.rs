//! What preview1 needs from the host beside WASI. Modules that use our own adapter
//! (`interpreter/preview1`) get the exit code, and the environment as plain numbers. Core modules
//! get what only some toolchains import.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::WasiCliView;
use wasmtime_wasi::p2::bindings::cli::environment::Host as _;

use super::folders;
use super::written_preview1;
use crate::host::Host;
use crate::signal::Signal;

const INTERFACE: &str = "jobcontrol:preview1/process@0.1.0";

/// The module of preview1.
const PREVIEW1: &str = "wasi_snapshot_preview1";

/// How many bytes of the environment are returned at once.
const AT_ONCE: usize = size_of::<u64>();

/// Adds the functions that our adapter needs.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let mut process = linker.instance(INTERFACE)?;
    process.func_wrap("exit", |_, (code,): (i32,)| -> wasmtime::Result<()> { Err(Signal::Exit(code).into()) })?;
    process.func_wrap("environment-size", |mut store: StoreContextMut<'_, Host>, ()| {
        let environment = environment(store.data_mut())?;
        let count = environment.iter().filter(|byte| **byte == 0).count() as u64;
        Ok((count << u32::BITS | environment.len() as u64,))
    })?;
    process.func_wrap("environment-at", |mut store: StoreContextMut<'_, Host>, (offset,): (u32,)| {
        let rest = environment(store.data_mut())?.get(offset as usize..).unwrap_or_default();
        let mut eight = [0; AT_ONCE];
        let length = rest.len().min(AT_ONCE);
        eight[..length].copy_from_slice(&rest[..length]);
        Ok((u64::from_le_bytes(eight),))
    })
}

/// Adds the functions that core modules import.
pub(super) fn add_to_core_linker(linker: &mut wasmtime::Linker<Host>) -> wasmtime::Result<()> {
    wasmtime_wasi::p1::add_to_linker_async(linker, |host: &mut Host| &mut host.wasi)?;
    linker.allow_shadowing(true);
    // The stock function refuses codes from 126 on.
    let exit = |code: i32| -> wasmtime::Result<()> { Err(Signal::Exit(code).into()) };
    linker.func_wrap(PREVIEW1, "proc_exit", exit)?;
    folders::add_to_linker(linker, PREVIEW1)?;
    written_preview1::add_to_linker(linker, PREVIEW1)?;
    // Emscripten's modules notify JavaScript that their memory has grown. Nothing here needs to
    // know.
    linker.func_wrap("env", "emscripten_notify_memory_growth", |_: i32| {})?;
    Ok(())
}

/// Returns each variable followed by a zero byte, in preview1's format. The text is assembled at
/// the first request.
fn environment(host: &mut Host) -> wasmtime::Result<&[u8]> {
    if host.environment.is_none() {
        let variables = host.wasi.cli().get_environment()?;
        // A zero byte ends a variable, wherever it is.
        let text = |text: String| text.split('\0').next().unwrap_or_default().to_owned();
        let variables = variables.into_iter().map(|(name, value)| format!("{}={}\0", text(name), text(value)));
        host.environment = Some(variables.collect::<String>().into_bytes());
    }
    Ok(host.environment.as_deref().unwrap_or_default())
}
