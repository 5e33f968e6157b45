//! Arguments that several commands take from the command line.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ArgAction;
use clap::ValueEnum;
use jobcontrol_core::manifest::parse_duration;

use crate::settings::Options;
use crate::settings::Resolved;
use crate::settings::SettingsError;
use crate::settings::resolve;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Human,
    Json,
    #[value(hide = true)]
    Text,
    #[value(hide = true)]
    Dot,
    #[value(hide = true)]
    Mermaid,
    #[value(hide = true)]
    Svg,
    #[value(hide = true)]
    Sarif,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Resolves the settings with the environment of this process.
pub(super) fn settings(options: &Options) -> Result<Resolved, SettingsError> {
    let variables: BTreeMap<_, _> =
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
    resolve(options, &variables)
}

/// Reads a pair of flags, `--name` and `--no-name`. Returns `None` if neither was given.
pub(super) fn flag(yes: bool, no: bool) -> Option<bool> {
    match (yes, no) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// The action of a flag that takes no value and can be overridden by the other flag of its pair.
pub(super) const SET: ArgAction = ArgAction::SetTrue;

/// Reads a duration such as `30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// The format of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON document a line.
    Json,
}
