//! Environment variables: those that were granted, with the values that were resolved before the
//! build, and two that ask for plain text.

use wasmtime_wasi::WasiCtxBuilder;

/// What tells programs that nobody watches: standard output looks like a terminal, so that no line
/// of it is lost.
const PLAIN: &[(&str, &str)] = &[("NO_COLOR", "1"), ("TERM", "dumb")];

/// Sets the variables that were granted; of two with one name, that of `secrets`.
pub(super) fn set(builder: &mut WasiCtxBuilder, variables: &[(String, String)], secrets: &[(String, String)]) {
    let has = |among: &[(String, String)], name: &str| among.iter().any(|(granted, _)| granted == name);
    for (name, value) in PLAIN.iter().filter(|(name, _)| !has(variables, name) && !has(secrets, name)) {
        builder.env(name, value);
    }
    for (name, value) in variables.iter().filter(|(name, _)| !has(secrets, name)).chain(secrets) {
        builder.env(name, value);
    }
}
