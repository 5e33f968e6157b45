//! Environment variables: those that were granted, with the values that were resolved before the build, and two that ask
//! for plain text.

use wasmtime_wasi::WasiCtxBuilder;

/// What tells programs that nobody watches: standard output looks like a terminal, so that no line of it is lost.
const PLAIN: &[(&str, &str)] = &[("NO_COLOR", "1"), ("TERM", "dumb")];

pub(super) fn set(builder: &mut WasiCtxBuilder, variables: &[(String, String)]) {
    let is_granted = |name: &str| variables.iter().any(|(granted, _)| granted == name);
    for (name, value) in PLAIN.iter().filter(|(name, _)| !is_granted(name)) {
        builder.env(name, value);
    }
    builder.envs(variables);
}
