//! Plugins as compiled code: out of the cache, or made by a child process and put there.

use std::hash::Hash;
use std::hash::Hasher;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::limits::show_duration;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::value::digest;
use rustix::process::Resource;
use rustix::process::Rlimit;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::SandboxError;
use crate::engine;
use crate::signature::to_binary;

/// How the child says that its time was up.
const TIMED_OUT: i32 = 75;

/// Where compiled plugins are kept and who compiles.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The cache folder; made if it is missing, and refused if it is open to others.
    pub cache: PathBuf,
    /// A program that calls [`compile_stdin`], with its arguments.
    pub command: Vec<std::ffi::OsString>,
}

impl Compiler {
    /// The compiled component of a plugin.
    ///
    /// # Errors
    ///
    /// A cache folder that is not the user's own, a plugin that cannot be compiled within the limits, or a full disk.
    pub(crate) fn load(&self, engine: &Engine, plugin: &Plugin) -> Result<Component, SandboxError> {
        self.own_folder()?;
        let binary = to_binary(&plugin.bytes, &plugin.path)
            .map_err(|(_, what)| SandboxError::Plugin(format!("`{}` {what}", plugin.path.display())))?;
        let entry = self.cache.join(format!("{}-{:016x}.cwasm", digest(&binary), fingerprint(engine)));
        // An entry that is damaged, or of another engine, is made anew.
        if entry.exists()
            && let Ok(component) = deserialize(engine, &entry)
        {
            return Ok(component);
        }
        self.compile(&plugin.path, &binary, &entry)?;
        deserialize(engine, &entry)
            .map_err(|e| SandboxError::Plugin(format!("`{}` cannot be loaded: {e:#}", plugin.path.display())))
    }

    /// Compiled code is trusted, so nobody else may put any there.
    fn own_folder(&self) -> Result<(), SandboxError> {
        let cache = self.cache.display();
        let failed = |e: std::io::Error| SandboxError::Cache(format!("the cache folder `{cache}`: {e}"));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.cache).map_err(failed)?;
        let metadata = std::fs::metadata(&self.cache).map_err(failed)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
            return Err(SandboxError::Cache(format!(
                "the cache folder `{cache}` is open to other users: run `chmod 700 {cache}`, or choose another with \
                 `cache:` in jobcontrol.yaml"
            )));
        }
        Ok(())
    }

    fn compile(&self, shown: &Path, binary: &[u8], entry: &Path) -> Result<(), SandboxError> {
        let failed = |e: std::io::Error| SandboxError::Cache(format!("compiling `{}`: {e}", shown.display()));
        let output = tempfile::NamedTempFile::new_in(&self.cache).map_err(failed)?;
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| SandboxError::Cache("there is no program to compile with".to_owned()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::from(output.reopen().map_err(failed)?))
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let sent = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(binary));
        let result = child.wait_with_output().map_err(failed)?;
        if !result.status.success() {
            return Err(refusal(shown, &result));
        }
        sent.map_err(failed)?;
        output.as_file().sync_all().map_err(failed)?;
        output.persist(entry).map_err(|e| failed(e.error))?;
        Ok(())
    }
}

fn refusal(shown: &Path, result: &std::process::Output) -> SandboxError {
    let shown = shown.display();
    let said = String::from_utf8_lossy(&result.stderr);
    let said = said.trim();
    SandboxError::Plugin(match result.status.code() {
        Some(TIMED_OUT) => {
            format!("compiling `{shown}` took longer than {}", show_duration(limits::COMPILE_TIME))
        }
        Some(1) if !said.is_empty() => format!("`{shown}` cannot be compiled: {said}"),
        _ => format!(
            "compiling `{shown}` was given up ({}): it may take {} of memory",
            result.status,
            show_bytes(limits::COMPILE_MEMORY)
        ),
    })
}

/// What else decides the compiled code: the engine's version and configuration, and this machine's processor.
fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn deserialize(engine: &Engine, entry: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by this program in a folder that nobody else can write to; see `own_folder`.
    #[expect(unsafe_code, reason = "loading compiled code is trusting it")]
    let loaded = unsafe { Component::deserialize_file(engine, entry) };
    loaded
}

/// The child's whole life: a component's binary from standard input, compiled code to standard output. Bound in
/// memory and time before the first byte is read.
///
/// # Errors
///
/// What the compiler says of the plugin, or of standard input and output.
pub fn compile_stdin() -> Result<(), String> {
    let bound = Rlimit { current: Some(limits::COMPILE_MEMORY), maximum: Some(limits::COMPILE_MEMORY) };
    rustix::process::setrlimit(Resource::As, bound).map_err(|e| e.to_string())?;
    let core = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, core).map_err(|e| e.to_string())?;
    watchdog(limits::COMPILE_TIME)?;
    let mut binary = Vec::new();
    std::io::stdin().lock().read_to_end(&mut binary).map_err(|e| e.to_string())?;
    let engine = engine::compiling().map_err(|e| e.to_string())?;
    let compiled = engine.precompile_component(&binary).map_err(|e| format!("{:#}", e.root_cause()))?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&compiled).and_then(|()| stdout.flush()).map_err(|e| e.to_string())
}

#[expect(clippy::exit, reason = "a compiler has no other way to be stopped")]
fn watchdog(time: Duration) -> Result<(), String> {
    let waits = move || {
        std::thread::sleep(time);
        std::process::exit(TIMED_OUT);
    };
    std::thread::Builder::new().spawn(waits).map(drop).map_err(|e| e.to_string())
}
