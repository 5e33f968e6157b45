//! Events as they happen: server-sent events that continue after the last event a client has seen.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http_body::Frame;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio::time::Sleep;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::client::Client;
use super::super::client::Peer;
use super::super::extract::Query;
use super::super::gate::identify;
use super::super::problem::Problem;
use super::super::problem::ProblemJson;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::state::Web;
use super::builds::known_or_built;
use crate::service::hub::Concern;
use crate::service::hub::Watch;
use crate::service::onlooker::Next;
use crate::service::told::Told;

/// How often a stream without events sends a heartbeat. Proxies close connections that are silent
/// for a minute.
pub(in super::super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// How often to check whether a client may still watch.
const LOOK_AT_RIGHTS: Duration = Duration::from_secs(5);

/// The last event that a client has seen.
pub(in super::super) const LAST_EVENT_ID: &str = "last-event-id";

/// The first line that a client gets: how many milliseconds to wait before it reconnects.
pub(in super::super) const HELLO: &str = "retry: 2000\n";

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(events))
}

/// The events to watch. At most one filter may be given.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// Only events of this job.
    job: Option<String>,
    /// Only events of builds of this run.
    run: Option<u64>,
    /// Only events of this build.
    build: Option<u64>,
}

impl EventsQuery {
    fn concern(self) -> Result<Concern, Problem> {
        match (self.job, self.run, self.build) {
            (None, None, None) => Ok(Concern::All),
            (Some(job), None, None) => Ok(Concern::Job(job.into())),
            (None, Some(run), None) => Ok(Concern::Run(run)),
            (None, None, Some(build)) => Ok(Concern::Build(build)),
            _ => {
                let reason = "`job`, `run` and `build` cannot be combined";
                Err(Problem::new(Sort::Usage, reason).parameter("build", reason))
            }
        }
    }
}

/// Watch events as they happen, as server-sent events. `status`, `progress`, `log` and `reload`
/// carry JSON data. `lost` means that the client was too slow, and gives the number of lost events.
/// `fresh` means that the event of `Last-Event-ID` is no longer known.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "watchEvents",
    params(EventsQuery, ("last-event-id" = Option<String>, Header, description = "The last event seen")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = ProblemJson), (status = 404, body = ProblemJson),
        (status = 503, body = ProblemJson, description = "Too many clients watch events"),
    ),
)]
async fn events(
    State(web): State<Web>,
    Query(query): Query<EventsQuery>,
    Extension(peer): Extension<Peer>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Answer {
    let concern = query.concern()?;
    let after = headers.get(LAST_EVENT_ID).map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let place = web.place()?;
    let is_resumed = after.is_some();
    let watch = web
        .look(move |look| {
            match &concern {
                Concern::All => {}
                Concern::Job(job) => known_or_built(look, job)?,
                Concern::Run(run) => drop(look.storage.get_run(*run)?),
                Concern::Build(build) => drop(look.storage.get_build(*build)?),
            }
            Ok(look.service.events().watch(concern, after.as_deref())?)
        })
        .await?;
    let stream = Stream {
        first: Some(first(&watch, is_resumed)),
        watch,
        heartbeat: Box::pin(tokio::time::sleep(HEARTBEAT)),
        shut_out: Box::pin(shut_out(web, peer, client, headers)),
        _place: place,
    };
    Ok(event_stream(Body::new(stream)))
}

/// Builds the response of an event stream.
pub(in super::super) fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // A proxy that buffers the response would show nothing.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Waits until the client may no longer watch: its token has expired or was revoked, or a token is
/// required now.
pub(in super::super) async fn shut_out(web: Web, peer: Peer, client: Client, headers: HeaderMap) {
    loop {
        tokio::time::sleep(LOOK_AT_RIGHTS).await;
        match identify(&web, peer, &client, headers.clone()).await {
            Ok(caller) if caller.scopes.may_read() => {}
            // An unreadable store does not invalidate a token.
            Err(problem) if problem.sort() != Sort::Unauthorized => {}
            _ => return,
        }
    }
}

/// Returns what a client gets at once: the event to continue from, or the events it has missed.
fn first(watch: &Watch, is_resumed: bool) -> String {
    let mut text = HELLO.to_owned();
    match (is_resumed, watch.is_fresh) {
        (true, true) => event(&mut text, &watch.id(watch.number), "fresh", "{}"),
        (true, false) => text.push('\n'),
        // Without data this is not an event, but the client still learns where to continue.
        (false, _) => {
            let _ = write!(text, "id: {}\n\n", watch.id(watch.number));
        }
    }
    watch.missed.iter().for_each(|missed| told(&mut text, watch, missed));
    text
}

fn told(text: &mut String, watch: &Watch, told: &Told) {
    let shown = told.shown();
    event(text, &watch.id(told.number), shown.name, &shown.data);
}

fn event(text: &mut String, id: &str, name: &str, data: &str) {
    let _ = write!(text, "id: {id}\nevent: {name}\ndata: {data}\n\n");
}

/// The body of an event stream.
struct Stream {
    first: Option<String>,
    watch: Watch,
    heartbeat: Pin<Box<Sleep>>,
    /// Completes once the client may no longer watch.
    shut_out: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Released when the stream is dropped.
    _place: OwnedSemaphorePermit,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return frame(first);
        }
        // Check this first: a client that gets events all the time must be shut out as well.
        if self.shut_out.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        match self.watch.poll(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(all)) => {
                let mut text = String::new();
                for next in all {
                    match next {
                        Next::Event(next) => told(&mut text, &self.watch, &next),
                        Next::Lost(count, last) => {
                            event(&mut text, &self.watch.id(last), "lost", &format!("{{\"lost\":{count}}}"));
                        }
                    }
                }
                self.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT);
                return frame(text);
            }
            Poll::Pending => {}
        }
        match self.heartbeat.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT);
                frame(":\n\n".to_owned())
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

fn frame(text: String) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
    Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::service::hub::Hub;

    async fn stream(shut_out: impl Future<Output = ()> + Send + 'static) -> Stream {
        Stream {
            first: None,
            watch: Hub::in_memory().watch(Concern::All, None).unwrap(),
            heartbeat: Box::pin(tokio::time::sleep(HEARTBEAT)),
            shut_out: Box::pin(shut_out),
            _place: Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_events_says_that_it_is_there() {
        let mut stream = stream(std::future::pending()).await;
        let began = Instant::now();
        for beat in 1..=3 {
            let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((&frame[..], began.elapsed()), (&b":\n\n"[..], HEARTBEAT * beat));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_once_its_client_may_not_watch_any_more() {
        let mut stream = stream(tokio::time::sleep(LOOK_AT_RIGHTS)).await;
        assert!(stream.frame().await.is_none());
    }
}
