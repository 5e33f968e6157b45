//! Reads plugins: their descriptions come from the cache, or from a child that interprets their
//! bytes.

use std::ffi::OsString;
use std::hash::Hash;
use std::hash::Hasher;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::child_limits::ChildLimits;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::limits;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::value::digest;
use serde::de::DeserializeOwned;

use crate::archive::Archive;
use crate::archive::Language;
use crate::cache::Cache;
use crate::cancel::Cancel;
use crate::child::Asked;
use crate::child::Child;
use crate::child::ChildError;
use crate::interpreter;
use crate::interpreter::is_wat;
use crate::interpreter::task::Described;
use crate::interpreter::task::Refused;
use crate::interpreter::task::Task;
use crate::once::Gate;
use crate::runtimes::Runtimes;
use crate::traced::Memory;

/// Interprets plugins in separate processes; this process never parses a plugin's bytes. The
/// results are kept in a folder.
#[derive(Clone, Debug)]
pub struct Plugins {
    pub(crate) cache: PathBuf,
    pub(crate) child: Child,
    read: ChildLimits,
    pub(crate) compile: ChildLimits,
    /// Stops reading when it is set.
    stop: Option<Cancel>,
    runtimes: Runtimes,
    pub(crate) traced: Arc<Memory>,
    /// Limits how many processes find names and lines at the same time.
    pub(crate) tracing: Arc<Gate>,
}

/// How many processes look for the calls of traps at once. Builds come first for processor time.
pub const TRACING: usize = 2;

/// The section of `jobcontrol.yaml` that bounds reading.
const READ: &str = "read";

impl Plugins {
    /// Creates a reader of plugins. `cache` is the folder for descriptions and compiled code, and
    /// is created if it is missing. `command` is a program, with its first arguments, that calls
    /// [`serve`](crate::serve) with the arguments that follow. `read` and `compile` are its limits.
    pub fn new(cache: PathBuf, command: Vec<OsString>, read: ChildLimits, compile: ChildLimits) -> Self {
        let (traced, tracing) = (Arc::default(), Arc::new(Gate::new(TRACING)));
        Self {
            cache,
            child: Child { command },
            read,
            compile,
            stop: None,
            runtimes: Runtimes::default(),
            traced,
            tracing,
        }
    }

    /// Stops reading once `stop` is set.
    #[must_use]
    pub fn stopped_by(self, stop: Cancel) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Uses these installed interpreters.
    #[must_use]
    pub fn with_runtimes(self, runtimes: Runtimes) -> Self {
        Self { runtimes, ..self }
    }

    /// Returns the interpreters of scripts.
    pub fn runtimes(&self) -> &Runtimes {
        &self.runtimes
    }

    /// Returns the folder for descriptions and compiled code.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Returns whether the cache folder belongs to another user and is therefore not used.
    pub fn cache_is_foreign(&self) -> bool {
        matches!(Cache::open(&self.cache, 0), Ok(None))
    }

