//! Names a process that runs builds. Other processes on the machine use the name to find out
//! whether it is still running.

use jobcontrol_core::clock::Timestamp;

/// Returns a name for an owner of builds in this process. It has the process id, the time when the
/// kernel started the process, and the current time. The current time separates several owners of
/// one process.
pub(crate) fn owner_name(now: Timestamp) -> String {
    let pid = std::process::id();
    format!("{pid}-{}-{}", started(pid).unwrap_or(0), now.0)
}

/// Returns whether the process of an owner's name is running, or false if that cannot be known.
pub(crate) fn is_running(owner: &str) -> bool {
    let mut parts = owner.split('-').map(|part| part.parse::<u64>().ok());
    let (Some(Some(pid)), Some(Some(start)), Some(Some(_))) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    // A process id is reused one day, but not with the same start tick.
    u32::try_from(pid).ok().and_then(started) == Some(start)
}

/// Returns when a process started, in ticks since the machine started. Only works on Linux.
fn started(pid: u32) -> Option<u64> {
    /// The position of the field after the name of the program, which may contain spaces and
    /// parentheses.
    const START: usize = 19;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    // A zombie has ended, although its parent has not noticed yet.
    let is_over = matches!(*fields.first()?, "Z" | "X");
    if is_over { None } else { fields.get(START)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_running_and_others_are_told_apart() {
        let name = owner_name(Timestamp(5));
        assert_eq!(is_running(&name), cfg!(target_os = "linux"));
        let (pid, rest) = name.split_once('-').unwrap();
        let (start, _) = rest.split_once('-').unwrap();
        let earlier = start.parse::<u64>().unwrap().saturating_sub(1);
        assert!(!is_running(&format!("{pid}-{earlier}-5")));
        for other in ["", "me", "1-2", "4294967296-1-1", "x-1-2", "99999999-0-0"] {
            assert!(!is_running(other), "{other}");
        }
    }
}
