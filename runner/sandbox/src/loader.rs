//! Plugins as compiled code: out of the cache, or made by a child process and put there.

use std::ffi::OsString;
use std::hash::Hash;
use std::hash::Hasher;
use std::io::Read;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::limits::CompileLimits;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::plugin::PluginKind;
use jobcontrol_core::value::digest;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use wasmtime::Engine;
use wasmtime::Module;
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::cache::PruneCache;
use crate::cache::Pruned;
use crate::componentize;
use crate::componentize::form;
use crate::componentize::is_wat;
use crate::dwarf;
use crate::engine;
use crate::error::SandboxError;
use crate::once::Gate;

/// How the child says that its time was up.
const TIMED_OUT: i32 = 75;

/// How the allocator and the system say that there is no more address space; the last one where a thread's stack finds
/// none.
const NO_MEMORY: &[&str] =
    &["memory allocation of ", "os error 12", "Cannot allocate memory", "Resource temporarily unavailable"];

/// Bytes of what the compiler says that are shown.
const SAID: usize = 1 << 10;

/// Signals by which people and service managers end a process.
const INTERRUPT: i32 = Signal::INT.as_raw();
const TERMINATE: i32 = Signal::TERM.as_raw();

/// Where compiled plugins are kept and who compiles.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The cache folder; made if it is missing, and refused if it is open to others.
    pub cache: PathBuf,
    /// A program that calls [`compile_stdin`] with the two arguments that follow its own.
    pub command: Vec<OsString>,
    /// What compiling one plugin may use.
    pub limits: CompileLimits,
}

/// Compiled code, of either kind.
pub(crate) enum Loaded {
    Component(Component),
    Command(Module),
}

impl Compiler {
    /// The compiled code of a plugin. Who has to compile it goes through `gate`.
    ///
    /// # Errors
    ///
    /// A cache folder that is not the user's own, a plugin that cannot be compiled within the limits, or a full disk.
    pub(crate) fn load(&self, engine: &Engine, plugin: &Plugin, gate: &Gate) -> Result<Loaded, SandboxError> {
        let cache = Cache::open(&self.cache, fingerprint(engine)).map_err(SandboxError::Cache)?;
        let key = key(plugin);
        // An entry that is damaged, or of another engine, is made anew.
        if let Some(loaded) = cache.get(&key).and_then(|entry| deserialize(engine, &entry, plugin.kind).ok()) {
            return Ok(loaded);
        }
        let shown = plugin.path.display();
        let refused = |what: String| SandboxError::Plugin(format!("`{shown}` {what}"));
        let place = gate.enter();
        let form = form(&plugin.bytes, &plugin.path).map_err(|(_, what)| refused(what))?;
        let entry = self.compile(&cache, &key, &plugin.path, &form.binary)?;
        drop(place);
        deserialize(engine, &entry, plugin.kind).map_err(|e| refused(format!("cannot be loaded: {e:#}")))
    }

    /// Takes out of the cache what nobody will use.
    ///
    /// # Errors
    ///
    /// A cache folder that is not the user's own, or cannot be read or written to.
    pub fn prune(&self, what: &PruneCache<'_>) -> Result<Pruned, SandboxError> {
        let engine = engine::compiling().map_err(|e| SandboxError::Engine(e.to_string()))?;
        let cache = Cache::open(&self.cache, fingerprint(&engine)).map_err(SandboxError::Cache)?;
        let shown = self.cache.display();
        cache.prune(what).map_err(|e| SandboxError::Cache(format!("the cache folder `{shown}`: {e}")))
    }

    fn compile(&self, cache: &Cache, key: &str, shown: &Path, binary: &[u8]) -> Result<PathBuf, SandboxError> {
        let failed = |e: std::io::Error| SandboxError::Cache(format!("compiling `{}`: {e}", shown.display()));
        let output = cache.begin().map_err(failed)?;
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| SandboxError::Cache("there is no program to compile with".to_owned()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .arg(self.limits.timeout.as_millis().to_string())
            .arg(self.limits.memory.to_string())
            // Else each thread takes 64 MiB of address space for its first allocation, if it finds them.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::from(output.reopen().map_err(failed)?))
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let sent = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(binary));
        let result = child.wait_with_output().map_err(failed)?;
        if !result.status.success() {
            return Err(refusal(shown, &result, &self.limits));
        }
        sent.map_err(failed)?;
        cache.put(key, output).map_err(failed)
    }
}

