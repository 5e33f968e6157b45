//! Shows the progress of a run: nested bars with log lines above them on a terminal, plain lines
//! elsewhere.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;
use std::time::Instant;

use indicatif::MultiProgress;
use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::event::Ending;
use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::progress::SEPARATOR;

use super::bars::Header;
use super::bars::draw_group;
use super::out::DIM;
use super::out::Out;
use super::out::styled;
use super::page::Page;
use super::text;
use crate::service::bus::Seen;
use crate::show::escape::clean;
use crate::show::escape::one_line;

/// Without a terminal, a group is shown as a line at most this often.
const PLAIN_EVERY: Duration = Duration::from_secs(1);

/// Shows the events of builds.
pub(crate) struct Live<'a> {
    out: &'a Out,
    bars: Option<MultiProgress>,
    builds: HashMap<u64, Running>,
    /// Builds of other processes.
    elsewhere: HashSet<u64>,
}

struct Running {
    since: Instant,
    header: Option<ProgressBar>,
    /// Groups in the order of their first report: name, bar, and when it was last shown as a line.
    groups: Vec<(String, Option<ProgressBar>, Instant)>,
}

impl<'a> Live<'a> {
    pub(crate) fn new(out: &'a Out) -> Self {
        let bars = out.is_watched().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { out, bars, builds: HashMap::new(), elsewhere: HashSet::new() }
    }

    /// Shows an event that a watcher saw.
    pub(crate) fn show(&mut self, seen: &Seen) {
        match seen {
            Seen::Event(event) => {
                // A build that was taken over belongs to this process from then on.
                if !matches!(event.kind, EventKind::Shared) {
                    self.elsewhere.remove(&event.build_id);
                }
                self.event(event);
            }
            Seen::Elsewhere(event) => {
                self.elsewhere.insert(event.build_id);
                self.event(event);
            }
            Seen::Lost(count) => {
                let lost = format!("{count} events were not shown as they happened; the stored ones follow");
                self.say(styled(DIM, lost));
            }
        }
    }

