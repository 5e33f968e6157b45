//! The limits of a build: each with its default, its reason and the key that raises it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Source;
use crate::diagnostic::Span;

/// One kibibyte.
pub const KIB: u64 = 1 << 10;
/// One mebibyte.
pub const MIB: u64 = 1 << 20;

/// All memories of an instance together: room for Python and a few million rows.
pub const MEMORY: u64 = 256 * MIB;
/// Largest `limits.memory`: what the engine reserves for one memory.
pub const MAX_MEMORY: u64 = 4096 * MIB;
/// One attempt: a job that takes longer says so.
pub const TIMEOUT: Duration = Duration::from_mins(10);
/// Return value and arguments, encoded: they are stored and passed as a whole.
pub const RETVAL: u64 = 16 * MIB;
/// Elements of all tables together: compilers put each function into one.
pub const TABLE_ELEMENTS: u64 = 100_000;
/// Core instances of a component: the largest toolchain makes a few dozen.
pub const INSTANCES: u64 = 100;
/// Files, folders, streams and other host resources that a guest has open at once. The process has
/// a few thousand for all builds, and few programs need more than a few dozen.
pub const HANDLES: u64 = 256;
/// Largest `limits.handles`.
pub const MAX_HANDLES: u64 = 10_000;
/// The guest's stack: enough for a deep recursion of an ordinary program. The same for all jobs.
pub const STACK: u64 = MIB;
/// Log bytes of a build, so that a logging loop does not fill the disk.
pub const LOG_BYTES: u64 = 16 * MIB;
/// Log records of a build.
pub const LOG_RECORDS: u64 = 100_000;
/// Bytes of one log message. A longer one is cut, because a person reads it.
pub const LOG_MESSAGE: usize = 64 << 10;
/// Progress groups of a build: a larger tree is of no use to anyone.
pub const PROGRESS_GROUPS: u64 = 1_000;
/// Characters of a progress group's joined path, as the database column defines it.
pub const PROGRESS_GROUP_NAME: usize = 128;
/// Random bytes of one call: the host holds them until the plugin has made room for them.
pub const RANDOM: u64 = MIB;
/// A plugin file: a whole Python with its library is 20 MB.
pub const PLUGIN: u64 = 64 * MIB;
/// Time to compile one plugin: ten times what a whole Python takes.
pub const COMPILE_TIME: Duration = Duration::from_mins(1);
/// Largest `compile.timeout`: nobody waits longer for a function to start.
pub const MAX_COMPILE_TIME: Duration = Duration::from_hours(1);
/// Address space of the compiling process.
pub const COMPILE_MEMORY: u64 = 2048 * MIB;
/// Smallest `compile.memory`: what the program itself and the compilation of a small plugin take.
pub const MIN_COMPILE_MEMORY: u64 = 128 * MIB;
/// Compiled code of one plugin, as kept in the cache: five times that of a whole Python. A few
/// bytes of data at both ends of a memory expand to everything in between.
pub const COMPILED: u64 = 512 * MIB;
/// Largest `compile.memory`.
pub const MAX_COMPILE_MEMORY: u64 = 64 * 1024 * MIB;
/// Smallest `memory` in `jobcontrol.yaml`: room for a build in each slot of a process.
pub const MIN_HOST_MEMORY: u64 = 64 * MIB;
/// Largest `memory` in `jobcontrol.yaml`: more than any machine has.
pub const MAX_HOST_MEMORY: u64 = 64 * 1024 * 1024 * MIB;
/// Size of a manifest: room for thousands of jobs, and far below what a parser would choke on.
pub const MANIFEST: u64 = 4 * MIB;
/// The `notes` of a job.
pub const NOTES: usize = 64 << 10;

/// HTTP requests of a build: a program that makes more in one build has probably run out of
/// control.
pub const HTTP_REQUESTS: u64 = 10_000;
/// Bytes that all requests of a build send.
pub const HTTP_SENT: u64 = 64 * MIB;
/// Bytes of all responses of a build. Write a download to a file, and read it in the next job.
pub const HTTP_RECEIVED: u64 = 256 * MIB;
/// Connections that a build may have open at once: servers refuse more from one client.
pub const HTTP_CONNECTIONS: u64 = 16;

