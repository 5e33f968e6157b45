//! Reloads of the jobs folder: the changes to each job, and the mistakes as the compiler prints
//! them.

use askama::Template;
use axum::extract::State;
use jobcontrol_core::reload::Problem as Mistake;
use jobcontrol_core::storage::ReloadRow;
use serde::Deserialize;

use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::feed::Parts;
use super::frame::Frame;
use super::frame::ok;
use super::row::line;
use super::row::names;
use super::times::Time;
use super::times::count;
use super::visit::Visit;

/// Reloads on one page, and most changes and mistakes to show for each.
const SHOWN: u64 = 50;
const CHANGES: usize = 40;
const MISTAKES: usize = 10;

/// Where the list continues.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReloadsQuery {
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "reloads.html")]
struct Page {
    frame: Frame,
    list: List,
    csrf: String,
    is_admin: bool,
}

#[derive(Template)]
#[template(path = "reloads_list.html")]
struct List {
    now: Vec<Diagnostic>,
    last_good: String,
    entries: Vec<Entry>,
    next: Option<u64>,
}

/// A reload.
struct Entry {
    id: u64,
    time: Time,
    is_bad: bool,
    headline: String,
    soft: String,
    changes: Vec<Change>,
    more: usize,
    mistakes: Vec<Diagnostic>,
    more_mistakes: usize,
}

struct Change {
    class: &'static str,
    sign: &'static str,
    word: &'static str,
    text: String,
}

/// A mistake with its line.
#[derive(Template)]
#[template(path = "diagnostic.html")]
pub(super) struct Diagnostic {
    code: String,
    message: String,
    place: String,
    number: String,
    /// Spaces below the line number.
    margin: String,
    text: String,
    /// Spaces before the mark below the line.
    before: String,
    help: Vec<String>,
}

pub(super) async fn page(State(web): State<Web>, Query(query): Query<ReloadsQuery>, visit: Visit) -> Answer {
    web.look(move |look| {
        let frame = Frame::new(look, "reloads", &visit);
        let list = List::read(look, &query, &visit)?;
        let before = query.before.map(|before| before.to_string());
        let frame = frame.fed(list.parts().feed("reloads", &[("before", before.as_deref())]));
        ok(&Page { frame, list, csrf: visit.csrf.clone(), is_admin: visit.is_admin() })
    })
    .await
}

/// Returns the parts of the page that change.
pub(super) fn parts(look: &Look<'_>, query: &ReloadsQuery, visit: &Visit) -> Result<Parts, Problem> {
    Ok(List::read(look, query, visit)?.parts())
}

impl List {
    fn read(look: &Look<'_>, query: &ReloadsQuery, visit: &Visit) -> Result<Self, Problem> {
        let rows = look.storage.get_reloads(query.before, SHOWN)?;
        let now = look.storage.clock().now();
        let current = jobcontrol_core::reload::Reload::default().with_problems(&look.current.problems);
        let current = if query.before.is_none() { current.problems } else { Vec::new() };
        Ok(Self {
            now: current.iter().take(MISTAKES).map(Diagnostic::of).collect(),
            last_good: names(&look.current.last_good),
            next: rows.last().map(|row| row.id).filter(|_| rows.len() as u64 == SHOWN),
            entries: rows.iter().map(|row| Entry::of(row, visit, now)).collect(),
        })
    }

    fn parts(&self) -> Parts {
        Parts::one("reloads", self)
    }
}

impl Entry {
    fn of(row: &ReloadRow, visit: &Visit, now: jobcontrol_core::clock::Timestamp) -> Self {
        let reload = &row.reload;
        let files = match reload.files.as_slice() {
            [] if reload.first => "The first look at the files".to_owned(),
            [] => "A look".to_owned(),
            [one] => line(one),
            [one, other] => format!("{} and {}", line(one), line(other)),
            all => count(all.len() as u64, "file", "files"),
        };
        let mut changes: Vec<Change> = Vec::new();
        let change = |class, sign, word, text: &str| Change { class, sign, word, text: line(text) };
        // All jobs are new to a service that has just started.
        if !reload.first {
            changes.extend(reload.added.iter().map(|job| change("add", "+", "new", job)));
            changes.extend(reload.removed.iter().map(|job| change("del", "−", "gone", job)));
        }
        for altered in &reload.altered {
            let texts = altered.changes.iter().map(|text| format!("{}  {}", altered.job, short(text)));
            changes.extend(texts.map(|text| change("mod", "~", "changed", &text)));
        }
        let more = changes.len().saturating_sub(CHANGES);
        changes.truncate(CHANGES);
        let errors = reload.errors;
        let headline = if errors == 0 { files } else { format!("{} in {files}", count(errors, "mistake", "mistakes")) };
        let mut soft = vec![count(reload.jobs, "job", "jobs")];
        if !reload.last_good.is_empty() {
            soft.push(format!("the last good versions of {} stay in use", names(&reload.last_good)));
        }
        Self {
            id: row.id,
            time: visit.zone.clock(row.created, now),
            is_bad: errors > 0,
            headline,
            soft: soft.join("; "),
            changes,
            more,
            mistakes: reload.problems.iter().take(MISTAKES).map(Diagnostic::of).collect(),
            more_mistakes: usize::try_from(errors).unwrap_or(usize::MAX).saturating_sub(MISTAKES),
        }
    }
}

/// Shortens the description of a change: `kwargs.top: 3 -> 5`.
fn short(text: &str) -> String {
    let key = text.strip_prefix('`').and_then(|rest| rest.split_once("` has changed: "));
    key.map_or_else(|| text.to_owned(), |(key, change)| format!("{key}: {change}"))
}

impl Diagnostic {
    /// Formats a mistake of a reload.
    pub(super) fn of(problem: &Mistake) -> Self {
        let number = problem.line.map(|line| line.to_string()).unwrap_or_default();
        let place = match (&problem.file, problem.line, problem.column) {
            (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            (Some(file), ..) => file.clone(),
            _ => String::new(),
        };
        let column = usize::try_from(problem.column.unwrap_or(1)).unwrap_or(1);
        Self {
            code: line(&problem.code),
            message: line(&problem.message),
            place: line(&place),
            margin: " ".repeat(number.len()),
            number,
            text: problem.text.as_deref().map(line).unwrap_or_default(),
            before: " ".repeat(column.saturating_sub(1).min(160)),
            help: problem.help.iter().map(|help| line(help)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_by_its_key() {
        assert_eq!(short("`kwargs.top` has changed: 3 -> 5"), "kwargs.top: 3 -> 5");
        assert_eq!(short("the plugin: sha256:a -> sha256:b"), "the plugin: sha256:a -> sha256:b");
    }
}
