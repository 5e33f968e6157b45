//! Limits for the child processes that interpret a plugin's bytes.

use std::time::Duration;

use crate::limits::COMPILE_MEMORY;
use crate::limits::COMPILE_TIME;
use crate::limits::MAX_COMPILE_MEMORY;
use crate::limits::MAX_COMPILE_TIME;
use crate::limits::MIB;
use crate::limits::show_bytes;
use crate::limits::show_duration;

/// Time to read one plugin: a whole Python takes a second on a slow machine.
pub const READ_TIME: Duration = Duration::from_secs(20);
/// Address space of the process that reads a plugin: ten times what a whole Python takes.
pub const READ_MEMORY: u64 = 1024 * MIB;
/// Time to find the names and lines of a trap's calls: a person waits for it.
pub const TRACE_TIME: Duration = Duration::from_secs(2);
/// Address space of the process that finds them.
pub const TRACE_MEMORY: u64 = 512 * MIB;

/// The limits of one child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildLimits {
    /// How long it may take.
    pub timeout: Duration,
    /// Bytes of its address space.
    pub memory: u64,
}

impl ChildLimits {
    /// What compiling one plugin may use by default; keys `compile.timeout` and `compile.memory`.
    pub const COMPILE: Self = Self { timeout: COMPILE_TIME, memory: COMPILE_MEMORY };
    /// What reading one plugin may use by default; keys `read.timeout` and `read.memory`.
    pub const READ: Self = Self { timeout: READ_TIME, memory: READ_MEMORY };
    /// What finding the names and lines of a trap's calls may use.
    pub const TRACE: Self = Self { timeout: TRACE_TIME, memory: TRACE_MEMORY };

    /// Returns the message for `work` (in words) that took too long. `section` is the section of
    /// `jobcontrol.yaml` that raises its limits.
    pub fn timed_out(&self, work: &str, section: Option<&str>) -> String {
        let raise = raise(section, "timeout", self.timeout >= MAX_COMPILE_TIME);
        format!("{work} took longer than {}{raise}", show_duration(self.timeout))
    }

    /// Returns the message for `work` (in words) that took too much memory.
    pub fn out_of_memory(&self, work: &str, section: Option<&str>) -> String {
        let raise = raise(section, "memory", self.memory >= MAX_COMPILE_MEMORY);
        format!("{work} took more than {} of memory{raise}", show_bytes(self.memory))
    }
}

fn raise(section: Option<&str>, key: &str, largest: bool) -> String {
    match section {
        _ if largest => ", which is the maximum".to_owned(),
        Some(section) => format!("; raise it with `{section}: {{ {key}: .. }}` in jobcontrol.yaml"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_most_there_is_cannot_be_raised() {
        let compile = ChildLimits { timeout: MAX_COMPILE_TIME, ..ChildLimits::COMPILE };
        let said = |limits: ChildLimits, section| limits.timed_out("reading `p`", section);
        assert_eq!(said(compile, Some("compile")), "reading `p` took longer than 1h, which is the maximum");
        let raise = "reading `p` took longer than 20s; raise it with `read: { timeout: .. }` in jobcontrol.yaml";
        assert_eq!(said(ChildLimits::READ, Some("read")), raise);
        assert_eq!(said(ChildLimits::TRACE, None), "reading `p` took longer than 2s");
    }
}
