//! The WASI context of one build: no rights but those that its job was granted.

use std::sync::Arc;

use jobcontrol_core::limits;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::env;
use super::files;
use super::granted::Granted;
use super::stdio;
use super::stdio::Lines;
use crate::host::Guest;

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
    builder.max_random_size(limits::RANDOM);
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    files::open(&mut builder, &granted.folders)?;
    env::set(&mut builder, &granted.variables);
    let mut wasi = builder.build_p1();
    wasi.ctx().table.set_max_capacity(usize::try_from(handles).unwrap_or(usize::MAX));
    Ok((wasi, streams))
}
