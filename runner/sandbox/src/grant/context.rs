//! The WASI context of one build, with only the rights that its job was granted.

use std::sync::Arc;

use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::env;
use super::files;
use super::fixed;
use super::granted::Granted;
use super::stdio;
use super::stdio::Lines;
use crate::guest::Guest;

/// The most bytes of a secret that becomes a variable. Some languages' libraries have 64 KiB for
/// all variables.
const LARGEST_VARIABLE: usize = 32 << 10;

/// Returns the variables whose values are secrets.
fn secret_variables(granted: &Granted, guest: &Guest) -> Result<Vec<(String, String)>, String> {
    let variable = |name: &String| {
        let value = guest.secrets().get(name).ok_or_else(|| format!("the secret `{name}` was not read"))?;
        if value.len() > LARGEST_VARIABLE {
            let most = show_bytes(LARGEST_VARIABLE as u64);
            return Err(format!("the secret `{name}` has {} bytes; a variable may have at most {most}", value.len()));
        }
        let text = std::str::from_utf8(value).ok().filter(|text| !text.contains('\0'));
        let text = text.ok_or_else(|| format!("the secret `{name}` is not text, so it cannot be a variable"))?;
        Ok((name.clone(), text.to_owned()))
    };
    granted.secrets.iter().map(variable).collect()
}

/// Creates a context with only the granted rights, and the two streams that become log records.
/// `argv` are the arguments of a command, and `handles` is how many it may have open at once.
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
    if let Some(time) = granted.clock {
        fixed::set_clock(&mut builder, time);
    }
    if let Some(seed) = granted.random {
        fixed::set_random(&mut builder, seed);
    }
    files::open(&mut builder, &granted.folders)?;
    env::set(&mut builder, &granted.variables, &secret_variables(granted, guest)?);
    let mut wasi = builder.build_p1();
    wasi.ctx().table.set_max_capacity(usize::try_from(handles).unwrap_or(usize::MAX));
    Ok((wasi, streams))
}
