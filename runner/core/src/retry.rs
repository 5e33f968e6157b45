//! Decides whether a failed build is tried again, and when.

use std::fmt;
use std::time::Duration;

use crate::diagnostic::Span;
use crate::failure::Failure;
use crate::failure::FailureKind;
use crate::limits::show_duration;
use crate::types::same_name;
use crate::value::Value;

/// Maximum number of attempts of a build.
pub const MAX_ATTEMPTS: u32 = 100;
/// Longest time between two attempts.
pub const MAX_DELAY: Duration = Duration::from_hours(24);

/// How often a build is tried, and how long it waits between attempts.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Total number of attempts, 1 to [`MAX_ATTEMPTS`].
    pub attempts: u32,
    /// How the time between two attempts grows.
    pub backoff: Backoff,
    /// The time after the first attempt.
    pub initial: Duration,
    /// The longest time between two attempts.
    pub max: Duration,
    /// Whether the time is random, between zero and the time of the backoff, so that builds that
    /// failed together do not retry together.
    pub jitter: bool,
    /// The failures that are tried again.
    pub on: Vec<RetryOn>,
}

/// How the time between two attempts grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// It stays the same.
    Fixed,
    /// It doubles.
    Exponential,
}

impl Backoff {
    /// Returns the name as written in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Exponential => "exponential",
        }
    }
}

/// A kind of failure that is tried again.
#[derive(Clone, Debug, PartialEq)]
pub enum RetryOn {
    /// One of the runner's kinds.
    Own(FailureKind),
    /// `panic`: any kind that a plugin named.
    AnyOfPlugin,
    /// `plugin:NAME`: this kind that a plugin named.
    OfPlugin(String),
    /// A case of the function's error value, with its position in the manifest.
    Case(String, Span),
}

/// Stands for any failure kind that a plugin named, `ValueError` and the like.
const PANIC: &str = "panic";

/// Prefix in `on` for a kind that a plugin named.
const PLUGIN: &str = "plugin:";

impl RetryOn {
    /// The kinds that a manifest can name besides `plugin:NAME`. `panic` stands for any kind that a
    /// plugin named. The runner's other kinds are final: another attempt is not wanted, or would
    /// fail in the same way.
    pub const KINDS: &[&str] = &["trap", PANIC, "timeout", "limit", "interrupted", "exit", "error"];

    fn covers(&self, failure: &Failure) -> bool {
        match self {
            // How a call ended still counts if its reason is known too.
            Self::Own(kind) => *kind == failure.kind || failure.ended().is_some_and(|ended| ended == kind.to_string()),
            Self::AnyOfPlugin => matches!(failure.kind, FailureKind::Plugin(_)),
            Self::OfPlugin(name) => matches!(&failure.kind, FailureKind::Plugin(is) if is == name),
            Self::Case(case, _) => {
                let is = failure.value.as_ref().and_then(case_of);
                failure.kind == FailureKind::Error && is.is_some_and(|is| same_name(is, case))
            }
        }
    }
}

impl fmt::Display for RetryOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(kind) => write!(f, "{kind}"),
            Self::AnyOfPlugin => f.write_str(PANIC),
            Self::OfPlugin(name) => write!(f, "{PLUGIN}{name}"),
            Self::Case(case, _) => write!(f, "error({case})"),
        }
    }
}

/// Returns the case of a variant or an enum: `case`, or `{case: payload}`.
fn case_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(case) => Some(case),
        Value::Map(entries) => match entries.as_slice() {
            [(case, _)] => Some(case),
            _ => None,
        },
        _ => None,
    }
}

impl Default for Retry {
    /// Returns what `retry: {}` means.
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff::Exponential,
            initial: Duration::from_secs(1),
            max: Duration::from_mins(1),
            jitter: true,
            on: RetryOn::KINDS.iter().filter_map(|kind| parse_on(kind, Span::default())).collect(),
        }
    }
}

impl Retry {
    /// Returns a single attempt, which is what a job without `retry` has.
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// Returns whether a build is tried again after attempt number `attempt` failed with `failure`.
    pub fn is_due(&self, attempt: u32, failure: &Failure) -> bool {
        attempt < self.attempts && self.on.iter().any(|on| on.covers(failure))
    }

