//! The log of a build. A short log is on the page as a whole. Of a long one the page shows a window
//! that scripts move.

use std::ops::ControlFlow;

use askama::Template;
use jobcontrol_core::event::Level;
use jobcontrol_core::storage::LogCounts;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogMap;
use jobcontrol_core::storage::LogRecord;
use serde::Deserialize;

use super::super::kept_logs::LogChoice;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::state::Look;
use super::super::state::Web;
use super::failure::cut;
use super::feed::given;
use super::frame::rendered;
use super::row::line;
use super::times::Zone;
use super::times::count;
use super::times::thousands;
use crate::show::escape::one_line;

/// Most records to put on the page as a whole, where the browser's own search finds them.
const WHOLE: usize = 5_000;
/// Records of a chunk, and of the window that is shown without scripts.
pub(super) const CHUNK: usize = 200;
/// Most characters of a record's message, and of each value. The raw log has everything.
const MESSAGE: usize = 4_000;
const FIELD: usize = 500;

/// The records to show.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    pub(super) level: Option<String>,
    pub(super) q: Option<String>,
    pub(super) attempt: Option<u32>,
    /// Only this chunk of the records.
    pub(super) chunk: Option<usize>,
    /// How the return value is shown.
    #[serde(rename = "as")]
    pub(super) shown_as: Option<String>,
}

impl LogQuery {
    /// Returns the chosen records of a build.
    pub(super) fn choice(&self, build: u64) -> Result<LogChoice, Problem> {
        let level = self.level.as_deref().filter(|level| !level.is_empty()).map(Level::parse).transpose();
        let min_level = level.map_err(|reason| Problem::new(Sort::Usage, reason.clone()).parameter("level", reason))?;
        let text = self.q.clone().filter(|text| !text.is_empty());
        Ok(LogChoice { build, min_level: min_level.filter(|level| *level > 10), text, attempt: self.attempt })
    }

    /// Returns the query parameters.
    pub(super) fn own(&self) -> String {
        let attempt = self.attempt.map(|attempt| attempt.to_string());
        given(&[("level", self.level.as_deref()), ("q", self.q.as_deref()), ("attempt", attempt.as_deref())])
    }
}

/// A log on a page.
#[derive(Template)]
#[template(path = "log.html")]
pub(super) struct Log {
    build: u64,
    lines: Lines,
    /// How many records there are, and how many of them are shown, in words.
    said: String,
    total: usize,
    /// Whether scripts move a window over it.
    is_long: bool,
    is_open: bool,
    query: String,
    level: i64,
    /// Query parameters of the links that choose a level.
    kept: String,
    own: String,
    map: String,
    /// Why no records are shown.
    nothing: &'static str,
    /// The newest record and its place, from which the changes of the page continue.
    pub(super) seen: String,
}

/// A sequence of records.
#[derive(Template)]
#[template(path = "log_lines.html")]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
}

/// A record in the log.
pub(super) struct Line {
    pub(super) number: usize,
    /// The attempt that begins with this record, if there are several attempts.
    attempt: Option<u32>,
    class: &'static str,
    icon: &'static str,
    iso: String,
    clock: String,
    short: String,
    level: &'static str,
    target: String,
    message: String,
    fields: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "log_map.html")]
struct Map {
    /// Each bar: its class, left edge, top and height.
    bars: Vec<(&'static str, f64, f64, f64)>,
    /// The number of the first record of each part.
    firsts: String,
    words: String,
}

impl Log {
    /// Reads the log of a build.
    pub(super) fn read(
        web: &Web,
        look: &Look<'_>,
        query: &LogQuery,
        build: u64,
        zone: &Zone,
        has_ended: bool,
    ) -> Result<Self, Problem> {
        let choice = query.choice(build)?;
        let all = web.logs().ids(look.storage, &LogChoice::all(build))?;
        let is_all = choice == LogChoice::all(build);
        let chosen = if is_all { all.clone() } else { web.logs().ids(look.storage, &choice)? };
        let is_long = chosen.len() > WHOLE;
        let shown = if is_long { &chosen[chosen.len() - CHUNK..] } else { &chosen[..] };
        let lines = Lines::read(look, build, &all, shown, zone)?;
        let map = web.logs().map(look.storage, build, has_ended)?;
        let said = match is_all {
            true => count(all.len() as u64, "record", "records"),
            false => format!("{} of {}", thousands(chosen.len() as u64), count(all.len() as u64, "record", "records")),
        };
        Ok(Self {
            build,
            lines,
            said,
            total: chosen.len(),
            is_long,
            is_open: !has_ended,
            query: query.q.clone().unwrap_or_default(),
            level: choice.min_level.unwrap_or(0),
            kept: LogQuery { level: None, ..query.clone() }.own(),
            own: query.own(),
            map: if all.is_empty() { String::new() } else { rendered(&Map::of(&map)) },
            seen: format!("{}.{}", all.last().copied().unwrap_or(0), all.len()),
            nothing: if is_all { "The log is empty." } else { "No record matches." },
        })
    }