/// The limits of one job's builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all memories of an instance together; key `limits.memory`.
    pub memory: u64,
    /// How long one attempt may take; key `timeout`.
    pub timeout: Duration,
    /// How long a build may take with all its attempts; key `timeout.build`.
    pub build_timeout: Option<Duration>,
    /// How long an attempt may make no progress and log nothing; key `timeout.no_progress`.
    pub no_progress: Option<Duration>,
    /// Bytes of the encoded return value, and of the encoded arguments; key `limits.retval`.
    pub retval: u64,
    /// Elements of all tables together; key `limits.table_elements`.
    pub table_elements: u64,
    /// Core instances; key `limits.instances`.
    pub instances: u64,
    /// What is open at once: files, folders, streams; key `limits.handles`.
    pub handles: u64,
    /// Bytes of all log records together; key `limits.log`.
    pub log_bytes: u64,
    /// Number of log records; key `limits.log_records`.
    pub log_records: u64,
    /// Number of progress groups; key `limits.progress_groups`.
    pub progress_groups: u64,
    /// Number of HTTP requests; key `limits.http_requests`.
    pub http_requests: u64,
    /// Bytes that HTTP sends; key `limits.http_sent`.
    pub http_sent: u64,
    /// Bytes that HTTP receives; key `limits.http_received`.
    pub http_received: u64,
    /// HTTP connections that are open at once; key `limits.http_connections`.
    pub http_connections: u64,
    /// Keys of the limits that a job cannot raise because of the operator's ceiling.
    pub at_ceiling: Vec<&'static str>,
    /// What runs under these limits, for the wording of failures.
    pub called: Called,
    /// Where the job's manifest sets them.
    pub set_at: SetAt,
    /// The name of the operator's file, which contains the ceiling.
    pub operator: OperatorFile,
}

/// The name of the operator's file, as a person would type it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorFile(pub Arc<str>);

impl Default for OperatorFile {
    fn default() -> Self {
        Self("jobcontrol.yaml".into())
    }
}

impl fmt::Display for OperatorFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a manifest sets limits: each key with its place, such as `jobs/shop.yaml:5`. A build's
/// config does not keep the places, and they do not count when limits are compared.
#[derive(Clone, Debug, Default)]
pub struct SetAt(Vec<(&'static str, String)>);

impl PartialEq for SetAt {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for SetAt {}

impl SetAt {
    /// Records where a key is set.
    pub fn note(&mut self, key: &'static str, source: &Source, span: Span) {
        let (line, _) = source.position(span.start);
        self.0.push((key, format!("{}:{line}", source.path)));
    }

    fn place(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(set, _)| *set == key).map(|(_, place)| place.as_str())
    }
}

/// What runs under limits. It decides how they can be raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Called {
    /// The job's function: its limits are raised in the manifest.
    #[default]
    Attempt,
    /// A hook of a build, which has the limits that the build was created with.
    Hook {
        /// Whether its time limit is the same for every job.
        fixed_time: bool,
    },
}

/// A limit that a build exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess<'a> {
    /// Memory.
    Memory,
    /// Table elements.
    TableElements,
    /// Core instances.
    Instances,
    /// Files, folders and streams open at once.
    Handles,
    /// The log, in bytes.
    Log,
    /// The log, in records.
    LogRecords,
    /// Progress groups.
    ProgressGroups,
    /// HTTP requests.
    HttpRequests,
    /// Bytes sent over HTTP.
    HttpSent,
    /// Bytes received over HTTP.
    HttpReceived,
    /// HTTP connections open at once.
    HttpConnections,
    /// The encoded size of the value with this name.
    Encoded(&'a str),
    /// Host memory of the value with this name, and the bytes allowed per byte of `retval`.
    Held(&'a str, u64),
    /// Data passed to the host in one call, with the bytes allowed per byte of `retval`.
    Handed(u64),
    /// The time of an attempt.
    Attempt,
    /// The time of a build with all its attempts.
    Build,
    /// The time without progress or log records.
    NoProgress,
}

impl Excess<'_> {
    /// Returns the key that sets the limit.
    fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::TableElements => "table_elements",
            Self::Instances => "instances",
            Self::Handles => "handles",
            Self::Log => "log",
            Self::LogRecords => "log_records",
            Self::ProgressGroups => "progress_groups",
            Self::HttpRequests => "http_requests",
            Self::HttpSent => "http_sent",
            Self::HttpReceived => "http_received",
            Self::HttpConnections => "http_connections",
            Self::Encoded(_) | Self::Held(..) | Self::Handed(_) => "retval",
            Self::Attempt => TIMEOUTS[0],
            Self::Build => TIMEOUTS[1],
            Self::NoProgress => TIMEOUTS[2],
        }
    }
}

