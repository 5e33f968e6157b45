//! What changes while a page is open: one stream a tab, of pieces of HTML that the templates of the
//! page have rendered.
//!
//! An event only says that there may be something new: what is sent is what the store has now and
//! the reader has not. So a reader who is slow, or was away, gets the newest state at once, and
//! nothing twice.

use std::convert::Infallible;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::HeaderMap;
use http::Uri;
use http_body::Frame;
use jobcontrol_core::storage::LogFilter;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::api::HEARTBEAT;
use super::super::api::HELLO;
use super::super::api::LAST_EVENT_ID;
use super::super::api::event_stream;
use super::super::api::shut_out;
use super::super::client::Client;
use super::super::client::Peer;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::feed::Parts;
use super::feed::Passing;
use super::feed::Seen;
use super::frame::Mistakes;
use super::frame::Running;
use super::frame::rendered;
use super::log::Line;
use super::log::Lines;
use super::log::LogQuery;
use super::view::View;
use super::view::Wanted;
use super::visit::Visit;
use crate::service::hub::Watch;
use crate::service::onlooker::Next;

/// The shortest time between two looks for one reader, and how much longer than a look it is:
/// however many tabs are open, they take a part of the machine.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_PER_LOOK: u32 = 8;

/// How often a page is looked at whose builds run: how long they have taken is told by the second.
const EACH_SECOND: Duration = Duration::from_secs(1);

/// Records that are sent at once, and how many may be behind: a reader whom a log runs away from is
/// told so.
const AT_ONCE: u64 = 200;
const BEHIND: usize = 5_000;

/// Pieces that wait for a reader who does not take them: what is newer replaces the rest.
const WAITING: usize = 4;

