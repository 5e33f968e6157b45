//! The lines of a run on a terminal. A line is cut at the width of the terminal, because a wrapped
//! line would break the layout of the others.

use std::fmt::Write;
use std::time::Duration;
use std::time::Instant;

use console::Term;
use console::measure_text_width;
use console::truncate_str;
use indicatif::ProgressBar;
use indicatif::ProgressState;
use indicatif::ProgressStyle;
use jobcontrol_core::limits::show_duration;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::progress::SEPARATOR;

use crate::show::escape::one_line;

/// The assumed width of a terminal that does not report its width.
const COLUMNS: usize = 80;
/// Below this width, bars and names of groups are short.
const NARROW: usize = 70;
/// The least number of columns for a job's id.
const NAME: usize = 12;
/// The greatest depth that is indented; deeper groups are not indented further.
const INDENTED: usize = 8;

/// The line of a build.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) job: String,
    pub(super) build: u64,
    /// The number of the running or next attempt, and the number of attempts.
    pub(super) attempt: Option<(u32, u32)>,
    /// When that attempt begins, if it has not.
    pub(super) due: Option<Instant>,
}

impl Header {
    /// Shows this line from now on, and counts down the rest of a wait.
    pub(super) fn draw(self, bar: &ProgressBar) {
        let line = move |state: &ProgressState, out: &mut dyn Write| {
            // The spinner and a space come before it.
            let room = columns().saturating_sub(2);
            let _ = out.write_str(&self.line(room, state.elapsed(), Instant::now()));
        };
        bar.set_style(style("{spinner} {line}").with_key("line", line));
    }

    fn line(&self, room: usize, elapsed: Duration, now: Instant) -> String {
        let left = self.due.map(|due| due.saturating_duration_since(now).as_secs_f64().ceil());
        let when = match left {
            None => String::new(),
            Some(left) if left < 1.0 => " follows".to_owned(),
            Some(left) => format!(" in {}", show_duration(Duration::from_secs_f64(left))),
        };
        let attempt =
            self.attempt.map_or_else(String::new, |(attempt, of)| format!(", attempt {attempt} of {of}{when}"));
        let build = format!(" (build {}{attempt})", self.build);
        // Whole seconds, because nobody can read running hundredths.
        let took = match elapsed.as_secs() {
            0 => " 0s".to_owned(),
            seconds => format!(" {}", show_duration(Duration::from_secs(seconds))),
        };
        let name = cut(&self.job, room.saturating_sub(build.len() + took.len()).max(NAME));
        let line = format!("{name}{build}");
        if measure_text_width(&line) + took.len() <= room { line + &took } else { cut(&line, room) }
    }
}

/// Draws the newest report of a group.
pub(super) fn draw_group(bar: &ProgressBar, report: &Progress) {
    let shown = Group::new(report, columns());
    bar.set_message(shown.name);
    bar.set_prefix(shown.rest);
    if report.total == 0 {
        bar.set_style(style("{msg} {prefix}"));
    } else {
        bar.set_style(style(&format!("{{msg}} [{{bar:{}}}] {{prefix}}", shown.bar)));
        bar.set_length(report.total);
    }
    bar.set_position(report.current);
}

/// The parts of a group's line.
struct Group {
    name: String,
    bar: usize,
    rest: String,
}

impl Group {
    fn new(report: &Progress, columns: usize) -> Self {
        let depth = if report.group_name.is_empty() { 0 } else { report.group_name.matches(SEPARATOR).count() + 1 };
        let name = report.group_name.rsplit(SEPARATOR).next().unwrap_or_default();
        let name = if name.is_empty() { "all" } else { name };
        let (name_width, bar) = if columns < NARROW { (12, 8) } else { (24, 30) };
        let name = cut(&format!("{}{}", "  ".repeat(depth.min(INDENTED) + 1), one_line(name)), name_width);
        let name = format!("{name}{}", " ".repeat(name_width.saturating_sub(measure_text_width(&name))));
        let count = match report.total {
            0 => report.current.to_string(),
            total => format!("{}/{total}", report.current),
        };
        let taken = if report.total == 0 { name_width + 1 } else { name_width + bar + 4 };
        let rest = format!("{count} {}", one_line(&report.status_line));
        Self { name, bar, rest: cut(rest.trim_end(), columns.saturating_sub(taken)) }
    }
}

fn cut(text: &str, room: usize) -> String {
    if room == 0 { String::new() } else { truncate_str(text, room, "…").into_owned() }
}

fn columns() -> usize {
    Term::stderr().size_checked().map_or(COLUMNS, |(_, columns)| usize::from(columns))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(job: &str, attempt: Option<(u32, u32)>, due: Option<Instant>) -> Header {
        Header { job: job.to_owned(), build: 7, attempt, due }
    }

    #[test]
    fn a_wait_is_counted_down() {
        let now = Instant::now();
        let line =
            |left: Duration| header("flaky", Some((2, 3)), Some(now + left)).line(80, Duration::from_secs(65), now);
        assert_eq!(line(Duration::from_millis(3_100)), "flaky (build 7, attempt 2 of 3 in 4s) 1m 5s");
        assert_eq!(line(Duration::from_secs(3_661)), "flaky (build 7, attempt 2 of 3 in 1h 1m 1s) 1m 5s");
        assert_eq!(line(Duration::ZERO), "flaky (build 7, attempt 2 of 3 follows) 1m 5s");
    }

    #[test]
    fn a_line_is_never_wider_than_the_terminal() {
        let now = Instant::now();
        let id = "a-job-with-a-name-that-is-far-too-long";
        let line = |columns| header(id, Some((2, 3)), None).line(columns, Duration::ZERO, now);
        assert_eq!(line(42), "a-job-with-a… (build 7, attempt 2 of 3) 0s");
        assert_eq!(line(40), "a-job-with-… (build 7, attempt 2 of 3)");
        let report = |group: &str, current, total| Progress {
            group_name: group.to_owned(),
            current,
            total,
            status_line: "日本語 is as wide as it is".to_owned(),
        };
        for columns in 0..120 {
            assert!(measure_text_width(&line(columns)) <= columns);
            for total in [0, u64::MAX] {
                let group = Group::new(&report(id, 5, total), columns);
                let bar = if total == 0 { 1 } else { group.bar + 4 };
                let width = measure_text_width(&group.name) + bar + measure_text_width(&group.rest);
                assert!(width <= columns.max(24), "{columns}: {width}");
            }
        }
    }
}
