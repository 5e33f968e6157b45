//! Loads plugins as compiled code, from the cache or from a child process that compiles them into
//! it.

use std::hash::Hash;
use std::hash::Hasher;
use std::path::Path;

use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::plugin::PluginKind;
use tempfile::NamedTempFile;
use wasmtime::Engine;
use wasmtime::Module;
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::cache::Prune;
use crate::cache::PruneCache;
use crate::cache::Pruned;
use crate::child::Asked;
use crate::child::ChildError;
use crate::engine;
use crate::error::SandboxError;
use crate::interpreter;
use crate::interpreter::task::Task;
use crate::once::Gate;
use crate::plugins::Plugins;
use crate::plugins::key;
use crate::plugins::version;
use crate::runtimes::Code;

/// The section of `jobcontrol.yaml` that bounds compiling.
const COMPILE: &str = "compile";

/// Compiled code: a component or a core module.
pub(crate) enum Loaded {
    Component(Component),
    Module(Module),
}

impl Plugins {
    /// Returns the compiled code of a plugin. If it has to be compiled, the caller passes through
    /// `gate` first, and gives up once `cancel` returns true.
    ///
    /// # Errors
    ///
    /// Returns an error if others can write to the cache folder, if the plugin cannot be compiled
    /// within the limits, or if the disk is full.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        plugin: &Plugin,
        gate: &Gate,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Loaded, SandboxError> {
        let code = self.code(plugin)?;
        let cache = Cache::open(&self.cache, fingerprint(engine)).map_err(SandboxError::Cache)?;
        let key = key(&code.digest, &code.shown);
        // An entry that is damaged, or of another engine, is compiled again.
        let kept = cache.as_ref().and_then(|cache| cache.get(&key));
        if let Some(loaded) = kept.and_then(|entry| deserialize(engine, &entry, code.kind).ok()) {
            return Ok(loaded);
        }
        let _place = gate.enter();
        let failed = |e: std::io::Error| SandboxError::Cache(format!("compiling `{}`: {e}", code.shown.display()));
        let Some(cache) = cache else {
            // Without our own cache, the code is a temporary file that is removed once it is
            // loaded.
            let output = NamedTempFile::new().map_err(failed)?;
            self.compile(&code, &output, cancel)?;
            return loaded(engine, output.path(), &code);
        };
        let output = cache.begin().map_err(failed)?;
        self.compile(&code, &output, cancel)?;
        loaded(engine, &cache.put(&key, output).map_err(failed)?, &code)
    }

    /// Removes entries from the cache that nobody will use.
    ///
    /// # Errors
    ///
    /// Returns an error if the cache folder belongs to another user, or if it cannot be read or
    /// written to.
    pub fn prune(&self, what: &PruneCache<'_>) -> Result<Pruned, SandboxError> {
        let engine = engine::compiling().map_err(|e| SandboxError::Engine(e.to_string()))?;
        let shown = self.cache.display();
        let cache = Cache::open(&self.cache, fingerprint(&engine)).map_err(SandboxError::Cache)?;
        let foreign = || SandboxError::Cache(format!("the cache folder `{shown}` belongs to another user"));
        let PruneCache { unused, gone, dry_run } = *what;
        let what = Prune { unused, gone, dry_run, reader: format!("{:016x}", version()) };
        let pruned = cache.ok_or_else(foreign)?.prune(&what);
        pruned.map_err(|e| SandboxError::Cache(format!("the cache folder `{shown}`: {e}")))
    }

    /// Returns the code to compile for a plugin.
    pub(crate) fn code<'a>(&self, plugin: &'a Plugin) -> Result<Code<'a>, SandboxError> {
        self.runtimes().code(plugin).ok_or_else(|| {
            SandboxError::Plugin(format!(
                "`{}`: the interpreter of the script is no longer installed",
                plugin.path.display()
            ))
        })
    }

    fn compile(&self, code: &Code<'_>, to: &NamedTempFile, cancel: &dyn Fn() -> bool) -> Result<(), SandboxError> {
        let shown = format!("`{}`", code.shown.display());
        let bytes = code.bytes().map_err(|e| SandboxError::Plugin(format!("{shown} cannot be read: {e}")))?;
        let output = to.reopen().map_err(|e| SandboxError::Cache(format!("compiling {shown}: {e}")))?;
        let limits = self.compile;
        let asked = Asked { task: Task::Compile, shown: &code.shown, input: &[&bytes], limits, cancel };
        let Err(error) = self.child.write_to(&asked, output) else {
            return Ok(());
        };
        let compiling = format!("compiling {shown}");
        Err(SandboxError::Plugin(match error {
            ChildError::TimedOut => limits.timed_out(&compiling, Some(COMPILE)),
            ChildError::OutOfMemory => limits.out_of_memory(&compiling, Some(COMPILE)),
            ChildError::TooDeep => format!("{shown} cannot be compiled: its code nests too deep"),
            ChildError::Said(said) => format!("{shown} cannot be compiled: {said}"),
            ChildError::GivenUp(how) => format!("{compiling} failed unexpectedly ({how})"),
            ChildError::Interrupted => return Err(SandboxError::Interrupted(format!("{compiling} was interrupted"))),
            ChildError::Machine(why) => return Err(SandboxError::Cache(format!("{compiling}: {why}"))),
        }))
    }
}

fn loaded(engine: &Engine, entry: &Path, code: &Code<'_>) -> Result<Loaded, SandboxError> {
    let shown = code.shown.display();
    deserialize(engine, entry, code.kind)
        .map_err(|e| SandboxError::Plugin(format!("`{shown}` cannot be loaded: {e:#}")))
}

/// Returns a hash of everything else that decides the compiled code: the engine's version and
/// configuration, and this machine's processor.
fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    interpreter::VERSION.hash(&mut hasher);
    hasher.finish()
}

fn deserialize(engine: &Engine, entry: &Path, kind: PluginKind) -> wasmtime::Result<Loaded> {
    // SAFETY: the file was written by this program in a folder that nobody else can write to; see
    // `cache`.
    #[expect(unsafe_code, reason = "loading compiled code is trusting it")]
    unsafe {
        match kind {
            PluginKind::CommandModule | PluginKind::NumericModule => {
                Module::deserialize_file(engine, entry).map(Loaded::Module)
            }
            _ => Component::deserialize_file(engine, entry).map(Loaded::Component),
        }
    }
}