    /// Returns the time from the end of an attempt to the start of the next one. `random` is
    /// between 0 and 1, and is only used with jitter.
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let grown = match self.backoff {
            Backoff::Fixed => self.initial,
            Backoff::Exponential => {
                let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
                self.initial.saturating_mul(factor)
            }
        };
        let most = grown.min(self.max);
        if self.jitter { most.mul_f64(random.clamp(0.0, 1.0)) } else { most }
    }
}

impl fmt::Display for Retry {
    /// Writes it in words: `up to 3 attempts, 1s apart and then twice as long each time, 1m at
    /// most, after trap`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts <= 1 {
            return f.write_str("one attempt");
        }
        let (initial, max) = (show_duration(self.initial), show_duration(self.max));
        write!(f, "up to {} attempts, ", self.attempts)?;
        match (self.backoff, self.jitter) {
            (Backoff::Fixed, false) => write!(f, "{initial} apart")?,
            (Backoff::Fixed, true) => write!(f, "at most {initial} apart")?,
            (Backoff::Exponential, false) => {
                write!(f, "{initial} apart and then twice as long each time, {max} at most")?;
            }
            (Backoff::Exponential, true) => {
                write!(f, "at most {initial} apart and then twice as long each time, {max} at most")?;
            }
        }
        let on = self.on.iter().map(ToString::to_string).collect::<Vec<_>>();
        write!(f, ", after {}", on.join(", "))
    }
}

