//! `store`: creates, removes, backs up, restores, prunes or migrates the store.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use jobcontrol_core::build::Build;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_sandbox::Pruned as PrunedCache;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::render::Out;
use crate::app::App;
use crate::execute::hooks::Which;
use crate::execute::rescuer::alive;
use crate::record::backend::restore;
use crate::record::pruner::Pruned;
use crate::record::sqlite::VERSION;
use crate::record::sqlite::version;
use crate::record::url::StoreUrl;
use crate::request::delete::CleanUp;
use crate::request::prune as request;
use crate::request::prune::Swept;

/// What to do with the store.
#[derive(Subcommand, Debug)]
pub(super) enum StoreCommand {
    /// Create the store; an existing one stays as it is
    Install,
    /// Remove the store with all builds
    Uninstall {
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Copy the store to a new file while it is in use, and verify the copy; a plain copy of the
    /// file may lack the latest changes
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Replace the store by a copy, and keep the old store beside it; refused while the store is in
    /// use
    Restore {
        /// The copy, made by this version or an older one
        file: PathBuf,
    },
    /// Delete log records and builds that are older than `retention:` in jobcontrol.yaml allows,
    /// and plugins that no build uses
    Prune {
        /// Only say what would be deleted
        #[arg(long)]
        dry_run: bool,
    },
    /// Upgrade the store to this program's version, after a backup beside it
    Migrate {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Serialize)]
struct StoreJson {
    store: String,
    done: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

pub(super) fn store(app: &App, out: &Out, command: &StoreCommand) -> Result<u8, CliError> {
    let url = match &app.settings.store {
        StoreUrl::Sqlite(file) => format!("sqlite:{}", file.shown.display()),
        StoreUrl::Memory => "memory:".to_owned(),
    };
    let exists = match &app.settings.store {
        StoreUrl::Sqlite(file) => file.path.exists(),
        StoreUrl::Memory => true,
    };
    if !exists && !matches!(command, StoreCommand::Install | StoreCommand::Restore { .. }) {
        return Err(CliError::not_found(format!("there is no store `{url}`")));
    }
    let (done, said, file) = match command {
        StoreCommand::Prune { dry_run } => return prune(app, out, *dry_run),
        StoreCommand::Install => {
            app.storage(true)?;
            ("installed", format!("the store `{url}` is ready"), None)
        }
        StoreCommand::Uninstall { yes } => {
            if !yes {
                confirm(out, &url)?;
            }
            let storage = app.storage(true)?;
            if let Some(build) = alive(&*storage)?.first() {
                return Err(CliError::usage(format!("build {build} is running; nothing was removed")));
            }
            storage.uninstall()?;
            ("uninstalled", format!("the store `{url}` is empty"), None)
        }
        StoreCommand::Backup { file } => {
            app.storage(false)?.backup(file)?;
            let file = file.display().to_string();
            ("backed-up", format!("`{file}` is a verified copy of the store `{url}`"), Some(file))
        }
        StoreCommand::Restore { file } => {
            let kept = restore(&app.settings.store, file, &app.warn)?.map(|path| path.display().to_string());
            let kept_as = kept.as_ref().map(|kept| format!("; what was there is kept as `{kept}`"));
            let file = file.display();
            (
                "restored",
                format!("the store `{url}` is a verified copy of `{file}`{}", kept_as.unwrap_or_default()),
                kept,
            )
        }
        StoreCommand::Migrate { dry_run } => migrate(app, &url, *dry_run)?,
    };
    if out.is_json() {
        out.json(&StoreJson { store: url, done, file })?;
    } else {
        out.answer(said)?;
    }
    Ok(error::DONE)
}

/// What was done, the message about it, and the file that it left.
type Done = (&'static str, String, Option<String>);

fn migrate(app: &App, url: &str, dry_run: bool) -> Result<Done, CliError> {
    let was = match &app.settings.store {
        StoreUrl::Sqlite(file) => version(&file.shown, &app.warn)?,
        StoreUrl::Memory => VERSION,
    };
    if was == VERSION || was == 0 {
        app.storage(true)?;
        return Ok(("unchanged", format!("the store `{url}` is at version {VERSION}; there is nothing to do"), None));
    }
    let would = format!("from version {was} to {VERSION}");
    if dry_run {
        let said = format!("the store `{url}` would be backed up and upgraded {would}");
        return Ok(("nothing", said, None));
    }
    app.storage(true)?;
    Ok(("migrated", format!("the store `{url}` was upgraded {would}; the old one is kept beside it"), None))
}

#[derive(Serialize)]
struct PrunedJson {
    dry_run: bool,
    builds: Vec<u64>,
    log_records: BTreeMap<&'static str, u64>,
    runs: u64,
    plugins: u64,
    compiled: CompiledJson,
    kept: Vec<KeptJson>,
    plugins_kept: Option<String>,
}

/// What was removed from the cache.
#[derive(Serialize)]
struct CompiledJson {
    entries: u64,
    bytes: u64,
}

/// A build that is old enough to be deleted, and the reason why it was kept.
#[derive(Serialize)]
struct KeptJson {
    build: u64,
    reason: String,
}

fn prune(app: &App, out: &Out, dry_run: bool) -> Result<u8, CliError> {
    let storage = app.storage(!dry_run)?;
    let clean_up = |build: &Build| app.hook(build, Which::Cleanup);
    let clean_up: Option<&CleanUp<'_>> = if dry_run { None } else { Some(&clean_up) };
    let Swept { pruned, compiled, plugins_stay } = request::prune(&app.settings.workspace, &*storage, clean_up)?;
    pruned.refused.iter().for_each(|(_, reason)| out.warn(reason));
    let unknown =
        plugins_stay.map(|reason| format!("plugins that no build uses are kept, because jobs may pin them: {reason}"));
    let mut code = if pruned.refused.is_empty() { error::DONE } else { error::FAILED };
    let compiled = compiled.unwrap_or_else(|reason| {
        out.warn(&format!("the plugins' compiled code was not deleted: {reason}"));
        code = error::FAILED;
        PrunedCache::default()
    });
    if out.is_json() {
        let kept = pruned.refused.iter().map(|(build, reason)| KeptJson { build: *build, reason: reason.clone() });
        out.json(&PrunedJson {
            dry_run,
            kept: kept.collect(),
            log_records: pruned.log_records.iter().copied().collect(),
            runs: pruned.runs,
            plugins: pruned.plugins.len() as u64,
            compiled: CompiledJson { entries: compiled.entries, bytes: compiled.bytes },
            plugins_kept: unknown,
            builds: pruned.builds,
        })?;
    } else {
        out.answer(told(&pruned, compiled, dry_run))?;
        unknown.iter().for_each(|reason| out.say(reason));
    }
    Ok(code)
}

/// Builds the message, such as `deleted 2 builds, 3 log records (DEBUG 1, INFO 2) and 1 plugin (40
/// KiB of compiled code)`.
fn told(pruned: &Pruned, compiled: PrunedCache, dry_run: bool) -> String {
    let count = |n: usize, what: &str| match n {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let records = pruned.log_records.iter().map(|(_, n)| n).sum::<u64>();
    let records = count(usize::try_from(records).unwrap_or(usize::MAX), "log record");
    let levels = pruned.log_records.iter().filter(|(_, n)| *n > 0).map(|(level, n)| format!("{level} {n}"));
    let levels = levels.collect::<Vec<_>>().join(", ");
    let levels = if levels.is_empty() { levels } else { format!(" ({levels})") };
    let (builds, plugins) = (count(pruned.builds.len(), "build"), count(pruned.plugins.len(), "plugin"));
    let done = if dry_run { "would delete" } else { "deleted" };
    let code = match compiled.bytes {
        0 => String::new(),
        bytes => format!(" ({} of compiled code)", show_bytes(bytes)),
    };
    format!("{done} {builds}, {records}{levels} and {plugins}{code}")
}

fn confirm(out: &Out, url: &str) -> Result<(), CliError> {
    match out.ask(&format!("This removes all builds of `{url}`. Type `uninstall` to go on:")) {
        Some(typed) if typed == "uninstall" => Ok(()),
        Some(_) => Err(CliError::usage("nothing was removed".to_owned())),
        None => Err(CliError::usage("this removes all builds; add `--yes` to do it".to_owned())),
    }
}
