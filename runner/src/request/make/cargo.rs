//! Builds plugins in Rust with cargo.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use serde::Deserialize;

use super::Made;
use crate::request::refusal::Refusal;

/// The variable that names a program to run in place of cargo. It chooses the target itself.
const INSTEAD: &str = "JOBCONTROL_RUST_TARGET_COMMAND";

/// Targets for plugins, the best first: a plugin for the last one has no files, no variables and no
/// clock.
const TARGETS: [&str; 3] = ["wasm32-wasip2", "wasm32-wasip1", "wasm32-unknown-unknown"];

/// The command that installs such a target.
const INSTALL: &str = "rustup target add wasm32-wasip2";

/// A message of cargo about a file that it has built.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

pub(super) fn made(folder: &Path) -> Result<Made, Refusal> {
    let shown = folder.strip_prefix(".").unwrap_or(folder).join("Cargo.toml").display().to_string();
    let manifest = folder.join("Cargo.toml").canonicalize().unwrap_or_default();
    let name = name(folder, &manifest, &shown)?;
    let instead = std::env::var_os(INSTEAD);
    let mut command = Command::new(instead.as_deref().unwrap_or(OsStr::new("cargo")));
    command.args(["build", "--release"]);
    if instead.is_none() {
        command.args(["--target", target(folder)?]);
    }
    command.args(["--lib", "--message-format", "json-render-diagnostics"]).current_dir(folder).stdin(Stdio::null());
    let started = command.stderr(Stdio::inherit()).output();
    let output = started.map_err(|e| not_started(&command.get_program().display().to_string(), &e))?;
    if !output.status.success() {
        return Err(Refusal::failed(format!("cargo could not build `{shown}`; its errors are above")));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let file = messages.lines().filter_map(|line| plugin_of(line, &manifest)).next_back().ok_or_else(|| {
        Refusal::failed(format!("`{shown}` does not build a plugin"))
            .hint("add `crate-type = [\"cdylib\"]` below `[lib]`")
    })?;
    let bytes = fs::read(&file).map_err(|e| Refusal::failed(format!("`{}`: {e}", file.display())))?;
    Ok(Made { name, bytes })
}

/// Returns the plugin that a message of cargo reports, if it is that of our crate.
fn plugin_of(line: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    let is_ours = message.reason == "compiler-artifact" && message.manifest_path == manifest;
    message.filenames.into_iter().find(|file| is_ours && file.extension().is_some_and(|ending| ending == "wasm"))
}

/// Returns the name of the crate.
fn name(folder: &Path, manifest: &Path, shown: &str) -> Result<String, Refusal> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let output = run("cargo", &arguments, folder).map_err(|e| not_started("cargo", &e))?;
    let output = output.map_err(|said| Refusal::failed(format!("`{shown}` cannot be read: {}", said.trim())))?;
    let metadata: Option<Metadata> = serde_json::from_str(&output).ok();
    let packages = metadata.map(|metadata| metadata.packages).unwrap_or_default();
    let package = packages.into_iter().find(|package| package.manifest_path == manifest);
    package.map(|package| package.name).ok_or_else(|| {
        Refusal::failed(format!("`{shown}` is a workspace")).hint("name the folder of one of its crates")
    })
}

/// Returns the best target that is installed.
fn target(folder: &Path) -> Result<&'static str, Refusal> {
    let sysroot = run("rustc", &["--print", "sysroot"], folder).map_err(|e| not_started("rustc", &e))?;
    let sysroot = sysroot.map_err(|said| Refusal::failed(format!("rustc fails: {}", said.trim())))?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    let found = TARGETS.into_iter().find(|target| libraries.join(target).join("lib").is_dir());
    found.ok_or_else(|| Refusal::failed("no WebAssembly target is installed for Rust").hint(format!("`{INSTALL}`")))
}

fn not_started(program: &str, error: &std::io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::NotFound => Refusal::failed(format!("`{program}` is not installed"))
            .hint(format!("get Rust from https://rustup.rs, then `{INSTALL}`")),
        _ => Refusal::failed(format!("`{program}` cannot be started: {error}")),
    }
}

/// Runs a program, and returns its standard output, or its standard error if it fails.
fn run(program: &str, arguments: &[&str], folder: &Path) -> std::io::Result<Result<String, String>> {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output()?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_is_the_one_of_the_crate() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","filenames":["/a/t/x.rlib","/a/t/x.wasm"]}"#;
        assert_eq!(plugin_of(line, Path::new("/a/Cargo.toml")), Some(PathBuf::from("/a/t/x.wasm")));
        assert_eq!(plugin_of(line, Path::new("/b/Cargo.toml")), None);
        assert_eq!(plugin_of(r#"{"reason":"build-finished","success":true}"#, Path::new("")), None);
        assert_eq!(plugin_of("not JSON", Path::new("")), None);
    }
}