/// Reads an entry of `on`: one of [`RetryOn::KINDS`], `plugin:NAME` or `error(case)`.
pub fn parse_on(text: &str, span: Span) -> Option<RetryOn> {
    if text == PANIC {
        return Some(RetryOn::AnyOfPlugin);
    }
    if RetryOn::KINDS.contains(&text) {
        return FailureKind::own(text).map(RetryOn::Own);
    }
    if let Some(name) = text.strip_prefix(PLUGIN) {
        return (!name.is_empty()).then(|| RetryOn::OfPlugin(name.to_owned()));
    }
    let case = text.strip_prefix("error(")?.strip_suffix(')')?.trim();
    (!case.is_empty()).then(|| RetryOn::Case(case.to_owned(), span))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::failure::Cause;

    fn retries() -> impl Strategy<Value = Retry> {
        let on = prop::sample::subsequence(RetryOn::KINDS.to_vec(), 0..=RetryOn::KINDS.len());
        (2..=MAX_ATTEMPTS, any::<bool>(), 1..10_000_u64, 0..100_000_u64, any::<bool>(), on).prop_map(
            |(attempts, fixed, initial, more, jitter, on)| Retry {
                attempts,
                backoff: if fixed { Backoff::Fixed } else { Backoff::Exponential },
                initial: Duration::from_millis(initial),
                max: Duration::from_millis(initial + more),
                jitter,
                on: on
                    .into_iter()
                    .chain(["error(a-b)", "plugin:limit"])
                    .filter_map(|text| parse_on(text, Span::default()))
                    .collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn no_delay_is_above_the_maximum(retry in retries(), attempt in any::<u32>(), random in 0.0..1.0) {
            prop_assert!(retry.delay(attempt, random) <= retry.max);
        }

        #[test]
        fn without_jitter_delays_never_shrink(retry in retries(), attempt in 1..MAX_ATTEMPTS) {
            let retry = Retry { jitter: false, ..retry };
            prop_assert!(retry.delay(1, 0.5) == retry.initial);
            prop_assert!(retry.delay(attempt, 0.5) <= retry.delay(attempt + 1, 0.5));
            if retry.backoff == Backoff::Exponential {
                prop_assert!(retry.delay(attempt + 1, 0.5) == (retry.delay(attempt, 0.5) * 2).min(retry.max));
            }
        }

        #[test]
        fn jitter_is_full(retry in retries(), attempt in 1..MAX_ATTEMPTS, random in 0.0..1.0) {
            let retry = Retry { jitter: true, ..retry };
            let most = Retry { jitter: false, ..retry.clone() }.delay(attempt, 0.0);
            prop_assert_eq!(retry.delay(attempt, 0.0), Duration::ZERO);
            prop_assert_eq!(retry.delay(attempt, 1.0), most);
            prop_assert!(retry.delay(attempt, random) <= most);
        }

        #[test]
        fn a_config_reads_what_it_keeps(retry in retries()) {
            prop_assert_eq!(Retry::from_config(&retry.to_config()), retry);
        }

        #[test]
        fn no_config_asks_for_more_than_a_manifest(retry in retries(), attempts in any::<u32>(), millis in any::<u64>()) {
            let time = Duration::from_millis(millis);
            let asked = Retry { attempts, initial: time, max: time, ..retry };
            let read = Retry::from_config(&asked.to_config());
            prop_assert!(read.attempts <= MAX_ATTEMPTS && read.initial <= MAX_DELAY && read.max <= MAX_DELAY);
        }

        #[test]
        fn attempts_end(retry in retries(), kind in any::<String>(), more in any::<u32>()) {
            let failure = Failure::new(FailureKind::from_text(&kind), "");
            prop_assert!(!retry.is_due(retry.attempts.saturating_add(more), &failure));
        }
    }

    #[test]
    fn a_failure_of_a_plugins_own_is_a_panic_whatever_it_calls_it() {
        let on = |text: &str| Retry { on: parse_on(text, Span::default()).into_iter().collect(), ..Retry::default() };
        let failed = |kind| Failure::new(kind, "");
        let plugins = |name: &str| failed(FailureKind::Plugin(name.to_owned()));
        for name in ["ValueError", "limit", "cancelled", "trap"] {
            assert!(on("panic").is_due(1, &plugins(name)), "{name}");
            assert!(on(&format!("plugin:{name}")).is_due(1, &plugins(name)), "{name}");
            assert!(!on(name).is_due(1, &plugins(name)), "{name}");
        }
        assert!(!on("plugin:ValueError").is_due(1, &plugins("KeyError")));
        assert!(!on("panic").is_due(1, &failed(FailureKind::Trap)));
        let ended = |from_stderr, kind: &str| Failure {
            causes: vec![
                Cause { kind: "OSError".into(), ..Cause::default() },
                Cause { kind: kind.into(), ..Cause::default() },
            ],
            from_stderr,
            ..plugins("KeyError")
        };
        for text in ["trap", "panic", "plugin:KeyError"] {
            assert!(on(text).is_due(1, &ended(true, "trap")), "{text}");
        }
        assert!(on("exit").is_due(1, &ended(true, "exit")));
        assert!(!on("trap").is_due(1, &ended(true, "exit")));
        assert!(!on("trap").is_due(1, &ended(false, "trap")));
        assert!(on("trap").is_due(2, &failed(FailureKind::Trap)));
        assert!(!on("trap").is_due(3, &failed(FailureKind::Trap)));
        for kind in [FailureKind::Cancelled, FailureKind::Arguments, FailureKind::Storage] {
            assert!(!Retry::default().is_due(1, &failed(kind.clone())), "{kind}");
        }
        assert!(!Retry::never().is_due(1, &failed(FailureKind::Trap)));
    }

    #[test]
    fn a_case_is_that_of_the_error() {
        let retry = Retry { on: vec![RetryOn::Case("too_late".into(), Span::default())], ..Retry::default() };
        let failed = |kind, value| Failure { value: Some(value), ..Failure::new(kind, "") };
        assert!(retry.is_due(1, &failed(FailureKind::Error, Value::string("too-late"))));
        assert!(retry.is_due(1, &failed(FailureKind::Error, Value::entry("too-late", Value::Int(1)))));
        assert!(!retry.is_due(1, &failed(FailureKind::Error, Value::string("too-small"))));
        assert!(!retry.is_due(1, &failed(FailureKind::Trap, Value::string("too-late"))));
        assert!(!retry.is_due(1, &Failure::new(FailureKind::Error, "")));
    }
}