    fn event(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Created if self.out.verbose => {
                self.say(format!("{} waits for a slot", self.named(event)));
            }
            EventKind::Created => {}
            EventKind::Waits { .. } | EventKind::Shared | EventKind::Compiling { .. } if self.out.quiet => {}
            EventKind::Compiling { plugin, bytes } => {
                let mib = *bytes as f64 / f64::from(1 << 20);
                let job = &event.job_id;
                self.say(format!(
                    "{job}: compiling `{}` ({mib:.1} MiB), once for each version of it",
                    one_line(plugin)
                ));
            }
            EventKind::Shared => {
                self.say(format!("{}: waits for the same build {} of another run", event.job_id, event.build_id));
            }
            EventKind::Waits { reason } => {
                self.say(format!("{} waits for {}", self.named(event), one_line(reason)));
            }
            EventKind::Started => self.started(event),
            EventKind::AttemptFailed { attempt, of, failure, took, delay } => {
                let took = show_took(*took);
                let wait = show_took(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX));
                let failed = format!("attempt {attempt} of {of} failed in {took}: {}", text::failure_line(failure));
                self.attempt_failed(event, &format!("{failed}; attempt {} follows in {wait}", attempt + 1));
                self.waits(event, (attempt + 1, *of), *delay);
            }
            EventKind::TakenOver { attempt, of, delay } => {
                self.enter(event);
                if self.bars.is_none() && !self.out.quiet {
                    let wait = show_took(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX));
                    let taken = format!("is taken over; attempt {attempt} of {of} follows in {wait}");
                    self.say(format!("{} {taken}", self.named(event)));
                }
                self.waits(event, (*attempt, *of), *delay);
            }
            EventKind::AttemptStarted { attempt, of } => self.attempt_started(event, *attempt, *of),
            EventKind::Logged { record, .. } => self.logged(event, record),
            EventKind::Progressed(groups) => groups.iter().for_each(|group| self.progressed(event, group)),
            EventKind::Finished { ending, took } => self.finished(event, ending, *took),
        }
    }

    /// Returns how a build is named in messages.
    fn named(&self, event: &Event) -> String {
        let whose = if self.elsewhere.contains(&event.build_id) { " (another process)" } else { "" };
        format!("{}: build {}{whose}", event.job_id, event.build_id)
    }

    fn say(&self, page: impl Into<Page>) {
        match &self.bars {
            Some(bars) => bars.suspend(|| self.out.say(page)),
            None => self.out.say(page),
        }
    }

    fn started(&mut self, event: &Event) {
        if self.bars.is_none() && !self.out.quiet {
            self.say(format!("{} started", self.named(event)));
        }
        self.enter(event);
    }

    fn enter(&mut self, event: &Event) {
        let header = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            header(event, None, None).draw(&bar);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        self.builds.insert(event.build_id, Running { since: Instant::now(), header, groups: Vec::new() });
    }

    fn attempt_failed(&mut self, event: &Event, line: &str) {
        if let Some(build) = self.builds.get_mut(&event.build_id) {
            for bar in build.groups.drain(..).filter_map(|(_, bar, _)| bar) {
                bar.finish_and_clear();
                if let Some(bars) = &self.bars {
                    bars.remove(&bar);
                }
            }
        }
        if !self.out.quiet {
            self.say(format!("{} {line}", self.named(event)));
        }
    }

    fn waits(&self, event: &Event, attempt: (u32, u32), delay: Duration) {
        if let Some(bar) = self.builds.get(&event.build_id).and_then(|build| build.header.as_ref()) {
            header(event, Some(attempt), Instant::now().checked_add(delay)).draw(bar);
        }
    }

    fn attempt_started(&mut self, event: &Event, attempt: u32, of: u32) {
        match self.builds.get(&event.build_id).and_then(|build| build.header.as_ref()) {
            Some(bar) => header(event, Some((attempt, of)), None).draw(bar),
            None if self.out.quiet => {}
            None => self.say(format!("{} attempt {attempt} of {of} started", self.named(event))),
        }
    }

    fn logged(&self, event: &Event, record: &NewRecord) {
        let worth = self.out.verbose || record.level >= Level::Info as i64;
        if worth && !self.out.quiet {
            self.say(text::record(&format!("{} ", styled(DIM, &event.job_id)), record));
        }
    }

    fn progressed(&mut self, event: &Event, report: &Progress) {
        if self.out.quiet {
            return;
        }
        let bars = self.bars.clone();
        let Some(build) = self.builds.get_mut(&event.build_id) else { return };
        let at = build.groups.iter().position(|(name, ..)| *name == report.group_name);
        let at = at.unwrap_or_else(|| {
            let bar = bars.as_ref().map(|bars| {
                let (place, last) = place_of(build, &report.group_name);
                let bar = match last {
                    Some(last) => bars.insert_after(last, ProgressBar::new(0)),
                    None => bars.add(ProgressBar::new(0)),
                };
                build.groups.insert(place, (report.group_name.clone(), None, build.since));
                (place, bar)
            });
            match bar {
                Some((place, bar)) => {
                    build.groups[place].1 = Some(bar);
                    place
                }
                None => {
                    build.groups.push((report.group_name.clone(), None, build.since));
                    build.groups.len() - 1
                }
            }
        });
        let done = report.total > 0 && report.current >= report.total;
        if let Some(bar) = &build.groups[at].1 {
            draw_group(bar, report);
        } else if done || build.groups[at].2.elapsed() >= PLAIN_EVERY {
            build.groups[at].2 = Instant::now();
            let group = if report.group_name.is_empty() { "all" } else { &report.group_name };
            let total = if report.total == 0 { String::new() } else { format!(" of {}", report.total) };
            let line = format!("{}: {group} {}{total} {}", event.job_id, report.current, report.status_line);
            self.out.say(one_line(&line).trim_end());
        }
    }

    fn finished(&mut self, event: &Event, ending: &Ending, took: u64) {
        // A build that was taken over may end without having started here.
        let build = self.builds.remove(&event.build_id);
        let bars = build
            .iter()
            .flat_map(|build| build.groups.iter().filter_map(|(_, bar, _)| bar.as_ref()).chain(&build.header));
        for bar in bars {
            bar.finish_and_clear();
            if let Some(bars) = &self.bars {
                bars.remove(bar);
            }
        }
        let took = show_took(took);
        let status = ending.status();
        let reason = match ending {
            Ending::Skipped(reason) => format!(": {}", clean(reason)),
            _ => String::new(),
        };
        let ended = format!("{} {} in {took}{reason}", self.named(event), text::build_status(status));
        let ours = !self.elsewhere.contains(&event.build_id);
        if let (true, BuildStatus::Failed, Ending::Failed(failure)) = (ours, status, ending) {
            // A failure is shown even with `--quiet`, below the line that names the build.
            let mut page = Page::from(ended);
            page.below(&text::failure(failure, &failure.frames));
            self.say(page);
        } else if !self.out.quiet {
            self.say(ended);
        }
    }
}

fn header(event: &Event, attempt: Option<(u32, u32)>, due: Option<Instant>) -> Header {
    Header { job: event.job_id.to_string(), build: event.build_id, attempt, due }
}

/// Returns where a new group goes: after the groups that it belongs to, and before the ones after
/// them.
fn place_of<'b>(build: &'b Running, name: &str) -> (usize, Option<&'b ProgressBar>) {
    let parent = name.rsplit_once(SEPARATOR).map_or("", |(parent, _)| parent);
    let inside = |other: &str| {
        parent.is_empty()
            || other == parent
            || other.strip_prefix(parent).is_some_and(|rest| rest.starts_with(SEPARATOR))
    };
    let place = build.groups.iter().rposition(|(other, ..)| inside(other)).map_or(build.groups.len(), |at| at + 1);
    let before = build.groups[..place].iter().rev().find_map(|(_, bar, _)| bar.as_ref());
    (place, before.or(build.header.as_ref()))
}
