//! The name of a process that runs builds, by which the others on the machine can tell whether it
//! is still there.

use jobcontrol_core::clock::Timestamp;

/// A name for an owner of builds in this process: its number, when the kernel started it, and the
/// moment, which tells several owners of one process apart.
pub(crate) fn owner_name(now: Timestamp) -> String {
    let pid = std::process::id();
    format!("{pid}-{}-{}", started(pid).unwrap_or(0), now.0)
}

/// Whether the process of an owner's name is running. False where that cannot be known.
pub(crate) fn is_running(owner: &str) -> bool {
    let mut parts = owner.split('-').map(|part| part.parse::<u64>().ok());
    let (Some(Some(pid)), Some(Some(start)), Some(Some(_))) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    // A number is given to another process one day, but not at the same tick since the machine
    // started.
    u32::try_from(pid).ok().and_then(started) == Some(start)
}

/// When a process started, in ticks since the machine did. Only Linux tells.
fn started(pid: u32) -> Option<u64> {
    /// The position of the field behind the name of the program, which may hold spaces and
    /// parentheses.
    const START: usize = 19;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    // A zombie has ended, though its parent does not know yet.
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
