//! Who sits at the command line.

use jobcontrol_core::run::Requester;

/// Variables that tell who the person is, in the order of their worth.
const PERSON: &[&str] = &["USER", "LOGNAME", "USERNAME"];

fn name() -> Option<String> {
    PERSON.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Who asks, as the log tells it.
pub(super) fn by() -> String {
    let process = std::process::id();
    match name() {
        Some(person) => format!("{person} (process {process})"),
        None => format!("process {process}"),
    }
}

/// The person by name.
pub(super) fn person() -> String {
    name().unwrap_or_else(|| "unknown".to_owned())
}

/// Who asks, as the row of a run keeps it.
pub(super) fn requester() -> Requester {
    Requester::Cli(person())
}