    /// Reads a plugin from its file.
    ///
    /// # Errors
    ///
    /// Returns a problem, worded for the author of a manifest, if the file cannot be used.
    pub fn read_file(&self, path: &Path, shown: &Path) -> Result<Plugin, PluginProblem> {
        let problem = |code: Code, what: String| problem(code, shown, &what);
        let unreadable = |e: std::io::Error| problem(Code::PluginUnreadable, format!("cannot be read: {e}"));
        if let Some(language) = Language::of(path) {
            let interpreter = self.runtimes.current(language).ok_or_else(|| not_installed(language, shown))?;
            let archive = Archive::read(path, &interpreter).map_err(|what| problem(Code::PluginUnreadable, what))?;
            return self.read_bytes(archive.encode().into(), shown);
        }
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(problem(
                Code::PluginUnreadable,
                if metadata.is_dir() { "is a folder" } else { "is not a file" }.to_owned(),
            ));
        }
        if metadata.len() > limits::PLUGIN {
            let found =
                format!("is {} bytes; a plugin may have at most {}", metadata.len(), show_bytes(limits::PLUGIN));
            return Err(problem(Code::PluginTooLarge, found));
        }
        self.read_bytes(std::fs::read(path).map_err(unreadable)?.into(), shown)
    }

    /// Reads a plugin from its bytes, such as those in a store. `shown` is the name of the original
    /// file.
    ///
    /// # Errors
    ///
    /// Returns a problem, worded for the author of a manifest, if the bytes are not a plugin.
    pub fn read_bytes(&self, bytes: Arc<[u8]>, shown: &Path) -> Result<Plugin, PluginProblem> {
        let digest: Arc<str> = Arc::from(digest(&bytes));
        let damaged = || problem(Code::PluginDamaged, shown, "cannot be described");
        let described = self.described(&bytes, &digest, shown)?;
        // A description of older bytes may name an interpreter that is gone.
        if let Some(script) = described.script.as_ref().filter(|script| !self.runtimes.knows(&script.interpreter)) {
            let language = described.language.as_deref().unwrap_or_default();
            let what = format!(
                "was made with an interpreter of {language} that is not installed: sha256:{}",
                script.interpreter
            );
            return Err(problem(Code::NoInterpreter, shown, &what));
        }
        let functions = described.functions.signatures().map_err(|_| damaged())?;
        Ok(Plugin {
            path: shown.to_owned(),
            kind: described.kind.plugin(),
            digest,
            bytes,
            functions: functions.into_iter().map(Arc::new).collect(),
            refused: described.refused,
            imports: described.imports,
            misfit: described.misfit,
            stock_adapter: described.stock_adapter,
            language: described.language,
            script: described.script.map(Arc::new),
        })
    }

    fn described(&self, bytes: &[u8], digest: &str, shown: &Path) -> Result<Described, PluginProblem> {
        // Reading without a cache gives the same result, only more slowly.
        let cache = Cache::open(&self.cache, version()).ok().flatten();
        let key = key(digest, shown);
        let kept = cache.as_ref().and_then(|cache| cache.description(&key));
        if let Some(described) = kept.and_then(|kept| rmp_serde::from_slice(&kept).ok()) {
            return Ok(described);
        }
        let described = self.ask::<Described>(Task::Read, bytes, shown)?;
        if let (Some(cache), Ok(packed)) = (cache, rmp_serde::to_vec(&described)) {
            // If the disk is full, the plugin is read again next time.
            let _ = cache.put_description(&key, &packed);
        }
        Ok(described)
    }

    /// Returns a plugin's whole interface as WIT text. It is empty for a preview1 command, which
    /// has no WIT.
    ///
    /// # Errors
    ///
    /// Returns an error if the plugin cannot be decoded or written as text.
    pub fn wit_text(&self, plugin: &Plugin) -> Result<String, String> {
        self.ask(Task::Wit, &plugin.bytes, &plugin.path).map_err(|problem| problem.message)
    }

    fn ask<T: DeserializeOwned>(&self, task: Task, bytes: &[u8], shown: &Path) -> Result<T, PluginProblem> {
        let limits = self.read;
        let is_stopped = || self.stop.as_ref().is_some_and(Cancel::is_set);
        let asked = Asked { task, shown, input: &[bytes], limits, cancel: &is_stopped };
        let reading = format!("reading `{}`", shown.display());
        let said = |code, message| PluginProblem::new(code, message);
        match self.child.ask::<Result<T, Refused>>(&asked) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(refused)) => {
                let problem = problem(refused.why.code(), shown, &refused.what);
                Err(refused.help.into_iter().fold(problem, PluginProblem::help))
            }
            Err(ChildError::TimedOut) => Err(said(Code::PluginExhausts, limits.timed_out(&reading, Some(READ)))),
            Err(ChildError::OutOfMemory) => Err(said(Code::PluginExhausts, limits.out_of_memory(&reading, Some(READ)))),
            Err(ChildError::Interrupted) => Err(said(Code::PluginUnreadable, format!("{reading} was interrupted"))),
            Err(ChildError::TooDeep) => {
                Err(problem(Code::PluginDamaged, shown, "cannot be decoded: it nests too deep"))
            }
            Err(ChildError::Said(why) | ChildError::GivenUp(why) | ChildError::Machine(why)) => {
                Err(said(Code::PluginUnreadable, format!("{reading} failed: {why}")))
            }
        }
    }
}

fn not_installed(language: Language, shown: &Path) -> PluginProblem {
    let what = format!("is a script in {}, whose interpreter is not installed", language.name());
    // All other interpreters come with the program.
    problem(Code::NoInterpreter, shown, &what).help("`jobcontrol runtime install python` installs it, once")
}

fn problem(code: Code, shown: &Path, what: &str) -> PluginProblem {
    PluginProblem::new(code, format!("`{}` {what}", shown.display()))
}

/// Returns what distinguishes a plugin's entries from others: the digest of its bytes, and the name
/// of a text plugin, which is part of its debug information.
pub(crate) fn key(plugin_digest: &str, shown: &Path) -> String {
    if !is_wat(shown) {
        return plugin_digest.to_owned();
    }
    let name = shown.file_name().unwrap_or_default();
    format!("{plugin_digest}-{}", &digest(name.as_encoded_bytes())[..16])
}

/// Returns what else decides a description: the version of this reader.
pub(crate) fn version() -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (env!("CARGO_PKG_VERSION"), interpreter::VERSION).hash(&mut hasher);
    hasher.finish()
}
