//! Everything that a plugin can import, whatever its job was granted.

use wasmtime::Engine;
use wasmtime::component::Linker;

use super::build;
use super::http;
use super::http_plain;
use super::listing;
use super::log;
use super::preview1;
use super::progress;
use super::written;
use crate::host::Host;

/// Links everything that a plugin can import. Functions that need a grant are linked too, and
/// refuse until the build's context has it.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    linker.allow_shadowing(true);
    http::add_to_linker(&mut linker)?;
    http_plain::add_to_linker(&mut linker)?;
    listing::add_to_linker(&mut linker)?;
    written::add_to_linker(&mut linker)?;
    log::add_to_linker(&mut linker)?;
    progress::add_to_linker(&mut linker)?;
    build::add_to_linker(&mut linker)?;
    preview1::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// Links everything that a core module can import.
pub(crate) fn core_linker(engine: &Engine) -> wasmtime::Result<wasmtime::Linker<Host>> {
    let mut linker = wasmtime::Linker::new(engine);
    preview1::add_to_core_linker(&mut linker)?;
    Ok(linker)
}
