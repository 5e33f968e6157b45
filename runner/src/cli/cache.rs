//! `cache`: removes unused files from the folder of compiled plugins.

use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::manifest::parse_duration;
use jobcontrol_sandbox::PruneCache;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::render::Out;
use crate::app::App;

/// What to do with the cache of compiled plugins.
#[derive(Subcommand, Debug)]
pub(super) enum CacheCommand {
    /// Remove compiled plugins of other versions, and those not used for a while; they are compiled
    /// again when they are needed
    Prune(PruneArgs),
}

/// Which compiled plugins to remove.
#[derive(Args, Debug)]
pub(super) struct PruneArgs {
    /// Remove those not used for this long
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse_duration)]
    unused_for: Duration,
    /// Remove all of them
    #[arg(long)]
    all: bool,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct PrunedJson {
    entries: u64,
    bytes: u64,
    dry_run: bool,
}

pub(super) fn cache(app: &App, out: &Out, command: &CacheCommand) -> Result<u8, CliError> {
    let CacheCommand::Prune(args) = command;
    let all = args.all;
    let what = PruneCache { unused: Some(args.unused_for), gone: &|_| all, dry_run: args.dry_run };
    let pruned = app.plugins().prune(&what).map_err(|e| CliError::failed(e.to_string()))?;
    if out.is_json() {
        out.json(&PrunedJson { entries: pruned.entries, bytes: pruned.bytes, dry_run: args.dry_run })?;
        return Ok(error::DONE);
    }
    let said = match (pruned.entries, pruned.bytes) {
        (0, 0) => "nothing to remove\n".to_owned(),
        (entries, bytes) => {
            let verb = if args.dry_run { "would remove" } else { "removed" };
            let plugins = if entries == 1 { "plugin" } else { "plugins" };
            format!("{verb} {entries} compiled {plugins} ({})\n", show_bytes(bytes))
        }
    };
    out.answer(said)?;
    Ok(error::DONE)
}
