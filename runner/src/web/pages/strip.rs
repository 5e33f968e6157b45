//! The last builds of a job as a strip of bars. The height shows the duration, and a cross below
//! marks a failure.

use std::fmt::Write;

use askama::Template;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::storage::Mark;

use super::status::Status;
use super::times::count;

/// Bars of a small strip, and of a wide one.
pub(super) const SMALL: u64 = 20;
pub(super) const WIDE: u64 = 74;

/// Pixels of a small strip: the distance of bars, the width of a bar, its base line, and its
/// greatest height.
const STEP: f64 = 9.0;
const BAR: f64 = 6.0;
const FOOT: f64 = 20.0;
const HIGHEST: f64 = 18.0;
/// The same for a wide strip.
const WIDE_STEP: f64 = 11.0;
const WIDE_FOOT: f64 = 40.0;
const WIDE_HIGHEST: f64 = 34.0;
/// Bars of a small strip that have a link. A page has a hundred strips.
const LINKS: usize = 3;
/// The lowest bar. A build that took no time must be visible, too.
const LOWEST: f64 = 2.0;

/// The last builds of a job in a list.
#[derive(Template)]
#[template(path = "strip.html")]
pub(super) struct Strip {
    /// The content in words.
    words: String,
    /// The paths of the builds that succeeded, and of those that were skipped.
    good: String,
    skipped: String,
    /// The path of older failed builds, and the crosses below them.
    failed: String,
    crosses: String,
    /// The newest of the builds that deserve a look, each with a link.
    bars: Vec<Bar>,
}

/// A build with a separate bar.
struct Bar {
    id: u64,
    title: String,
    class: &'static str,
    left: f64,
    top: f64,
    height: f64,
}

/// The last builds of a job on the job's page.
#[derive(Template)]
#[template(path = "strip_wide.html")]
pub(super) struct WideStrip {
    pub(super) words: String,
    bars: Vec<Bar>,
    width: f64,
}

impl Strip {
    /// Draws a strip of builds, given oldest first.
    pub(super) fn of(marks: &[Mark]) -> Self {
        let (mut good, mut skipped, mut bars) = (String::new(), String::new(), Vec::new());
        let (mut failed, mut crosses) = (String::new(), String::new());
        let is_looked_at = |mark: &Mark| !matches!(mark.status, BuildStatus::Successful | BuildStatus::Skipped);
        let mut older = marks.iter().filter(|mark| is_looked_at(mark)).count().saturating_sub(LINKS);
        let heights = heights(marks, HIGHEST);
        for (at, (mark, height)) in marks.iter().zip(heights).enumerate() {
            let left = at as f64 * STEP + 1.0;
            let path = match mark.status {
                BuildStatus::Successful => Some(&mut good),
                BuildStatus::Skipped => Some(&mut skipped),
                _ if older > 0 => {
                    older -= 1;
                    let _ = write!(crosses, "M{} 22.2l3.6 3.6m0-3.6l-3.6 3.6", left + 1.2);
                    Some(&mut failed)
                }
                _ => None,
            };
            match path {
                // Writing to a string cannot fail.
                Some(path) => {
                    let _ = write!(path, "M{left} {FOOT}v-{height}h{BAR}v{height}z");
                }
                None => bars.push(Bar::new(mark, left, FOOT - height, height)),
            }
        }
        Self { words: words(marks), good, skipped, failed, crosses, bars }
    }
}

impl WideStrip {
    /// Draws a wide strip of builds, given oldest first.
    pub(super) fn of(marks: &[Mark]) -> Self {
        let heights = heights(marks, WIDE_HIGHEST);
        // The newest build is at the right edge, however many builds there are.
        let first = WIDE - (marks.len() as u64).min(WIDE);
        let bar = |(at, (mark, height)): (usize, (&Mark, f64))| {
            let left = (first + at as u64) as f64 * WIDE_STEP + 2.0;
            Bar::new(mark, left, WIDE_FOOT - height, height)
        };
        let bars = marks.iter().zip(heights).enumerate().map(bar).collect();
        Self { words: told(marks), bars, width: WIDE as f64 * WIDE_STEP }
    }
}