/// The end of a message about a limit that no key can raise.
pub const SAME_FOR_ALL: &str = ", which is the same for every job";

/// The timeouts of an attempt, of a build and without progress, as written in
/// [`Limits::at_ceiling`].
pub const TIMEOUTS: [&str; 3] = ["timeout", "timeout: { build: .. }", "timeout: { no_progress: .. }"];

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: MEMORY,
            timeout: TIMEOUT,
            build_timeout: None,
            no_progress: None,
            retval: RETVAL,
            table_elements: TABLE_ELEMENTS,
            instances: INSTANCES,
            handles: HANDLES,
            log_bytes: LOG_BYTES,
            log_records: LOG_RECORDS,
            progress_groups: PROGRESS_GROUPS,
            http_requests: HTTP_REQUESTS,
            http_sent: HTTP_SENT,
            http_received: HTTP_RECEIVED,
            http_connections: HTTP_CONNECTIONS,
            at_ceiling: Vec::new(),
            called: Called::Attempt,
            set_at: SetAt::default(),
            operator: OperatorFile::default(),
        }
    }
}

impl Limits {
    /// Returns the limits for a hook of a build that was created with these limits. The hook may
    /// take no longer than `most`.
    #[must_use]
    pub fn of_hook(self, most: Option<Duration>) -> Self {
        let most = most.filter(|most| self.timeout >= *most);
        let called = Called::Hook { fixed_time: most.is_some() };
        Self { timeout: most.unwrap_or(self.timeout), called, ..self }
    }

    /// Returns the message for an exceeded limit: which one, its value, where it is set, and how to
    /// raise it.
    pub fn exceeded(&self, excess: Excess<'_>) -> String {
        self.said(excess, "")
    }

    /// Returns the same message with the requested amount, in bytes or as a number.
    pub fn exceeded_by(&self, excess: Excess<'_>, requested: u64) -> String {
        let unit = self.clone().by_key(excess.key()).map(|limit| limit.unit);
        let requested = if unit == Some(Unit::Bytes) { show_bytes(requested) } else { requested.to_string() };
        self.said(excess, &format!(" ({requested} requested)"))
    }