    /// Returns the levels to choose from: the value, the word, and whether it is chosen.
    fn levels(&self) -> [(&'static str, &'static str, bool); 4] {
        let is = |from: i64, to: i64| (from..to).contains(&self.level);
        [
            ("", "All", is(0, 20)),
            ("info", "Info", is(20, 30)),
            ("warning", "Warning", is(30, 40)),
            ("error", "Error", is(40, i64::MAX)),
        ]
    }

    /// Returns how many records there are, in words.
    pub(super) fn said(&self) -> &str {
        &self.said
    }
}

impl Lines {
    /// Reads the records with these ids. `all` has the ids of all records of the build.
    pub(super) fn read(look: &Look<'_>, build: u64, all: &[u64], ids: &[u64], zone: &Zone) -> Result<Self, Problem> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(Self { lines: Vec::new() }) };
        let start = all.binary_search(first).unwrap_or_else(|at| at);
        let in_a_row = all.get(start..start + ids.len()) == Some(ids);
        let mut records = Vec::with_capacity(ids.len());
        let mut read = |after: u64, many: usize| {
            let filter = LogFilter { build_id: Some(build), after: Some(after), ..LogFilter::default() };
            let mut left = many;
            look.storage.iter_log_messages(&filter, &mut |record| {
                if record.id > *last || left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                records.push(record);
                ControlFlow::Continue(())
            })
        };
        if in_a_row {
            read(first - 1, ids.len())?;
        } else {
            ids.iter().try_for_each(|id| read(id - 1, 1))?;
        }
        let mut attempt = None;
        let mut lines = Vec::with_capacity(records.len());
        for record in &records {
            let number = all.binary_search(&record.id).map_or_else(|at| at, |at| at + 1);
            let begins = attempt.is_none_or(|attempt| attempt != record.attempt) && record.attempt > 0;
            // A single attempt needs no line to announce it.
            let is_new = begins && (record.attempt > 1 || attempt.is_some_and(|before| before > 0));
            attempt = Some(record.attempt);
            lines.push(Line::new(record, number, is_new, zone));
        }
        Ok(Self { lines })
    }
}

impl Line {
    /// Builds the line of a record at its place in the log.
    pub(super) fn new(record: &LogRecord, number: usize, begins_attempt: bool, zone: &Zone) -> Self {
        let (attempt, record) = (record.attempt, &record.record);
        let (class, icon) = match record.level {
            40.. => ("is-error", "err"),
            30.. => ("is-warning", "warn"),
            20.. => ("", ""),
            _ => ("is-debug", ""),
        };
        let fields = record.fields.iter().map(|(name, value)| (one_line(name), one_line(&cut(value, FIELD))));
        Self {
            number,
            attempt: begins_attempt.then_some(attempt),
            class,
            icon,
            iso: zone.show(record.created, "%Y-%m-%dT%H:%M:%S%.3f%:z"),
            clock: zone.show(record.created, "%H:%M:%S%.3f"),
            short: zone.show(record.created, "%M:%S"),
            level: Level::name_of(record.level),
            target: line(&record.target),
            message: cut(&record.message, MESSAGE),
            fields: fields.collect(),
        }
    }
}

/// Pixels of the map: the width of a part, its base line, and the height of the highest part.
const PART: f64 = 6.0;
const FOOT: f64 = 26.0;
const HIGHEST: f64 = 18.0;

impl Map {
    fn of(map: &LogMap) -> Self {
        let most = map.buckets.iter().map(LogCounts::total).max().unwrap_or(0).max(1) as f64;
        let (mut bars, mut firsts, mut first) = (Vec::new(), Vec::new(), 1);
        for (at, counts) in map.buckets.iter().enumerate() {
            let left = at as f64 * PART + 1.0;
            firsts.push(first.to_string());
            first += counts.total();
            if counts.total() == 0 {
                continue;
            }
            // A part with one record must be visible beside one with thousands.
            let height = ((counts.total() as f64 / most).sqrt() * HIGHEST).max(3.0).round();
            bars.push(("d", left, FOOT - height, height));
            if counts.warning > 0 {
                bars.push(("w", left, FOOT - HIGHEST, HIGHEST));
            }
            if counts.error > 0 {
                bars.push(("e", left, 3.0, FOOT - 3.0));
            }
        }
        let all = map.counts();
        let errors = if all.error == 0 { "no error".to_owned() } else { count(all.error, "error", "errors") };
        let words = format!("Where the records are: {errors}, {}", count(all.warning, "warning", "warnings"));
        Self { bars, firsts: firsts.join(","), words }
    }
}