impl Bar {
    fn new(mark: &Mark, left: f64, top: f64, height: f64) -> Self {
        let status = Status::of(mark.status);
        let took = mark.took.map(|took| format!(", {}", show_took(took))).unwrap_or_default();
        let class = match mark.status {
            BuildStatus::Successful => "ok",
            BuildStatus::Skipped => "skipped",
            BuildStatus::Failed => "failed",
            BuildStatus::Created | BuildStatus::Running => "running",
        };
        Self { id: mark.id, title: format!("build {}, {}{took}", mark.id, status.word), class, left, top, height }
    }
}

/// Returns the height of each build's bar. The scale is logarithmic, which keeps short builds
/// visible beside long ones.
fn heights(marks: &[Mark], highest: f64) -> Vec<f64> {
    let log = |mark: &Mark| (mark.took.unwrap_or(0) as f64 + 1.0).ln();
    let times = || marks.iter().filter(|mark| mark.status != BuildStatus::Skipped).map(log);
    let (low, high) = (times().fold(f64::MAX, f64::min), times().fold(0.0, f64::max));
    let height = |mark: &Mark| {
        if mark.status == BuildStatus::Skipped {
            return LOWEST;
        }
        // If all builds took about as long, all bars are about half as high.
        let part = (log(mark) - low) / (high - low).max(1.0);
        (LOWEST + highest * (0.45 + part * 0.45)).round().min(highest)
    };
    marks.iter().map(height).collect()
}

fn of_status(marks: &[Mark], status: BuildStatus) -> u64 {
    marks.iter().filter(|mark| mark.status == status).count() as u64
}

fn words(marks: &[Mark]) -> String {
    let all = [BuildStatus::Successful, BuildStatus::Failed, BuildStatus::Skipped, BuildStatus::Running];
    let parts = all.into_iter().map(|status| (of_status(marks, status), Status::of(status).word));
    let parts: Vec<String> = parts.filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    format!("last {}: {}", count(marks.len() as u64, "build", "builds"), parts.join(", "))
}

/// Describes the median duration, and the share of successful builds.
fn told(marks: &[Mark]) -> String {
    let ended = |mark: &&Mark| matches!(mark.status, BuildStatus::Successful | BuildStatus::Failed);
    let mut took: Vec<u64> = marks.iter().filter(ended).filter_map(|mark| mark.took).collect();
    took.sort_unstable();
    let Some(median) = took.get(took.len() / 2) else { return String::new() };
    let good = of_status(marks, BuildStatus::Successful);
    let bad = of_status(marks, BuildStatus::Failed);
    let share = (good * 100).checked_div(good + bad).unwrap_or(0);
    let last = count(good + bad, "build", "builds");
    format!("median {}, {share}% successful of the last {last}", show_took(*median))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(id: u64, status: BuildStatus, took: u64) -> Mark {
        Mark { id, status, took: Some(took) }
    }

    #[test]
    fn a_strip_says_in_words_what_it_shows() {
        let marks = [
            mark(1, BuildStatus::Successful, 100),
            mark(2, BuildStatus::Failed, 1_000_000),
            mark(3, BuildStatus::Skipped, 5),
            Mark { id: 4, status: BuildStatus::Running, took: None },
        ];
        let strip = Strip::of(&marks);
        assert_eq!(strip.words, "last 4 builds: 1 successful, 1 failed, 1 skipped, 1 running");
        assert_eq!(strip.bars.iter().map(|bar| bar.id).collect::<Vec<_>>(), [2, 4], "noteworthy builds have a link");
        assert!(strip.bars.iter().all(|bar| bar.height <= HIGHEST && bar.height >= LOWEST));
        assert_eq!(WideStrip::of(&marks[..2]).words, "median 1s, 50% successful of the last 2 builds");
        assert_eq!(WideStrip::of(&[]).words, "");
        assert_eq!(Strip::of(&[]).bars.len(), 0);
        let failed: Vec<Mark> = (1..=20).map(|id| mark(id, BuildStatus::Failed, 7)).collect();
        let strip = Strip::of(&failed);
        assert_eq!((strip.bars.len(), strip.bars[0].id, strip.crosses.matches('M').count()), (LINKS, 18, 17));
    }

    #[test]
    fn any_times_fit_the_strip() {
        let many: Vec<Mark> = (0..20).map(|id| mark(id, BuildStatus::Failed, u64::MAX >> id)).collect();
        assert!(heights(&many, HIGHEST).into_iter().all(|height| (LOWEST..=HIGHEST).contains(&height)));
    }
}
