//! Makes the interpreter of Python from its pinned package and from files that come with this
//! program.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use jobcontrol_sandbox::Plugins;
use tempfile::TempDir;

use crate::request::refusal::Refusal;

/// The source of the interpreter.
const RUNTIME: &str = include_str!("../../runtimes/python/runtime.py");
const WORLD: &str = include_str!("../../runtimes/python/wit/script.wit");
const VARIABLES: &str = include_str!("../../runtimes/python/wit/deps/cli/cli.wit");
const CONTRACT: &str = include_str!("../../../sdk/wit/plugin.wit");

/// The package that makes the interpreter, with the digests of its files.
const PACKAGE: &str = include_str!("../../runtimes/python/requirements.txt");

/// The function that an interpreter exports.
const CALL: &str = "call: func(program: string, plan: string, arguments: string) -> string";

/// Makes an interpreter. Reports the steps to `say`, because this takes a while.
///
/// # Errors
///
/// Returns a refusal if Python is missing, or if the package cannot be fetched or fails.
pub(crate) fn python(say: &dyn Fn(&str)) -> Result<Vec<u8>, Refusal> {
    let folder =
        tempfile::tempdir().map_err(|e| Refusal::failed(format!("there is no room for temporary files: {e}")))?;
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        made.map_err(|e| Refusal::failed(format!("`{}`: {e}", path.display())))
    };
    write("runtime.py", RUNTIME)?;
    write("wit/script.wit", WORLD)?;
    write("wit/deps/cli/cli.wit", VARIABLES)?;
    write("wit/deps/plugin/plugin.wit", CONTRACT)?;
    write("requirements.txt", PACKAGE)?;
    say("fetching componentize-py, which makes the interpreter");
    run(&folder, Path::new("python3"), &["-m", "venv", "venv"]).map_err(|reason| {
        Refusal::failed(reason)
            .hint("it needs Python 3 with venv: on Debian and Ubuntu, `apt-get install python3-venv`")
    })?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
    let pip: Vec<&str> = pip.into_iter().chain(["--require-hashes", "-r", "requirements.txt"]).collect();
    run(&folder, Path::new("venv/bin/python"), &pip).map_err(|reason| {
        let elsewhere =
            "without the network, make it elsewhere with `--to FILE`, and install it here with `--from FILE`";
        Refusal::failed(reason).hint(elsewhere)
    })?;
    say("making the interpreter");
    let make = ["-d", "wit", "-w", "script", "componentize", "runtime", "-o", "python.wasm"];
    run(&folder, Path::new("venv/bin/componentize-py"), &make).map_err(Refusal::failed)?;
    fs::read(folder.path().join("python.wasm"))
        .map_err(|e| Refusal::failed(format!("the interpreter was not made: {e}")))
}

/// Checks that these bytes are an interpreter.
///
/// # Errors
///
/// Returns a refusal if they are not.
pub(crate) fn is_one(plugins: &Plugins, bytes: &[u8]) -> Result<(), Refusal> {
    let plugin = plugins.read_bytes(bytes.into(), Path::new("interpreter.wasm"));
    let plugin = plugin.map_err(|problem| Refusal::failed(problem.message))?;
    match plugin.functions.iter().any(|function| function.to_string() == CALL) {
        true => Ok(()),
        false => Err(Refusal::failed("the file is not an interpreter of scripts".to_owned())),
    }
}

fn run(folder: &TempDir, program: &Path, arguments: &[&str]) -> Result<(), String> {
    let shown = format!("{} {}", program.display(), arguments.join(" "));
    let program = if program.components().count() > 1 { folder.path().join(program) } else { program.to_owned() };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("`{shown}` cannot be started: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().rev().take(10).collect();
    Err(format!("`{shown}` failed: {}", said.into_iter().rev().collect::<Vec<_>>().join("\n")))
}
