//! Environment variables: only those that were granted, with the values that were resolved before the build.

use wasmtime_wasi::WasiCtxBuilder;

pub(super) fn set(builder: &mut WasiCtxBuilder, variables: &[(String, String)]) {
    builder.envs(variables);
}