    fn said(&self, excess: Excess<'_>, requested: &str) -> String {
        let time = |limit: Option<Duration>| limit.map(show_duration).unwrap_or_default();
        let (build, attempt) = match self.called {
            Called::Attempt => ("the build", "the attempt"),
            Called::Hook { .. } => ("the call", "the call"),
        };
        let what = match excess {
            Excess::Memory => format!("the memory of {build} is above {}", show_bytes(self.memory)),
            Excess::TableElements => {
                format!("the number of table elements of {build} is above {}", self.table_elements)
            }
            Excess::Instances => format!("the number of core instances of {build} is above {}", self.instances),
            Excess::Handles => {
                format!("the number of files, folders and streams that {build} has open is above {}", self.handles)
            }
            Excess::Log => format!("the log of {build} is above {}", show_bytes(self.log_bytes)),
            Excess::LogRecords => format!("the log of {build} is above {} records", self.log_records),
            Excess::ProgressGroups => format!("the progress of {build} is above {} groups", self.progress_groups),
            Excess::HttpRequests => format!("{build} makes more than {} HTTP requests", self.http_requests),
            Excess::HttpSent => format!("the HTTP data sent by {build} is above {}", show_bytes(self.http_sent)),
            Excess::HttpReceived => {
                format!("the HTTP data received by {build} is above {}", show_bytes(self.http_received))
            }
            Excess::HttpConnections => {
                format!("the number of HTTP connections that {build} has open is above {}", self.http_connections)
            }
            Excess::Encoded(what) => format!("the encoded size of {what} is above {}", show_bytes(self.retval)),
            Excess::Held(what, bytes) => {
                let most = show_bytes(self.retval.saturating_mul(bytes));
                format!("the memory that {what} takes in the host ({bytes} bytes per byte of `retval`) is above {most}")
            }
            Excess::Handed(bytes) => {
                let most = show_bytes(self.retval.saturating_mul(bytes));
                format!("the data passed to the host in one call ({bytes} bytes per byte of `retval`) is above {most}")
            }
            Excess::Attempt => format!("{attempt} took longer than {}", show_duration(self.timeout)),
            Excess::Build => {
                format!("the build with all its attempts took longer than {}", time(self.build_timeout))
            }
            Excess::NoProgress => {
                format!("{attempt} reported no progress and logged nothing for {}", time(self.no_progress))
            }
        };
        let key = excess.key();
        let place =
            self.set_at.place(key).filter(|_| self.called == Called::Attempt && !self.at_ceiling.contains(&key));
        let place = place.map(|place| format!(", set in {place}")).unwrap_or_default();
        format!("{what}{requested}{place}{}", self.remedy(key))
    }

    /// Returns the message for an attempt that is skipped because it would start after the build's
    /// time is over.
    pub fn too_late(&self, attempt: u32, of: u32) -> String {
        let time = self.build_timeout.map(show_duration).unwrap_or_default();
        let by = self.set_by(Excess::Build.key());
        format!("attempt {attempt} of {of} is skipped: it would start after the {time} that {by} allows")
    }

    /// Returns the end of a message: how to raise the limit of a key, or why it cannot be raised.
    fn remedy(&self, key: &str) -> String {
        if self.called == (Called::Hook { fixed_time: true }) && key == TIMEOUTS[0] {
            return SAME_FOR_ALL.to_owned();
        }
        // At the maximum, raising the ceiling would not help either.
        if self.clone().by_key(key).is_some_and(|limit| *limit.value >= limit.max) {
            return ", which is the maximum".to_owned();
        }
        let by = self.set_by(key);
        if self.at_ceiling.contains(&key) {
            return format!(", the most that {by} allows");
        }
        match self.called {
            Called::Attempt => format!("; raise it with {by}"),
            Called::Hook { .. } => format!(", the limit of its build; {by} raises it for later builds"),
        }
    }

    /// Returns the key that sets a limit: the job's, or the operator's if the job cannot raise it.
    fn set_by(&self, key: &str) -> String {
        let own = if TIMEOUTS.contains(&key) { key.to_owned() } else { format!("limits: {{ {key}: .. }}") };
        if !self.at_ceiling.contains(&key) {
            return format!("`{own}`");
        }
        let own = if own == TIMEOUTS[0] { format!("{own}: ..") } else { own };
        format!("`ceiling: {{ {own} }}` in {}", self.operator)
    }

    /// Returns the limit that this key under `limits:` sets.
    pub fn by_key(&mut self, key: &str) -> Option<LimitKey<'_>> {
        let (value, unit, max) = match key {
            "memory" => (&mut self.memory, Unit::Bytes, MAX_MEMORY),
            "retval" => (&mut self.retval, Unit::Bytes, 1024 * MIB),
            "log" => (&mut self.log_bytes, Unit::Bytes, 1024 * MIB),
            "log_records" => (&mut self.log_records, Unit::Count, 10_000_000),
            "progress_groups" => (&mut self.progress_groups, Unit::Count, 10_000),
            "table_elements" => (&mut self.table_elements, Unit::Count, MAX_TABLE_ELEMENTS),
            "instances" => (&mut self.instances, Unit::Count, MAX_INSTANCES),
            "handles" => (&mut self.handles, Unit::Count, MAX_HANDLES),
            "http_requests" => (&mut self.http_requests, Unit::Count, 100_000_000),
            "http_sent" => (&mut self.http_sent, Unit::Bytes, MAX_HTTP),
            "http_received" => (&mut self.http_received, Unit::Bytes, MAX_HTTP),
            "http_connections" => (&mut self.http_connections, Unit::Count, 1_000),
            _ => return None,
        };
        Some(LimitKey { value, unit, max })
    }

    /// Every key under `limits:`.
    pub const KEYS: &[&str] = &[
        "memory",
        "retval",
        "log",
        "log_records",
        "progress_groups",
        "table_elements",
        "instances",
        "handles",
        "http_requests",
        "http_sent",
        "http_received",
        "http_connections",
    ];

    /// The keys that a build config contains only if they differ from the default. Builds of older
    /// versions do not have them.
    pub const LATER_KEYS: &[&str] = &["http_requests", "http_sent", "http_received", "http_connections"];
}

