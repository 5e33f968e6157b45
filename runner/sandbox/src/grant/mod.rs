//! What a plugin can ask of the host, one capability a file: the functions, then how they are linked.
//!
//! - `log`, `progress`, `build`: the contract of `sdk/wit/plugin.wit`, given to every job
//! - `stdio`: standard output and error, as log records
//! - `files` (with `links`), `env`: given by a job's `grants`

mod build;
mod env;
mod files;
mod links;
mod log;
mod progress;
mod stdio;

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::HasSelf;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::bindings::jobcontrol::plugin;
use crate::host::Guest;
use crate::host::Host;
use crate::host::Signal;

pub use files::FilePolicy;
pub use files::GrantedFolder;
pub use links::Followed;
pub use links::follow;
pub(crate) use stdio::Lines;

/// What one job was granted, resolved and compared with the operator's ceiling.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// Folders.
    pub folders: Vec<GrantedFolder>,
    /// Variables with their values.
    pub variables: Vec<(String, String)>,
}

/// Everything a plugin can import. What needs a grant is linked too, and refuses until the build's context has it.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    plugin::log::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    plugin::progress::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    plugin::build::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    Ok(linker)
}

/// What a WASI preview1 command can import.
pub(crate) fn command_linker(engine: &Engine) -> wasmtime::Result<wasmtime::Linker<Host>> {
    let mut linker = wasmtime::Linker::new(engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, |host: &mut Host| &mut host.wasi)?;
    // The stock function refuses codes from 126 on.
    linker.allow_shadowing(true);
    let exit = |code: i32| -> wasmtime::Result<()> { Err(Signal::Exit(code).into()) };
    linker.func_wrap("wasi_snapshot_preview1", "proc_exit", exit)?;
    Ok(linker)
}

/// A context without any right but what was granted, and the two streams that end as log records. `argv` is what a
/// command is started with, `handles` what it may have open at once.
pub(crate) fn context(
    granted: &Granted,
    guest: &Arc<Guest>,
    argv: &[String],
    handles: u64,
) -> Result<(WasiP1Ctx, [Lines; 2]), String> {
    let streams = stdio::streams(guest);
    let mut builder = WasiCtx::builder();
    builder.args(argv);
    builder.stdout(streams[0].clone()).stderr(streams[1].clone());
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    files::open(&mut builder, &granted.folders)?;
    env::set(&mut builder, &granted.variables);
    let mut wasi = builder.build_p1();
    wasi.ctx().table.set_max_capacity(usize::try_from(handles).unwrap_or(usize::MAX));
    Ok((wasi, streams))
}
