//! The person at the command line.

use jobcontrol_core::run::Requester;

/// Variables with the name of the person, the most reliable first.
const PERSON: &[&str] = &["USER", "LOGNAME", "USERNAME"];

fn name() -> Option<String> {
    PERSON.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Returns the requester, as the log shows it.
pub(super) fn by() -> String {
    let process = std::process::id();
    match name() {
        Some(person) => format!("{person} (process {process})"),
        None => format!("process {process}"),
    }
}

/// Returns the name of the person.
pub(super) fn person() -> String {
    name().unwrap_or_else(|| "unknown".to_owned())
}

/// Returns the requester, as the row of a run keeps it.
pub(super) fn requester() -> Requester {
    Requester::Cli(person())
}
