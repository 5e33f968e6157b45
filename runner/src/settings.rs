//! Resolves the settings from flags, environment, `jobcontrol.yaml` and defaults, in this order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use etcetera::BaseStrategy;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::Source;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::limits;
use jobcontrol_core::limits::OperatorFile;
use jobcontrol_core::manifest::Bus;
use jobcontrol_core::manifest::BusAddress;
use jobcontrol_core::manifest::Ceiling;
use jobcontrol_core::manifest::Context;
use jobcontrol_core::manifest::Environment;
use jobcontrol_core::manifest::Notify;
use jobcontrol_core::manifest::Server;
use jobcontrol_core::manifest::Settings;
use jobcontrol_core::manifest::decode;
use jobcontrol_core::manifest::parse_settings;
use jobcontrol_core::secret::SecretSource;
use jobcontrol_sandbox::FilePolicy;
use jobcontrol_sandbox::Plugins;
use jobcontrol_sandbox::Runtimes;
use jobcontrol_sandbox::follow;

use crate::catalog::near::near_path;
use crate::catalog::workspace::SETTINGS_FILE;
use crate::catalog::workspace::StoredPlugins;
use crate::catalog::workspace::Workspace;
use crate::machine;
use crate::record::url::StoreUrl;

/// Where jobs are by default.
pub const DEFAULT_JOBS: &str = "jobs";
/// Where builds are kept by default.
pub const DEFAULT_STORE: &str = "sqlite:jobcontrol.db";

