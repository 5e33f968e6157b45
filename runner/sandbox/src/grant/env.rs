//! Environment variables: those that were granted, with values resolved before the build, and two
//! that ask for plain text.

use wasmtime_wasi::WasiCtxBuilder;

/// Variables that ask programs for plain text. Standard output looks like a terminal, so that none
/// of its lines is lost.
const PLAIN: &[(&str, &str)] = &[("NO_COLOR", "1"), ("TERM", "dumb")];

/// Sets the granted variables. If two have the same name, the one in `secrets` wins.
pub(super) fn set(builder: &mut WasiCtxBuilder, variables: &[(String, String)], secrets: &[(String, String)]) {
    let has = |among: &[(String, String)], name: &str| among.iter().any(|(granted, _)| granted == name);
    for (name, value) in PLAIN.iter().filter(|(name, _)| !has(variables, name) && !has(secrets, name)) {
        builder.env(name, value);
    }
    for (name, value) in variables.iter().filter(|(name, _)| !has(secrets, name)).chain(secrets) {
        builder.env(name, value);
    }
}