fn refusal(shown: &Path, result: &std::process::Output, limits: &CompileLimits) -> SandboxError {
    let shown = format!("`{}`", shown.display());
    let mut said = String::from_utf8_lossy(&result.stderr).trim().to_owned();
    cut_bytes(&mut said, SAID);
    // The terminal's interrupt goes to the child as well.
    if matches!(result.status.signal(), Some(INTERRUPT | TERMINATE)) {
        return SandboxError::Plugin(format!("compiling {shown} was interrupted"));
    }
    SandboxError::Plugin(match result.status.code() {
        Some(TIMED_OUT) => limits.timed_out(&shown),
        _ if NO_MEMORY.iter().any(|words| said.contains(words)) => limits.out_of_memory(&shown),
        _ if said.contains("overflowed its stack") => format!("{shown} cannot be compiled: its code nests too deep"),
        Some(1) if !said.is_empty() => format!("{shown} cannot be compiled: {said}"),
        _ => format!("compiling {shown} was given up ({}): {said}", result.status),
    })
}

/// What else decides the compiled code: the engine's version and configuration, and this machine's processor.
fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    componentize::VERSION.hash(&mut hasher);
    hasher.finish()
}

/// What tells this plugin's entry from others: its bytes, and the name of a text, which is in its debug information.
fn key(plugin: &Plugin) -> String {
    if !is_wat(&plugin.path) {
        return plugin.digest.to_string();
    }
    let name = plugin.path.file_name().unwrap_or_default();
    format!("{}-{}", plugin.digest, &digest(name.as_encoded_bytes())[..16])
}

fn deserialize(engine: &Engine, entry: &Path, kind: PluginKind) -> wasmtime::Result<Loaded> {
    // SAFETY: the file was written by this program in a folder that nobody else can write to; see `cache`.
    #[expect(unsafe_code, reason = "loading compiled code is trusting it")]
    unsafe {
        match kind {
            PluginKind::CommandModule => Module::deserialize_file(engine, entry).map(Loaded::Command),
            _ => Component::deserialize_file(engine, entry).map(Loaded::Component),
        }
    }
}

/// The child's whole life: the binary of a component or a command from standard input, compiled code to standard output. Bound in
/// memory and time before the first byte is read, and gone with its parent. `arguments` are milliseconds and bytes.
///
/// # Errors
///
/// What the compiler says of the plugin, or of standard input and output.
pub fn compile_stdin(arguments: &[OsString]) -> Result<(), String> {
    let number = |at: usize| arguments.get(at)?.to_str()?.parse::<u64>().ok();
    let (Some(timeout), Some(memory)) = (number(0), number(1)) else {
        return Err("this compiles for jobcontrol alone, which says how long it may take and in how much memory".into());
    };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| e.to_string())?;
    let bound = Rlimit { current: Some(memory), maximum: Some(memory) };
    rustix::process::setrlimit(Resource::As, bound).map_err(|e| e.to_string())?;
    let core = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, core).map_err(|e| e.to_string())?;
    watchdog(Duration::from_millis(timeout))?;
    let mut binary = Vec::new();
    std::io::stdin().lock().read_to_end(&mut binary).map_err(|e| e.to_string())?;
    dwarf::readable(&binary)?;
    let engine = engine::compiling().map_err(|e| e.to_string())?;
    let is_component = wasmparser::Parser::is_component(&binary);
    let compiled = if is_component { engine.precompile_component(&binary) } else { engine.precompile_module(&binary) };
    let compiled = compiled.map_err(|e| format!("{:#}", e.root_cause()))?;
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
