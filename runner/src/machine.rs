//! The memory and the open files that the machine allows this process.

use std::path::Path;

use jobcontrol_core::limits::MIN_HOST_MEMORY;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;

/// The file in which the kernel reports how much memory the machine has.
const MEMORY: &str = "/proc/meminfo";

/// The file in which the kernel reports the groups of this process.
const GROUP: &str = "/proc/self/cgroup";

/// The folder of the groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// Returns half of the memory available to this process, in bytes: the rest is for the store, the
/// compiler and other programs. If the kernel does not report it, returns the smallest allowed
/// value.
pub(crate) fn half_of_memory() -> u64 {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    (memory(read).unwrap_or(0) / 2).max(MIN_HOST_MEMORY)
}

/// The file in which the kernel reports how much memory this process uses.
const STATUS: &str = "/proc/self/status";

/// Returns the bytes of this process that are in memory, or 0 if the kernel does not report them.
pub(crate) fn resident_memory() -> u64 {
    let status = std::fs::read_to_string(STATUS).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}

/// Raises the limit of open files to the allowed maximum: a shell gives 1,024, and each connection
/// and each build needs some.
pub(crate) fn open_all_files() {
    let limit = getrlimit(Resource::Nofile);
    // A process that may not raise its limit keeps the old one.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Returns the memory of the machine in bytes, or the smallest limit of the groups that this
/// process belongs to, if that is less.
fn memory(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let machine = read(Path::new(MEMORY)).and_then(|text| total(&text));
    let groups = read(Path::new(GROUP)).unwrap_or_default();
    let limits = groups.lines().flat_map(|line| limits(line, &read)).collect::<Vec<_>>();
    machine.into_iter().chain(limits).min()
}

/// Reads the bytes from a line such as `MemTotal:  16384 kB`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Returns the limits of a group and of those above it. A line is `0::/system.slice/a.service`, or
/// `4:memory:/a` in the older format. In a container, its group may be mounted as the root, and
/// only that one is visible.
fn limits(line: &str, read: &impl Fn(&Path) -> Option<String>) -> Vec<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (folder, file) = match controllers {
        "" => (Path::new(GROUPS).to_owned(), "memory.max"),
        list if list.split(',').any(|name| name == "memory") => {
            (Path::new(GROUPS).join("memory"), "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let groups = Path::new(group.trim_start_matches('/')).ancestors();
    // `max` is not a number, and means that there is no limit.
    groups.filter_map(|group| read(&folder.join(group).join(file))?.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the memory of a machine with these files.
    fn of(files: &[(&str, &str)]) -> Option<u64> {
        memory(|path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    const MACHINE: (&str, &str) = (MEMORY, "MemTotal:       4000000 kB\nMemFree:  1 kB\n");

    #[test]
    fn the_least_of_machine_and_groups_counts() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[MACHINE]), Some(4_096_000_000));
        let group = (GROUP, "0::/a/b\n");
        let limit = |limit| ("/sys/fs/cgroup/a/memory.max", limit);
        assert_eq!(of(&[MACHINE, group, limit("1000000\n")]), Some(1_000_000));
        assert_eq!(of(&[MACHINE, group, limit("max\n")]), Some(4_096_000_000));
        assert_eq!(of(&[MACHINE, group, ("/sys/fs/cgroup/memory.max", "2000000\n")]), Some(2_000_000));
        let older =
            [MACHINE, (GROUP, "5:cpu:/a\n4:memory:/a\n"), ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "7")];
        assert_eq!(of(&older), Some(7));
    }

    #[test]
    fn this_machine_has_some() {
        assert!(half_of_memory() >= MIN_HOST_MEMORY);
    }
}
