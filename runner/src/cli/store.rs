//! `store`: makes, removes or copies the store.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::render::Out;
use crate::app::App;
use crate::execute::rescuer::alive;
use crate::record::StoreUrl;

/// What to do with the store.
#[derive(Subcommand, Debug)]
pub(super) enum StoreCommand {
    /// Make the store; one that is there already stays as it is
    Install,
    /// Remove the store with all builds
    Uninstall {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Copy the store to a new file while it is in use, and verify the copy
    Backup {
        /// The new file
        file: PathBuf,
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
        StoreUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        StoreUrl::Memory => "memory:".to_owned(),
    };
    let exists = match &app.settings.store {
        StoreUrl::Sqlite(path) => path.exists(),
        StoreUrl::Memory => true,
    };
    if !exists && !matches!(command, StoreCommand::Install) {
        return Err(CliError::NotFound(format!("there is no store `{url}`")));
    }
    let (done, said, file) = match command {
        StoreCommand::Install => {
            app.storage(true)?;
            ("installed", format!("the store `{url}` is ready"), None)
        }
        StoreCommand::Uninstall { yes } => {
            if !yes {
                confirm(out, &url)?;
            }
            let storage = app.storage(true)?;
            if let Some(build) = alive(&*storage, &app.settings.store)?.first() {
                return Err(CliError::Usage(format!("build {build} is running; nothing was removed")));
            }
            storage.uninstall()?;
            ("uninstalled", format!("the store `{url}` is empty"), None)
        }
        StoreCommand::Backup { file } => {
            app.storage(false)?.backup(file)?;
            let file = file.display().to_string();
            ("backed-up", format!("`{file}` is a verified copy of the store `{url}`"), Some(file))
        }
    };
    if out.is_json() {
        out.json(&StoreJson { store: url, done, file })?;
    } else {
        out.answer(&said)?;
    }
    Ok(error::DONE)
}

fn confirm(out: &Out, url: &str) -> Result<(), CliError> {
    match out.ask(&format!("This removes all builds of `{url}`. Type `uninstall` to go on:")) {
        Some(typed) if typed == "uninstall" => Ok(()),
        Some(_) => Err(CliError::Usage("nothing was removed".to_owned())),
        None => Err(CliError::Usage("this removes all builds; add `--yes` to do it".to_owned())),
    }
}
