//! Logs and return values as complete files. A browser never executes them.

use std::ops::ControlFlow;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use http::header::CONTENT_DISPOSITION;
use jobcontrol_core::event::Level;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::value::Json;
use tokio::sync::mpsc;

use super::super::extract::Path;
use super::super::extract::Query;
use super::super::kept_logs::LogChoice;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::state::Web;
use super::build::yaml;
use super::frame::sent;
use super::live::Stream;
use super::log::CHUNK;
use super::log::Lines;
use super::log::LogQuery;
use super::visit::Visit;
use crate::show::escape::clean;
use crate::show::escape::one_line;
use crate::show::json::RecordJson;

/// Bytes of a log that are sent at once.
const PIECE: usize = 64 << 10;
/// Most pieces that wait for a slow reader.
const WAITING: usize = 8;

/// Sends a part of a long log as lines of the page.
pub(super) async fn chunk(
    State(web): State<Web>,
    Path(id): Path<u64>,
    Query(query): Query<LogQuery>,
    visit: Visit,
) -> Answer {
    let shared = web.clone();
    web.look(move |look| {
        let reason = "`chunk` is missing";
        let at = query.chunk.ok_or_else(|| Problem::new(Sort::Usage, reason).parameter("chunk", reason))?;
        look.storage.get_build(id)?;
        let all = shared.logs().ids(look.storage, &LogChoice::all(id))?;
        let choice = query.choice(id)?;
        let chosen =
            if choice == LogChoice::all(id) { all.clone() } else { shared.logs().ids(look.storage, &choice)? };
        let start = at.saturating_mul(CHUNK).min(chosen.len());
        let ids = &chosen[start..chosen.len().min(start + CHUNK)];
        let lines = Lines::read(look, id, &all, ids, &visit.zone)?;
        let mut response = sent(lines.to_string(), "text/html; charset=utf-8", StatusCode::OK);
        if ids.len() == CHUNK {
            // A full chunk never changes.
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
        }
        Ok(response)
    })
    .await
}

pub(super) async fn log_text(State(web): State<Web>, Path(id): Path<u64>) -> Answer {
    log(web, id, "text/plain; charset=utf-8", "txt", |record| {
        let (level, record) = (Level::name_of(record.record.level), &record.record);
        let fields: String =
            record.fields.iter().map(|(name, value)| format!(" {}={}", one_line(name), one_line(value))).collect();
        let target = if record.target.is_empty() { String::new() } else { format!(" {}:", one_line(&record.target)) };
        format!("{} {level:<8}{target} {}{fields}\n", record.created, clean(&record.message))
    })
    .await
}

pub(super) async fn log_lines(State(web): State<Web>, Path(id): Path<u64>) -> Answer {
    log(web, id, "application/jsonl; charset=utf-8", "jsonl", |record| {
        serde_json::to_string(&RecordJson::new(record)).unwrap_or_default() + "\n"
    })
    .await
}

/// Sends a whole log in pieces, because it may be too large for memory.
async fn log(web: Web, id: u64, kind: &'static str, ending: &str, line: fn(&LogRecord) -> String) -> Answer {
    web.look(move |look| Ok(look.storage.get_build(id)?.id)).await?;
    let (sender, receiver) = mpsc::channel::<Bytes>(WAITING);
    tokio::spawn(async move {
        let read = web.look(move |look| {
            let mut piece = String::new();
            let filter = LogFilter { build_id: Some(id), ..LogFilter::default() };
            look.storage.iter_log_messages(&filter, &mut |record| {
                piece.push_str(&line(&record));
                if piece.len() < PIECE {
                    return ControlFlow::Continue(());
                }
                match sender.blocking_send(Bytes::from(std::mem::take(&mut piece))) {
                    Ok(()) => ControlFlow::Continue(()),
                    // The reader is gone.
                    Err(_) => ControlFlow::Break(()),
                }
            })?;
            let _ = sender.blocking_send(Bytes::from(piece));
            Ok(())
        });
        if let Err(problem) = read.await {
            tracing::warn!(build = id, reason = problem.told().2, "a log was not sent completely");
        }
    });
    let mut response = sent(String::new(), kind, StatusCode::OK);
    *response.body_mut() = Body::new(Stream::of(receiver));
    as_file(&mut response, &format!("build-{id}.{ending}"), ending != "txt");
    Ok(response)
}

pub(super) async fn retval_json(State(web): State<Web>, Path(id): Path<u64>) -> Answer {
    retval(web, id, "json").await
}

pub(super) async fn retval_yaml(State(web): State<Web>, Path(id): Path<u64>) -> Answer {
    retval(web, id, "yaml").await
}

async fn retval(web: Web, id: u64, ending: &'static str) -> Answer {
    web.look(move |look| {
        let build = look.storage.get_build(id)?;
        let nothing = || Problem::new(Sort::NotFound, format!("build {id} returned nothing"));
        let value = build.retval.as_ref().ok_or_else(nothing)?;
        let (text, kind) = match ending {
            "json" => (serde_json::to_string_pretty(&Json(value)).unwrap_or_default(), "application/json"),
            _ => (yaml(value), "application/yaml"),
        };
        let mut response = sent(text, kind, StatusCode::OK);
        as_file(&mut response, &format!("{}-{id}.{ending}", build.job_id), true);
        Ok(response)
    })
    .await
}

/// Names the file of a response. With `keep` the browser saves the file instead of showing it.
fn as_file(response: &mut Response, name: &str, keep: bool) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.chars().filter(|c| plain(*c)).collect();
    let how = if keep { "attachment" } else { "inline" };
    if let Ok(value) = HeaderValue::from_str(&format!("{how}; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
}
