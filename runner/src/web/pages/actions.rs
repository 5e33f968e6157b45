//! The forms of pages. Each does the same as the API, then redirects to the page with the result.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header::LOCATION;
use http::header::SET_COOKIE;
use jobcontrol_core::storage::Write;
use serde_json::Map;

use super::super::access::Caller;
use super::super::acting;
use super::super::extract::Path;
use super::super::posted::Posted;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::feed::given;
use super::visit::THEME;
use super::visit::theme;
use crate::request::arguments::Given;
use crate::request::ready::Ready;
use crate::request::refusal::Refusal;
use crate::request::rerun::from_failed;
use crate::request::rerun::latest;
use crate::request::rerun::same;
use crate::request::rerun::whole;

/// A year, in seconds.
const YEAR: u64 = 31_536_000;

/// Redirects a browser to another page.
pub(super) fn see_other(to: &str) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::from_str(to).map_err(|_| Problem::new(Sort::Usage, "the address has invalid characters"))?;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}

/// Returns the page of ours to which a form leads, or the list of jobs if the form names another
/// site.
pub(super) fn own_page(to: Option<&str>) -> &str {
    let is_own = |to: &&str| to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n']);
    to.filter(is_own).unwrap_or("/")
}

/// Starts a run. Redirects to the build if the run has only one job, otherwise to the run.
pub(super) fn begun(look: &Look<'_>, caller: &Caller, ready: Ready, armed: &[String]) -> Answer {
    acting::may_start(caller, &ready, armed)?;
    let one = if let [job] = ready.plan.order.as_slice() { Some(job.clone()) } else { None };
    let run = acting::begin(look, caller, ready, None)?;
    let build = match one {
        Some(_) => acting::only_build(look, run)?,
        None => None,
    };
    match build {
        Some(build) => see_other(&format!("/builds/{build}")),
        None => see_other(&format!("/runs/{run}")),
    }
}

/// Returns the protected jobs that a form lists.
pub(super) fn armed(form: &Posted) -> Vec<String> {
    form.all("armed").map(str::to_owned).collect()
}

pub(super) async fn rerun(State(web): State<Web>, caller: Caller, Path(id): Path<u64>, form: Posted) -> Answer {
    web.look(move |look| {
        let build = look.storage.get_build(id)?;
        let nothing = Map::new();
        let given = Given::Values(&nothing);
        let warn = |reason: &str| tracing::warn!(build = id, reason, "rerunning a build");
        let ready = match form.get("how") {
            None | Some("same") => same(look.workspace, look.storage, &build, given, &warn)?,
            Some("latest") => latest(look.workspace, look.storage, &build, given)?,
            Some("from-failed") => {
                let run = build.run.ok_or_else(|| Refusal::failed(format!("build {id} belongs to no run")))?;
                from_failed(look.workspace, look.storage, &look.storage.get_run(run)?)?
            }
            Some(other) => {
                return Err(Problem::new(
                    Sort::Usage,
                    format!("how: `{other}` is not `same`, `latest` or `from-failed`"),
                ));
            }
        };
        begun(look, &caller, ready, &armed(&form))
    })
    .await
}

pub(super) async fn cancel(State(web): State<Web>, caller: Caller, Path(id): Path<u64>, _form: Posted) -> Answer {
    web.look(move |look| {
        acting::cancel_build(look, &caller, id)?;
        see_other(&format!("/builds/{id}"))
    })
    .await
}

pub(super) async fn delete(State(web): State<Web>, caller: Caller, Path(id): Path<u64>, form: Posted) -> Answer {
    web.look(move |look| {
        let job = look.storage.get_build(id)?.job_id;
        acting::delete_build(look, &caller, id, form.has("force"))?;
        see_other(&format!("/builds?{}", given(&[("job", Some(&job))])))
    })
    .await
}

pub(super) async fn cancel_run(State(web): State<Web>, caller: Caller, Path(id): Path<u64>, _form: Posted) -> Answer {
    web.look(move |look| {
        acting::cancel_run(look, &caller, id)?;
        see_other(&format!("/runs/{id}"))
    })
    .await
}

pub(super) async fn start_run(State(web): State<Web>, caller: Caller, Path(id): Path<u64>, _form: Posted) -> Answer {
    web.look(move |look| {
        let run = acting::run_of_caller(look, &caller, id)?;
        if !run.held || run.status.is_some() {
            return Err(Refusal::failed(format!("run {id} is not held back")).into());
        }
        look.storage.write(Write::StartRun(id))?;
        look.service.look();
        see_other(&format!("/runs/{id}"))
    })
    .await
}

pub(super) async fn rerun_run(State(web): State<Web>, caller: Caller, Path(id): Path<u64>, form: Posted) -> Answer {
    web.look(move |look| {
        let run = look.storage.get_run(id)?;
        let ready = match form.get("how") {
            Some("from-failed") => from_failed(look.workspace, look.storage, &run)?,
            _ => whole(look.workspace, look.service.store(), &run)?,
        };
        begun(look, &caller, ready, &armed(&form))
    })
    .await
}

pub(super) async fn look_at_files(State(web): State<Web>, caller: Caller, _form: Posted) -> Answer {
    if !caller.scopes.is_admin() {
        let problem = Problem::new(Sort::Forbidden, "the token may not make the service look at the files");
        return Err(problem.hint("it needs the scope `admin`"));
    }
    web.look(|look| {
        look.service.look_at_files();
        see_other("/reloads")
    })
    .await
}

pub(super) async fn preferences(form: Posted) -> Answer {
    let mut response = see_other(own_page(form.get("to")))?;
    if let Some(theme) = form.get(THEME).and_then(theme) {
        let cookie = format!("{THEME}={theme}; Path=/; Max-Age={YEAR}; SameSite=Strict");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_to_pages_of_ours_alone() {
        assert_eq!(own_page(Some("/jobs/a?x=1")), "/jobs/a?x=1");
        for to in ["//evil.example", "https://evil.example", "/\\evil.example", "", "javascript:alert(1)", "/a\r\nX: y"]
        {
            assert_eq!(own_page(Some(to)), "/", "{to:?}");
        }
        assert_eq!(own_page(None), "/");
    }
}