/// What the person set, by flags or environment.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--jobs`
    pub jobs: Option<PathBuf>,
    /// `--store`
    pub store: Option<String>,
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--cache`
    pub cache: Option<PathBuf>,
    /// `--runtimes`
    pub runtimes: Option<PathBuf>,
    /// How this program is started to interpret a plugin: its file and first argument.
    pub interpreter: Vec<OsString>,
}

/// The settings, with every default decided.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Jobs and plugins, and what jobs may be given.
    pub workspace: Workspace,
    /// Where builds are kept.
    pub store: StoreUrl,
    /// Bytes of the host's memory that all running builds of the process may use together.
    pub memory: u64,
    /// Where a service listens.
    pub server: Server,
    /// The bus of services and workers.
    pub bus: Option<Bus>,
    /// The public keys of workers that get jobs with secrets.
    pub workers: Vec<String>,
    /// The operator's file.
    pub config: ConfigFile,
}

/// Why the settings could not be resolved.
#[derive(Clone, Debug)]
pub enum SettingsError {
    /// A wrong flag or variable, or a missing file.
    Usage(String),
    /// Mistakes in `jobcontrol.yaml`.
    Diagnostics(Vec<Diagnostic>),
}

/// Resolves the settings. `variables` is the environment of the process.
///
/// # Errors
///
/// Returns an error if a flag, a variable or the operator's file is wrong, or if a file cannot be
/// read.
pub fn resolve(options: &Options, variables: &BTreeMap<String, String>) -> Result<Resolved, SettingsError> {
    let config = config_file(options);
    let (settings, base) = read_settings(&config, options.config.is_some())?;
    let of_file = |path: &String| base.join(path);
    let jobs = options.jobs.clone().or_else(|| settings.jobs.as_ref().map(of_file));
    // In a folder below a project, the defaults are the jobs and the store of the project.
    let project = if options.config.is_none() { base.clone() } else { PathBuf::new() };
    let jobs = jobs.unwrap_or_else(|| project.join(DEFAULT_JOBS));
    let store = store(options, &settings, &base, &project)?;
    let cache = match (&options.cache, &settings.cache) {
        (Some(cache), _) => cache.clone(),
        (None, Some(cache)) => of_file(cache),
        (None, None) => default_cache()?,
    };
    let runtimes = options.runtimes.clone().or_else(default_runtimes);
    let plugins: Vec<_> = settings.plugins.iter().map(of_file).collect();
    let secrets = settings.secrets.into_iter().map(|(name, source)| (name, based(source, &base)));
    let secrets: BTreeMap<_, _> = secrets.collect();
    let mut files = policy(&jobs, &plugins, &store, [&cache, &config.path], runtimes.as_deref());
    protect(&mut files, &secrets);
    let files = match &settings.files {
        Some(folders) => files.with_ceiling(folders.iter().map(|folder| (base.join(&folder.host), folder.write))),
        None => files,
    };
    let allowed = settings.environment.iter().map(|name| (name.clone(), variables.get(name).cloned()));
    let ceiling = Ceiling { file: operator(&config.path), ..settings.ceiling };
    let environment = Environment(allowed.collect());
    let http =
        HttpRules { ca: settings.http.ca.as_ref().map(|ca| base.join(ca).display().to_string()), ..settings.http };
    let context =
        Context { environment, ceiling, pools: settings.pools, secrets: Arc::new(secrets), http: Arc::new(http) };
    let reader = Plugins::new(cache, options.interpreter.clone(), settings.read, settings.compile);
    let reader = reader.with_runtimes(runtimes.map(Runtimes::new).unwrap_or_default());
    let stored_plugins = StoredPlugins::default();
    if config.is_there && settled(&config.path).starts_with(settled(&jobs)) {
        return Err(SettingsError::Usage(format!(
            "the configuration `{}` is below the jobs folder, where anybody who writes jobs can change it; move it",
            config.path.display()
        )));
    }
    let (on_change, notify) =
        (settings.on_change, settings.notify.into_iter().map(|to| based_notify(to, &base)).collect());
    let (retention, prune_at) = (settings.retention, settings.prune_at);
    let workspace =
        Workspace { jobs, plugins, context, files, on_change, notify, retention, prune_at, reader, stored_plugins };
    let memory = settings.memory.unwrap_or_else(machine::half_of_memory);
    let server = based_server(settings.server, &base);
    let bus = settings.bus.map(|bus| based_bus(bus, &base));
    Ok(Resolved { workspace, store, memory, server, bus, workers: settings.workers, config })
}

/// Resolves the paths of a service's settings, which are relative to the operator's file.
fn based_server(server: Server, base: &Path) -> Server {
    let of_file = |path: String| base.join(path).display().to_string();
    let listen = server.listen.map(|listen| match listen.strip_prefix("unix:") {
        Some(path) => format!("unix:{}", base.join(path).display()),
        None => listen,
    });
    Server { listen, tls_cert: server.tls_cert.map(of_file), tls_key: server.tls_key.map(of_file), ..server }
}

/// Resolves the paths of the bus, which are relative to the operator's file.
fn based_bus(bus: Bus, base: &Path) -> Bus {
    let Bus::Nats(bus) = bus else { return bus };
    let of_file = |path: String| base.join(path).display().to_string();
    let (credentials, nkey, ca) = (bus.credentials.map(of_file), bus.nkey.map(of_file), bus.ca.map(of_file));
    Bus::Nats(BusAddress { credentials, nkey, ca, ..bus })
}

/// Resolves the path of a secret's source, which is relative to the operator's file.
fn based(source: SecretSource, base: &Path) -> SecretSource {
    match source {
        SecretSource::File(path) => SecretSource::File(base.join(path).display().to_string()),
        SecretSource::Command(argv) => SecretSource::Command(based_command(argv, base)),
        SecretSource::Env(name) => SecretSource::Env(name),
    }
}

fn based_notify(to: Notify, base: &Path) -> Notify {
    match to {
        Notify::Command(argv) => Notify::Command(based_command(argv, base)),
        webhook @ Notify::Webhook { .. } => webhook,
    }
}

/// Resolves the program of a command. It is relative to the operator's file if it is more than a
/// name.
fn based_command(mut argv: Vec<String>, base: &Path) -> Vec<String> {
    if let Some(program) = argv.first_mut().filter(|program| program.contains('/')) {
        // A path without a slash would be looked up in PATH.
        let path = base.join(&*program);
        let path = std::path::absolute(&path).unwrap_or(path);
        *program = path.display().to_string();
    }
    argv
}

/// Keeps jobs from reading the files of secrets, and from changing where a secret is read from.
fn protect(files: &mut FilePolicy, secrets: &BTreeMap<String, SecretSource>) {
    for (name, source) in secrets {
        let (path, what) = match source {
            SecretSource::File(path) => (Path::new(path), format!("the file of the secret `{name}`")),
            SecretSource::Command(argv) => match argv.first().filter(|program| program.contains('/')) {
                Some(program) => (Path::new(program), format!("the program of the secret `{name}`")),
                None => continue,
            },
            SecretSource::Env(_) => continue,
        };
        files.no_write.extend(links_to(path));
        let kept = if matches!(source, SecretSource::File(_)) { &mut files.no_read } else { &mut files.no_write };
        kept.push((settled(path), what));
    }
}

/// Makes a file one that no job can read.
pub fn keep_from_jobs(files: &mut FilePolicy, path: &Path, what: &str) {
    files.no_write.extend(links_to(path));
    files.no_read.push((settled(path), what.to_owned()));
}

/// Returns the links that lead to a path. Jobs may not change the path, and so may not change
/// these.
fn links_to(path: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let led = format!("a link that leads to `{}`, which jobs may not change", path.display());
    follow(path).links.into_iter().map(move |link| (link, led.clone()))
}

/// The operator's file, or where it would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Its path, or the path where it would be.
    pub path: PathBuf,
    /// Whether it exists.
    pub is_there: bool,
}

/// Finds the operator's file: the named one, or else the nearest in the working directory and its
/// parents. The search ends at the first parent that neither this user nor root owns. It ignores a
/// file of any other user, which could lift every limit.
pub fn config_file(options: &Options) -> ConfigFile {
    if let Some(path) = &options.config {
        return ConfigFile { path: path.clone(), is_there: true };
    }
    let own = PathBuf::from(SETTINGS_FILE);
    if own.exists() {
        return ConfigFile { path: own, is_there: true };
    }
    let here = std::env::current_dir().unwrap_or_default();
    let mut up = PathBuf::new();
    for folder in here.ancestors().skip(1).take_while(|folder| is_trusted(folder)) {
        up.push("..");
        if is_trusted(&folder.join(SETTINGS_FILE)) {
            return ConfigFile { path: up.join(SETTINGS_FILE), is_there: true };
        }
    }
    ConfigFile { path: own, is_there: false }
}

/// Returns whether a path exists and belongs to this user or to root.
fn is_trusted(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    std::fs::metadata(path).is_ok_and(|metadata| metadata.uid() == own || metadata.uid() == 0)
}

fn read_settings(config: &ConfigFile, is_named: bool) -> Result<(Settings, PathBuf), SettingsError> {
    let path = &config.path;
    let base = path.parent().map(Path::to_owned).unwrap_or_default();
    if !config.is_there {
        return Ok((Settings::default(), base));
    }
    let shown = path.display();
    let unreadable = |e: std::io::Error| {
        let near = near_path(path, |path| path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml"));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        SettingsError::Usage(format!("the configuration `{shown}` cannot be read: {e}{near}"))
    };
    let metadata = match std::fs::metadata(path) {
        // It was removed after it was found.
        Err(error) if error.kind() == ErrorKind::NotFound && !is_named => return Ok((Settings::default(), base)),
        metadata => metadata.map_err(unreadable)?,
    };
    if !metadata.is_file() || metadata.len() > limits::MANIFEST {
        return Err(SettingsError::Usage(format!("the configuration `{shown}` is not a file, or is too large")));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = decode(&shown.to_string(), bytes).map_err(|problem| SettingsError::Diagnostics(vec![*problem]))?;
    let source = Arc::new(Source { path: shown.to_string(), text });
    let mut problems = Vec::new();
    let settings = parse_settings(&source, &mut problems);
    if problems.is_empty() { Ok((settings, base)) } else { Err(SettingsError::Diagnostics(problems)) }
}

fn store(options: &Options, settings: &Settings, base: &Path, project: &Path) -> Result<StoreUrl, SettingsError> {
    let (url, base) = match (&options.store, &settings.store) {
        (Some(url), _) => (url.as_str(), Path::new("")),
        (None, Some(url)) => (url.as_str(), base),
        (None, None) => (DEFAULT_STORE, project),
    };
    StoreUrl::parse(url, base).map_err(SettingsError::Usage)
}

fn default_cache() -> Result<PathBuf, SettingsError> {
    let strategy = etcetera::choose_base_strategy().map_err(|_| {
        SettingsError::Usage("there is no home folder for compiled plugins; name a folder with `--cache`".to_owned())
    })?;
    Ok(strategy.cache_dir().join("jobcontrol"))
}

fn default_runtimes() -> Option<PathBuf> {
    Some(data_folder()?.join("runtimes"))
}

/// Returns where a worker's key is, unless the person names another file.
pub fn default_key() -> Option<PathBuf> {
    Some(data_folder()?.join("worker.key"))
}

fn data_folder() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.data_dir().join("jobcontrol"))
}

/// Returns the files that no job may be granted. Links count too: a job that could replace a link
/// could decide where it leads.
fn policy(
    jobs: &Path,
    plugins: &[PathBuf],
    store: &StoreUrl,
    [cache, config]: [&Path; 2],
    runtimes: Option<&Path>,
) -> FilePolicy {
    let code = || std::iter::once(jobs).chain(plugins.iter().map(PathBuf::as_path));
    let mut named: Vec<&Path> = code().chain([cache, config]).chain(runtimes).collect();
    if let StoreUrl::Sqlite(file) = store {
        named.push(&file.shown);
    }
    let code = code().map(|path| (settled(path), "the folders of jobs and plugins".to_owned()));
    let interpreters = runtimes.map(|path| (settled(path), "the interpreters of scripts".to_owned()));
    let links = named.into_iter().flat_map(links_to);
    FilePolicy {
        no_write: code.chain(interpreters).chain(links).collect(),
        no_read: own_paths(store, cache, config),
        operator: operator(config),
        ..FilePolicy::default()
    }
}

fn operator(config: &Path) -> OperatorFile {
    OperatorFile(config.display().to_string().into())
}

/// Returns the paths that no plugin may see: the store with the files beside it, the cache and the
/// configuration.
fn own_paths(store: &StoreUrl, cache: &Path, config: &Path) -> Vec<(PathBuf, String)> {
    let mut paths = vec![
        (settled(cache), "the cache of compiled plugins".to_owned()),
        (settled(config), format!("the configuration `{}`", config.display())),
    ];
    if let StoreUrl::Sqlite(file) = store {
        let beside = ["", "-wal", "-shm", "-journal", ".owners"].map(|ending| file.beside(ending));
        let named = |path| (path, format!("the store `{}`", file.shown.display()));
        paths.extend(beside.map(|path| named(settled(&path))));
    }
    paths
}

/// Resolves all links of a path, as far as the path exists.
pub(crate) fn settled(path: &Path) -> PathBuf {
    follow(path).path
}