/// Largest `limits.table_elements`: what the engine reserves for one table.
pub const MAX_TABLE_ELEMENTS: u64 = 1_000_000;
/// Largest `limits.instances`: what the engine reserves for one component.
pub const MAX_INSTANCES: u64 = 1_000;

/// Largest `limits.http_sent` and `limits.http_received`: more than a link carries in a day.
const MAX_HTTP: u64 = 16 * 1024 * 1024 * MIB;

/// One limit that a manifest can set.
pub struct LimitKey<'a> {
    /// The field that holds the number.
    pub value: &'a mut u64,
    /// How it is written.
    pub unit: Unit,
    /// The largest value that is allowed.
    pub max: u64,
}

/// How a limit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A size: `64 MiB`.
    Bytes,
    /// A plain number.
    Count,
}

/// Formats bytes as a person writes them: `64 MiB`.
pub fn show_bytes(bytes: u64) -> String {
    match bytes {
        b if b >= 1024 * MIB && b.is_multiple_of(1024 * MIB) => format!("{} GiB", b / (1024 * MIB)),
        b if b >= MIB && b.is_multiple_of(MIB) => format!("{} MiB", b / MIB),
        b if b >= KIB && b.is_multiple_of(KIB) => format!("{} KiB", b / KIB),
        b => format!("{b} bytes"),
    }
}