/// What a reader has.
struct Reader {
    web: Web,
    view: View,
    visit: Visit,
    seen: Seen,
    /// The newest record of the log, and its place.
    log: (u64, usize),
    /// The quarter of its progress that was said last.
    quarter: u64,
    /// What the navigation shows.
    frame: Vec<(&'static str, String)>,
}

/// What a look has found.
#[derive(Default)]
struct Found {
    text: String,
    /// Whether something runs, so that its time passes.
    is_running: bool,
    /// Whether there are more records than were sent.
    is_behind: bool,
}

pub(super) async fn stream(
    State(web): State<Web>,
    Extension(peer): Extension<Peer>,
    Extension(client): Extension<Client>,
    visit: Visit,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let Wanted { view, digest, version, after } = Wanted::read(uri.query().unwrap_or_default())?;
    let again = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let is_resumed = again.is_some();
    let log = again.or(after).as_deref().and_then(place).unwrap_or_default();
    let place = web.place()?;
    let concern = view.concern();
    // First of all: what happens from now on is looked for, and what was before is in the store.
    let watch = web.look(move |look| Ok(look.service.events().watch(concern, None)?)).await?;
    let mut reader =
        Reader { web: web.clone(), view, visit, seen: Seen::default(), log, quarter: 0, frame: Vec::new() };
    let mut text = HELLO.to_owned();
    if version.is_some_and(|version| version != env!("CARGO_PKG_VERSION")) {
        event(&mut text, "reload", "{}", None);
    }
    let first = reader.first(if is_resumed { None } else { digest }).await?;
    text.push_str(&first.text);
    // Without data it is no event; a browser that comes back by itself says that it had it, and
    // gets all pieces anew.
    let (record, place_of) = reader.log;
    text.push_str(&format!("id: {record}.{place_of}\n\n"));
    let (sender, receiver) = mpsc::channel(WAITING);
    // Room for it is there: nothing was sent yet.
    let _ = sender.try_send(Bytes::from(text));
    tokio::spawn(async move {
        tokio::select! {
            () = reader.follow(watch, &sender, first.is_running, first.is_behind) => {}
            () = shut_out(web, peer, client, headers) => {}
            () = sender.closed() => {}
        }
        drop(place);
    });
    Ok(event_stream(Body::new(Stream(receiver))))
}

/// The record that an id of ours names, and its place.
fn place(id: &str) -> Option<(u64, usize)> {
    let (record, place) = id.split_once('.')?;
    Some((record.parse().ok()?, place.parse().ok()?))
}

/// Pieces as they come.
pub(super) struct Stream(mpsc::Receiver<Bytes>);

impl Stream {
    pub(super) fn of(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self(pieces)
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Writes an event.
fn event(text: &mut String, name: &str, data: &str, id: Option<(u64, usize)>) {
    if let Some((record, place)) = id {
        text.push_str(&format!("id: {record}.{place}\n"));
    }
    text.push_str(&format!("event: {name}\ndata: {data}\n\n"));
}

/// Writes a piece of the page.
fn patch(text: &mut String, at: &str, how: &str, html: &str, id: Option<(u64, usize)>) {
    let data = serde_json::json!({ "at": at, "how": how, "html": html });
    event(text, "patch", &data.to_string(), id);
}

impl Reader {
    /// Takes the pieces that the page has if its digest is right, or sends all of them.
    async fn first(&mut self, digest: Option<String>) -> Result<Found, Problem> {
        let (parts, _, frame) = self.pieces().await?;
        let is_current = digest.as_ref().is_some_and(|digest| *digest == parts.digest());
        self.seen = Seen::of(digest.as_deref(), &parts);
        let mut found = Found { is_running: true, ..Found::default() };
        self.take(&parts, is_current, frame, &mut found.text);
        self.records(&mut found).await?;
        Ok(found)
    }

    /// Looks, and says what is new.
    async fn look(&mut self) -> Result<Found, Problem> {
        let (parts, Passing { is_running, percent }, frame) = self.pieces().await?;
        let mut found = Found { is_running, ..Found::default() };
        self.take(&parts, false, frame, &mut found.text);
        let quarter = percent.unwrap_or(0) / 25;
        if quarter > self.quarter {
            event(&mut found.text, "say", &format!("{}% done", quarter * 25), None);
        }
        self.quarter = self.quarter.max(quarter);
        self.records(&mut found).await?;
        Ok(found)
    }

    /// The page as it is now, with its navigation.
    async fn pieces(&self) -> Result<(Parts, Passing, Vec<(&'static str, String)>), Problem> {
        let (view, visit) = (self.view.clone(), self.visit.clone());
        // What was not there at first is not followed.
        let was_there = !self.frame.is_empty();
        let look = move |look: &Look<'_>| {
            let mut frame = around(look);
            let (parts, passing) = match view.parts(look, &visit) {
                Err(problem) if was_there && problem.sort() == Sort::NotFound => {
                    frame.push(("gone", rendered(&Gone { why: problem.told().2 })));
                    Default::default()
                }
                parts => {
                    frame.push(("gone", String::new()));
                    parts?
                }
            };
            Ok((parts, passing, frame))
        };
        self.web.look(look).await
    }

    /// Sends what is new in the page and in the navigation; with `is_current` the reader has the
    /// page already.
    fn take(&mut self, parts: &Parts, is_current: bool, frame: Vec<(&'static str, String)>, text: &mut String) {
        for (at, html) in self.seen.take(parts, is_current) {
            patch(text, &at, "html", &html, None);
        }
        for cell in frame.iter().filter(|cell| !self.frame.contains(cell)) {
            patch(text, cell.0, "html", &cell.1, None);
        }
        self.frame = frame;
    }

    /// Sends the records that the reader does not have.
    async fn records(&mut self, found: &mut Found) -> Result<(), Problem> {
        let View::Build(build, query) = &self.view else { return Ok(()) };
        let (build, query, zone, (after, place)) = (*build, query.clone(), self.visit.zone.clone(), self.log);
        let read = move |look: &Look<'_>| records(look, build, &query, after, place, &zone);
        let (new, log) = self.web.look(read).await?;
        self.log = log;
        found.text.push_str(&new.text);
        found.is_behind = new.is_behind;
        Ok(())
    }

    /// Sends what is new until nothing comes any more.
    async fn follow(&mut self, watch: Watch, sender: &mpsc::Sender<Bytes>, mut is_running: bool, mut is_behind: bool) {
        let mut heartbeat = Instant::now() + HEARTBEAT;
        let mut pause = PAUSE;
        loop {
            let next = poll_fn(|context| watch.poll(context));
            let news = tokio::select! {
                next = next => match next {
                    Some(all) => said(&all),
                    None => return,
                },
                () = tokio::time::sleep(EACH_SECOND), if is_running && !is_behind => Vec::new(),
                () = tokio::time::sleep(pause), if is_behind => Vec::new(),
                // Without an event, too: moments to come draw near, and others do what is not told
                // here.
                () = tokio::time::sleep_until(heartbeat) => Vec::new(),
            };
            let began = Instant::now();
            let found = match self.look().await {
                Ok(found) => found,
                // A store that cannot be read now says nothing about the page: the next look may.
                Err(_) => {
                    tokio::time::sleep(EACH_SECOND).await;
                    Found { is_running, is_behind, ..Found::default() }
                }
            };
            pause = PAUSE.max(began.elapsed() * PAUSE_PER_LOOK);
            (is_running, is_behind) = (found.is_running, found.is_behind);
            let mut text = found.text;
            for say in news {
                event(&mut text, "say", &say, None);
            }
            if text.is_empty() && Instant::now() >= heartbeat {
                text.push_str(":\n\n");
            }
            if !text.is_empty() {
                heartbeat = Instant::now() + HEARTBEAT;
                // Whoever takes nothing is waited for, and then gets what is new by then.
                if sender.send(Bytes::from(text)).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// What stands above a page whose job, build or plugin has gone.
#[derive(Template)]
#[template(path = "gone.html")]
struct Gone<'a> {
    why: &'a str,
}

/// What the navigation shows.
fn around(look: &Look<'_>) -> Vec<(&'static str, String)> {
    let jobs = look.current.catalog.graph.dependencies.len().to_string();
    vec![("running", Running::of(look)), ("mistakes", Mistakes::of(look)), ("jobs:count", jobs)]
}

/// Ends of builds in words, for those who hear the page: of many the number alone.
fn said(all: &[Next]) -> Vec<String> {
    let shown = all.iter().filter_map(|next| if let Next::Event(told) = next { told.ended() } else { None });
    let ended: Vec<(String, &str)> = shown.collect();
    match ended.as_slice() {
        [] => Vec::new(),
        [(job, status)] => vec![format!("{job} {status}")],
        many => {
            let failed = many.iter().filter(|(_, status)| *status == "failed").count();
            vec![format!("{} builds ended, {failed} failed", many.len())]
        }
    }
}

/// The records of a build that come after one, as lines of the page, and which the newest is now.
fn records(
    look: &Look<'_>,
    build: u64,
    query: &LogQuery,
    after: u64,
    place: usize,
    zone: &super::times::Zone,
) -> Result<(Found, (u64, usize)), Problem> {
    let choice = query.choice(build)?;
    let text = choice.text.as_ref().map(|text| text.to_lowercase());
    let filter = LogFilter { build_id: Some(build), after: Some(after), ..LogFilter::default() };
    let (mut last, mut place, mut attempt) = (after, place, None);
    let (mut lines, mut is_behind) = (Vec::new(), false);
    look.storage.iter_log_messages(&filter, &mut |record| {
        if lines.len() as u64 == AT_ONCE {
            is_behind = true;
            return ControlFlow::Break(());
        }
        place += 1;
        last = record.id;
        let is_new = attempt.is_some_and(|before| before != record.attempt)
            || (attempt.is_none() && record.attempt > 1 && place == 1);
        attempt = Some(record.attempt);
        if choice.lets_through(&record, text.as_deref()) {
            lines.push(Line::new(&record, place, is_new, zone));
        }
        ControlFlow::Continue(())
    })?;
    if lines.is_empty() {
        return Ok((Found::default(), (last, place)));
    }
    let mut found = Found { is_behind, ..Found::default() };
    if is_behind {
        let ids = look.storage.get_log_ids(&LogFilter { after: Some(last), ..filter })?;
        if ids.len() > BEHIND {
            // The reader would never catch up: the end is what they want to see.
            let skipped = ids.len() - usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
            last = ids[skipped - 1];
            place += skipped;
            let html = format!(
                "<li class=\"sep\"><a href=\"/builds/{build}/log.txt\">{skipped} records are left out here: the raw log has them</a></li>"
            );
            patch(&mut found.text, "log:lines", "append", &Lines { lines }.to_string(), Some((last, place)));
            patch(&mut found.text, "log:lines", "append", &html, None);
            return Ok((found, (last, place)));
        }
    }
    patch(&mut found.text, "log:lines", "append", &Lines { lines }.to_string(), Some((last, place)));
    let said = super::times::count(place as u64, "record", "records");
    patch(&mut found.text, "log:total", "html", &said, None);
    patch(&mut found.text, "log:count", "html", &said, None);
    Ok((found, (last, place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_data_whatever_is_in_it() {
        let mut text = String::new();
        patch(&mut text, "a", "html", "x\n\ny\r\u{2028}\ndata: z", Some((7, 3)));
        assert_eq!(text.matches('\n').count(), 4, "{text}");
        assert!(text.starts_with("id: 7.3\nevent: patch\ndata: {") && text.ends_with("}\n\n"), "{text}");
        assert_eq!((place("7.3"), place("7"), place("x.y")), (Some((7, 3)), None, None));
    }
}
