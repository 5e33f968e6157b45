//! Changes of an open page: one stream for each tab, with parts of HTML rendered by the page's
//! templates.
//!
//! An event only says that something may have changed. The stream then sends what the store has now
//! and the reader does not have yet. A reader that is slow or was away gets the newest state at
//! once, and nothing twice.

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

/// The shortest pause between two looks for one reader, and how much longer than a look the pause
/// is. This bounds the share of the machine that open tabs take.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_PER_LOOK: u32 = 8;

/// How often to look at a page whose builds are running, because it shows elapsed seconds.
const EACH_SECOND: Duration = Duration::from_secs(1);

/// Most records to send at once, and how many a reader may be behind. A reader further behind skips
/// records and gets a note about it.
const AT_ONCE: u64 = 200;
const BEHIND: usize = 5_000;

/// Most pieces that wait for a slow reader. Newer ones replace the rest.
const WAITING: usize = 4;

/// The state of a reader.
struct Reader {
    web: Web,
    view: View,
    visit: Visit,
    seen: Seen,
    /// The id of the newest log record that the reader has, and its place.
    log: (u64, usize),
    /// The last quarter of the progress that was announced.
    quarter: u64,
    /// The navigation that was sent last.
    frame: Vec<(&'static str, String)>,
}

/// The result of a look.
#[derive(Default)]
struct Found {
    text: String,
    /// Whether something is running, whose elapsed time changes.
    is_running: bool,
    /// Whether more records exist than were sent.
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
    // Watch first: later changes cause an event, and earlier ones are already in the store.
    let watch = web.look(move |look| Ok(look.service.events().watch(concern, None)?)).await?;
    let mut reader =
        Reader { web: web.clone(), view, visit, seen: Seen::default(), log, quarter: 0, frame: Vec::new() };
    let mut text = HELLO.to_owned();
    if version.is_some_and(|version| version != env!("CARGO_PKG_VERSION")) {
        event(&mut text, "reload", "{}", None);
    }
    let first = reader.first(if is_resumed { None } else { digest }).await?;
    text.push_str(&first.text);
    // Without data this is not an event. A browser that reconnects by itself sends this id and gets
    // all parts again.
    let (record, place_of) = reader.log;
    text.push_str(&format!("id: {record}.{place_of}\n\n"));
    let (sender, receiver) = mpsc::channel(WAITING);
    // The channel is empty and has room for it.
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

/// Parses an id of ours: the record, and its place.
fn place(id: &str) -> Option<(u64, usize)> {
    let (record, place) = id.split_once('.')?;
    Some((record.parse().ok()?, place.parse().ok()?))
}

/// A response body that sends pieces as they come.
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

/// Writes a part of the page.
fn patch(text: &mut String, at: &str, how: &str, html: &str, id: Option<(u64, usize)>) {
    let data = serde_json::json!({ "at": at, "how": how, "html": html });
    event(text, "patch", &data.to_string(), id);
}

impl Reader {
    /// Accepts the parts that the page has if its digest is right, or sends all of them.
    async fn first(&mut self, digest: Option<String>) -> Result<Found, Problem> {
        let (parts, _, frame) = self.pieces().await?;
        let is_current = digest.as_ref().is_some_and(|digest| *digest == parts.digest());
        self.seen = Seen::of(digest.as_deref(), &parts);
        let mut found = Found { is_running: true, ..Found::default() };
        self.take(&parts, is_current, frame, &mut found.text);
        self.records(&mut found).await?;
        Ok(found)
    }

    /// Looks for changes and returns what is new.
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

    /// Returns the page as it is now, with its navigation.
    async fn pieces(&self) -> Result<(Parts, Passing, Vec<(&'static str, String)>), Problem> {
        let (view, visit) = (self.view.clone(), self.visit.clone());
        // If the page did not exist at first, there is nothing to follow.
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

    /// Writes what is new in the page and in the navigation. With `is_current` the reader has the
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

    /// Writes the records that the reader does not have.
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

    /// Sends what is new until the events end or the reader is gone.
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
                // Look without an event, too: due times come closer, and other processes cause no
                // events here.
                () = tokio::time::sleep_until(heartbeat) => Vec::new(),
            };
            let began = Instant::now();
            let found = match self.look().await {
                Ok(found) => found,
                // If the store cannot be read now, the next look may succeed.
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
                // Waits for a slow reader; the next look sends the newest state.
                if sender.send(Bytes::from(text)).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// The note above a page whose job, build or plugin no longer exists.
#[derive(Template)]
#[template(path = "gone.html")]
struct Gone<'a> {
    why: &'a str,
}

/// Renders the navigation.
fn around(look: &Look<'_>) -> Vec<(&'static str, String)> {
    let jobs = look.current.catalog.graph.dependencies.len().to_string();
    vec![("running", Running::of(look)), ("mistakes", Mistakes::of(look)), ("jobs:count", jobs)]
}

/// Describes builds that ended, for screen readers. Several builds are only counted.
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

/// Returns the records of a build after a given one, as lines of the page. Also returns the newest
/// record and its place.
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
            // The reader would never catch up, so send the end of the log.
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