/// Formats a duration as a person writes it: `30s`, `1h 30m`, `1.5s`, `200ms`. It is exact to the
/// millisecond, or to the microsecond below one millisecond.
pub fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms == 0 && !duration.is_zero() {
        return format!("{}us", duration.as_micros().max(1));
    }
    if ms < 1_000 {
        return format!("{ms}ms");
    }
    let mut parts = Vec::new();
    let mut left = ms / 1_000;
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if left >= seconds {
            parts.push(format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    match (left, ms % 1_000) {
        (0, 0) => {}
        (_, 0) => parts.push(format!("{left}s")),
        (_, ms) => parts.push(format!("{left}.{ms:03}").trim_end_matches('0').to_owned() + "s"),
    }
    parts.join(" ")
}

/// Formats how long something took like [`show_duration`], rounded down to a useful precision:
/// `12ms`, `1.25s`, `3m 20s`, `2h 5m`, `3d 4h`.
pub fn show_took(micros: u64) -> String {
    let step = match micros {
        0..1_000_000 => 1_000,
        1_000_000..60_000_000 => 10_000,
        60_000_000..3_600_000_000 => 1_000_000,
        3_600_000_000..86_400_000_000 => 60_000_000,
        _ => 3_600_000_000,
    };
    show_duration(Duration::from_micros(micros / step * step))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::units;

    #[test]
    fn durations_are_shown_in_one_form() {
        let shown = |ms| show_duration(Duration::from_millis(ms));
        let all = [0, 200, 1_000, 1_500, 90_000, 3_600_000, 5_400_000, 86_400_000 * 30, 90_061_001].map(shown);
        assert_eq!(all, ["0ms", "200ms", "1s", "1.5s", "1m 30s", "1h", "1h 30m", "30d", "1d 1h 1m 1.001s"]);
        let took = [999, 12_345, 1_256_000, 2_000_000, 200_900_000, 7_559_000_000, 270_000_000_000].map(show_took);
        assert_eq!(took, ["0ms", "12ms", "1.25s", "2s", "3m 20s", "2h 5m", "3d 3h"]);
    }

    proptest! {
        #[test]
        fn a_shown_duration_is_read_as_the_same(ms in 1..u64::from(u32::MAX)) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(units::duration(&show_duration(duration)), Ok(duration));
        }
    }

    /// Every limit that can be exceeded, with the key that raises it.
    pub(crate) const ALL: [(Excess<'_>, &str); 17] = [
        (Excess::Memory, "limits: { memory: .. }"),
        (Excess::TableElements, "limits: { table_elements: .. }"),
        (Excess::Instances, "limits: { instances: .. }"),
        (Excess::Log, "limits: { log: .. }"),
        (Excess::LogRecords, "limits: { log_records: .. }"),
        (Excess::ProgressGroups, "limits: { progress_groups: .. }"),
        (Excess::HttpRequests, "limits: { http_requests: .. }"),
        (Excess::HttpSent, "limits: { http_sent: .. }"),
        (Excess::HttpReceived, "limits: { http_received: .. }"),
        (Excess::HttpConnections, "limits: { http_connections: .. }"),
        (Excess::Encoded("the arguments"), "limits: { retval: .. }"),
        (Excess::Handles, "limits: { handles: .. }"),
        (Excess::Held("the return value", 32), "limits: { retval: .. }"),
        (Excess::Handed(16), "limits: { retval: .. }"),
        (Excess::Attempt, "timeout"),
        (Excess::Build, "timeout: { build: .. }"),
        (Excess::NoProgress, "timeout: { no_progress: .. }"),
    ];

    /// Returns limits with every limit set.
    pub(crate) fn limits() -> Limits {
        let time = Some(Duration::from_secs(9));
        Limits { build_timeout: time, no_progress: time, ..Limits::default() }
    }

    #[test]
    fn every_limit_names_its_key() {
        for (excess, key) in ALL {
            let said = limits().exceeded(excess);
            assert!(said.ends_with(&format!("; raise it with `{key}`")), "{said}");
        }
    }

    #[test]
    fn a_hook_has_the_limits_of_its_build() {
        let hook = limits().of_hook(None);
        for (excess, key) in ALL {
            let said = hook.exceeded(excess);
            let end = format!(", the limit of its build; `{key}` raises it for later builds");
            assert!(said.ends_with(&end), "{said}");
        }
        let short = Duration::from_secs(5);
        let bounded = limits().of_hook(Some(short));
        assert_eq!(bounded.exceeded(Excess::Attempt), "the call took longer than 5s, which is the same for every job");
        assert!(bounded.exceeded(Excess::Memory).ends_with("raises it for later builds"));
        let shorter = Limits { timeout: Duration::from_secs(4), ..limits() }.of_hook(Some(short));
        assert_eq!(
            shorter.exceeded(Excess::Attempt),
            "the call took longer than 4s, the limit of its build; `timeout` raises it for later builds"
        );
    }

    #[test]
    fn what_was_asked_for_and_where_the_limit_is_set_are_told() {
        let source = Source { path: "jobs/x.yaml".into(), text: "id: x\nlimits:\n  memory: 1 MiB\n".into() };
        let mut limits = Limits { memory: MIB, ..Limits::default() };
        limits.set_at.note("memory", &source, Span::new(17, 23));
        assert_eq!(
            limits.exceeded_by(Excess::Memory, 3 * MIB),
            "the memory of the build is above 1 MiB (3 MiB requested), set in jobs/x.yaml:3; raise it with \
             `limits: { memory: .. }`"
        );
        assert_eq!(
            limits.exceeded_by(Excess::TableElements, 100_001),
            "the number of table elements of the build is above 100000 (100001 requested); raise it with \
             `limits: { table_elements: .. }`"
        );
    }

    #[test]
    fn what_is_the_most_there_is_cannot_be_raised() {
        let limits = Limits { memory: MAX_MEMORY, at_ceiling: vec!["memory"], ..Limits::default() };
        assert_eq!(limits.exceeded(Excess::Memory), "the memory of the build is above 4 GiB, which is the maximum");
    }
}
