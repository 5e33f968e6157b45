//! The form that runs a job with other arguments, or with other builds of its dependencies. Its
//! fields come from the function's types. A manifest or a build fills them in.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::job::Reference;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::types::Type;
use jobcontrol_core::value::RETVAL_KEY;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value as Json;

use super::super::access::Caller;
use super::super::acting;
use super::super::extract::Path;
use super::super::extract::Query;
use super::super::posted::Posted;
use super::super::problem::Problem;
use super::super::problem::pointer;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::actions::armed;
use super::actions::begun;
use super::fields::Field;
use super::fields::Input;
use super::fields::Wrong;
use super::fields::changed;
use super::fields::typed;
use super::frame::Frame;
use super::frame::html;
use super::job_head::Head;
use super::row::docs;
use super::row::line;
use super::times::ago;
use super::visit::Visit;
use crate::execute::pins::fit;
use crate::execute::pins::usable;
use crate::request::form::Form;
use crate::request::run::RunAsk;
use crate::request::run::run_with;
use crate::request::standing::standings_of;
use crate::request::targets::sound;

/// Most builds of a dependency to choose from.
const BUILDS: u64 = 10;

/// The build that fills in the form.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FormQuery {
    from: Option<u64>,
    /// Shows every argument as YAML.
    yaml: Option<String>,
}

#[derive(Template)]
#[template(path = "run_form.html")]
struct Page {
    frame: Frame,
    id: String,
    head: Head,
    docs: String,
    arguments: Vec<Argument>,
    /// Each mistake, with the field where it is shown.
    wrong: Vec<(String, String)>,
    hints: Vec<String>,
    deps: bool,
    revdeps: bool,
    protected: bool,
    may_run: bool,
    command: String,
    yaml: String,
    as_yaml: bool,
    from: Option<u64>,
    sources: Vec<(u64, String)>,
    csrf: String,
}

/// An argument of the job.
struct Argument {
    name: String,
    kind: String,
    field: Field,
    is_edited: bool,
    /// The value in the manifest, if the manifest has one.
    manifest: Option<String>,
    /// The values from other jobs, if the manifest refers to any.
    given: Option<Given>,
}

/// An argument that other jobs or a secret fill in.
struct Given {
    /// The text in the manifest.
    text: String,
    /// Whether the manifest's text is kept.
    is_kept: bool,
    /// The jobs, each with the builds that can be used.
    jobs: Vec<(String, Vec<Choice>)>,
}

/// A build of a dependency.
struct Choice {
    build: u64,
    text: String,
    is_chosen: bool,
    /// Whether the build fits.
    fits: bool,
}

/// What a person filled in, as far as it can be parsed.
#[derive(Default)]
struct Filled {
    values: BTreeMap<String, Json>,
    /// The arguments that keep the manifest's text.
    kept: Vec<String>,
    pins: BTreeMap<String, u64>,
    wrong: Vec<(String, String)>,
    hints: Vec<String>,
}

pub(super) async fn page(
    State(web): State<Web>,
    Path(id): Path<String>,
    Query(query): Query<FormQuery>,
    visit: Visit,
) -> Answer {
    web.look(move |look| {
        let checked = checked(look, &id)?;
        let filled = filled_from(look, checked, query.from)?;
        shown(look, checked, &filled, &Choices { deps: true, ..Choices::of(&query) }, &visit, StatusCode::OK)
    })
    .await
}

pub(super) async fn run(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<FormQuery>,
    visit: Visit,
    form: Posted,
) -> Answer {
    web.look(move |look| {
        let checked = checked(look, &id)?;
        acting::may_run(&caller, [id.as_str()])?;
        // The button on the job's page sends no fields.
        let has_fields = form.has("form");
        let (deps, revdeps) = (form.has("deps"), form.has("revdeps"));
        let choices = Choices { deps, revdeps, as_yaml: query.yaml.is_some() || form.has("as-yaml"), from: query.from };
        if let Some(fields) = changed(form.fields()) {
            let filled = Filled::read(checked, &Posted::of(fields));
            return shown(look, checked, &filled, &choices, &visit, StatusCode::OK);
        }
        let mut filled = if has_fields { Filled::read(checked, &form) } else { Filled::default() };
        if filled.wrong.is_empty() {
            let arguments = if has_fields { filled.edited(checked) } else { Map::new() };
            let ask = RunAsk { targets: vec![&id], deps, revdeps, pins: filled.pins.clone(), ..RunAsk::default() };
            match run_with(&look.current.catalog, look.service.store(), &ask, &arguments) {
                Ok(ready) if !form.has("check") => return begun(look, &caller, ready, &armed(&form)),
                Ok(_) => {}
                Err(refusal) if !has_fields => return Err(refusal.into()),
                Err(refusal) => filled.refused(Problem::from(refusal))?,
            }
        }
        let status = if filled.wrong.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        shown(look, checked, &filled, &choices, &visit, status)
    })
    .await
}

/// The options beside the arguments.
#[derive(Default)]
struct Choices {
    deps: bool,
    revdeps: bool,
    as_yaml: bool,
    from: Option<u64>,
}

impl Choices {
    fn of(query: &FormQuery) -> Self {
        Self { as_yaml: query.yaml.is_some(), from: query.from, ..Self::default() }
    }
}

fn checked<'a>(look: &Look<'a>, id: &str) -> Result<&'a CheckedJob, Problem> {
    let catalog = &look.current.catalog;
    sound(catalog, &[id])?;
    let none = || crate::request::refusal::Refusal::not_found(format!("there is no job `{id}`"));
    Ok(catalog.graph.jobs.get(id).ok_or_else(none)?)
}

/// Returns the parameters of a job. A command takes its arguments only from the manifest.
fn params(checked: &CheckedJob) -> &[(String, Type)] {
    if checked.signature.command { &[] } else { &checked.signature.params }
}

/// Returns the manifest's value for each parameter.
fn manifest(checked: &CheckedJob) -> BTreeMap<String, Json> {
    Form::of(checked).values()
}

/// Fills in the arguments of a build, or those of the manifest.
fn filled_from(look: &Look<'_>, checked: &CheckedJob, from: Option<u64>) -> Result<Filled, Problem> {
    let given = manifest(checked);
    let Some(from) = from else {
        let kept = given.iter().filter(|(_, value)| has_reference(value)).map(|(name, _)| name.clone()).collect();
        return Ok(Filled { values: given, kept, ..Filled::default() });
    };
    let build = look.storage.get_build(from)?;
    let values = Form::of_build(checked, &build.config).values();
    let kept = given
        .iter()
        .filter(|(name, value)| has_reference(value) && values.get(*name) == Some(*value))
        .map(|(name, _)| name.clone())
        .collect();
    let pins = build.pins.iter().map(|pin| (pin.job.clone(), pin.build)).collect();
    Ok(Filled { values, kept, pins, ..Filled::default() })
}

/// Returns whether a value refers to another job or a secret.
fn has_reference(value: &Json) -> bool {
    match value {
        Json::Object(entries) => entries.iter().any(|(key, value)| key.starts_with('!') || has_reference(value)),
        Json::Array(items) => items.iter().any(has_reference),
        _ => false,
    }
}

/// Collects the jobs whose return values a value refers to.
fn references(value: &Json, out: &mut Vec<String>) {
    match value {
        Json::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Json::String(text) if key == RETVAL_KEY => out.push(Reference::parse(text).job),
                    value => references(value, out),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, out)),
        _ => {}
    }
}

impl Filled {
    fn read(checked: &CheckedJob, form: &Posted) -> Self {
        let mut filled = Self::default();
        let given = manifest(checked);
        for (name, ty) in params(checked) {
            if given.get(name).is_some_and(has_reference) && form.get(&format!("from.{name}")) != Some("value") {
                filled.kept.push(name.clone());
                continue;
            }
            match typed(name, ty, form) {
                Ok(value) => drop(filled.values.insert(name.clone(), value)),
                Err(reason) => {
                    let text = form.get(&format!("a.{name}.yaml")).unwrap_or_default();
                    filled.values.insert(name.clone(), Json::String(text.to_owned()));
                    filled.wrong.push((pointer([name.as_str()]), line(&reason)));
                }
            }
        }
        for (field, value) in form.fields() {
            let Some(job) = field.strip_prefix("pin.").filter(|_| !value.is_empty()) else { continue };
            match value.parse() {
                Ok(build) => drop(filled.pins.insert(job.to_owned(), build)),
                Err(_) => filled.wrong.push((pointer(["pins", job]), format!("`{}` is not a build", line(value)))),
            }
        }
        filled
    }

    /// Returns the arguments that differ from the manifest.
    fn edited(&self, checked: &CheckedJob) -> Map<String, Json> {
        let given = manifest(checked);
        // An optional parameter that the manifest leaves out counts as null.
        let is_same = |name: &str, value: &Json| given.get(name).map_or(value.is_null(), |given| given == value);
        let other = self.values.iter().filter(|(name, value)| !self.kept.contains(name) && !is_same(name, value));
        other.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Takes over the mistakes in arguments. Returns any other problem as an error.
    fn refused(&mut self, problem: Problem) -> Result<(), Problem> {
        let (_, _, detail, hints) = problem.told();
        if problem.errors().is_empty() {
            return Err(problem);
        }
        self.hints = hints.iter().map(|hint| line(hint)).collect();
        for error in problem.errors() {
            let at = error.pointer.as_deref().unwrap_or_default();
            let at = at.strip_prefix("/arguments").unwrap_or(at);
            self.wrong.push((at.to_owned(), line(&error.detail)));
        }
        if self.wrong.is_empty() {
            self.wrong.push((String::new(), line(detail)));
        }
        Ok(())
    }
}

fn shown(
    look: &Look<'_>,
    checked: &CheckedJob,
    filled: &Filled,
    choices: &Choices,
    visit: &Visit,
    status: StatusCode,
) -> Result<Response, Problem> {
    let frame = Frame::new(look, "jobs", visit);
    let id = checked.job.id.clone();
    let catalog = &look.current.catalog;
    let closure: Vec<&str> = catalog.graph.closure([id.as_str()]).into_iter().collect();
    let standings = standings_of(catalog, look.storage, &closure)?;
    let given = manifest(checked);
    let mut arguments = Vec::new();
    for (name, ty) in params(checked) {
        arguments.push(argument(look, checked, (name, ty), given.get(name), filled, choices.as_yaml)?);
    }
    let edited = filled.edited(checked);
    let wrong = filled.wrong.iter().map(|(at, reason)| {
        let name = at.trim_start_matches('/').split('/').next().unwrap_or_default();
        (format!("arg-{name}"), reason.clone())
    });
    let page = Page {
        frame,
        head: Head::of(look, &id, standings.get(&id).map(|standing| &standing.status), false, visit, "run")?,
        docs: docs(&checked.signature),
        wrong: wrong.collect(),
        hints: filled.hints.clone(),
        deps: choices.deps,
        revdeps: choices.revdeps,
        protected: checked.job.protected,
        may_run: visit.may_run(&id),
        command: command(&id, choices, &edited, &filled.pins),
        yaml: as_manifest(&given, &edited),
        as_yaml: choices.as_yaml,
        from: choices.from,
        sources: sources(look, &id)?,
        csrf: visit.csrf.clone(),
        arguments,
        id,
    };
    html(&page, status)
}

fn argument(
    look: &Look<'_>,
    checked: &CheckedJob,
    (name, ty): (&str, &Type),
    given: Option<&Json>,
    filled: &Filled,
    as_yaml: bool,
) -> Result<Argument, Problem> {
    let is_kept = filled.kept.iter().any(|kept| kept == name);
    let at = pointer([name]);
    let below = |(place, reason): &(String, String)| Some((place.strip_prefix(&at)?.to_owned(), reason.clone()));
    let wrong: Vec<(String, String)> =
        filled.wrong.iter().filter_map(below).filter(|(place, _)| place.is_empty() || place.starts_with('/')).collect();
    let value = filled.values.get(name).filter(|_| !is_kept);
    // Text that cannot be parsed stays as typed.
    let unread = wrong.iter().any(|(place, _)| place.is_empty()) && matches!(value, Some(Json::String(_))) && as_yaml;
    let field = match value {
        Some(Json::String(text)) if unread => {
            let field = Field::of(name, ty, None, true, Wrong::new(wrong));
            Field { input: Input::Yaml(text.clone()), ..field }
        }
        value => Field::of(name, ty, value, as_yaml, Wrong::new(wrong)),
    };
    let reference = given.filter(|given| has_reference(given));
    let of = match reference {
        Some(reference) => Some(of_others(look, checked, reference, is_kept, filled)?),
        None => None,
    };
    let is_edited = match (given, value) {
        _ if is_kept => false,
        (Some(given), Some(value)) => given != value,
        (None, Some(value)) => !value.is_null(),
        (_, None) => false,
    };
    let manifest = given.filter(|given| is_edited && !has_reference(given)).map(|given| line(&given.to_string()));
    Ok(Argument { name: name.to_owned(), kind: line(&ty.to_string()), field, is_edited, manifest, given: of })
}

/// Returns which jobs fill in an argument, and which of their builds can be used.
fn of_others(
    look: &Look<'_>,
    checked: &CheckedJob,
    value: &Json,
    is_kept: bool,
    filled: &Filled,
) -> Result<Given, Problem> {
    let mut names = Vec::new();
    references(value, &mut names);
    names.sort();
    names.dedup();
    let graph = &look.current.catalog.graph;
    let now = look.storage.clock().now();
    let mut jobs = Vec::new();
    for job in names {
        let newest = BuildFilter {
            started: Some(true),
            finished: Some(true),
            success: Some(true),
            skipped: Some(false),
            order: Order::Desc,
            limit: BUILDS,
            ..BuildFilter::job(&job)
        };
        let choice = |build: jobcontrol_core::build::Build| {
            let at = build.end_time.unwrap_or(build.created);
            let id = build.id;
            let is_chosen = filled.pins.get(&job) == Some(&id);
            let fits = usable(build, &job)
                .map_err(|error| error.to_string())
                .and_then(|build| fit(graph, checked, &BTreeMap::from([(job.clone(), build)])));
            let text = match &fits {
                Ok(()) => format!("build {id}, {}", ago(at, now)),
                Err(reason) => format!("build {id}: {}", line(reason)),
            };
            Choice { build: id, text, is_chosen, fits: fits.is_ok() }
        };
        let builds = look.storage.get_job_builds(&newest)?.into_iter().map(choice).collect();
        jobs.push((job, builds));
    }
    let text = match value {
        Json::Object(entries) if entries.len() == 1 => {
            entries.iter().map(|(key, value)| format!("{key} {}", value.as_str().unwrap_or_default())).collect()
        }
        other => other.to_string(),
    };
    Ok(Given { text: line(&text), is_kept, jobs })
}

/// Returns the newest builds of the job, which can fill in the form.
fn sources(look: &Look<'_>, id: &str) -> Result<Vec<(u64, String)>, Problem> {
    let newest = BuildFilter { order: Order::Desc, limit: 5, brief: true, ..BuildFilter::job(id) };
    let now = look.storage.clock().now();
    let builds = look.storage.get_job_builds(&newest)?;
    let said = |build: &jobcontrol_core::build::Build| {
        let edited = if build.edited { ", with other arguments" } else { "" };
        (build.id, format!("{}{edited}", ago(build.created, now)))
    };
    Ok(builds.iter().map(said).collect())
}

/// Returns the command with the same effect.
fn command(id: &str, choices: &Choices, edited: &Map<String, Json>, pins: &BTreeMap<String, u64>) -> String {
    let mut words = vec!["jobcontrol".to_owned(), "run".to_owned(), id.to_owned()];
    words.extend(choices.deps.then(|| "--deps".to_owned()));
    words.extend(choices.revdeps.then(|| "--revdeps".to_owned()));
    for (job, build) in pins {
        words.extend(["--pin".to_owned(), format!("{job}={build}")]);
    }
    for (name, value) in edited {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        words.extend(["--arg".to_owned(), quoted(&format!("{name}={text}"))]);
    }
    words.join(" ")
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Formats the arguments as in a manifest.
fn as_manifest(given: &BTreeMap<String, Json>, edited: &Map<String, Json>) -> String {
    let mut all: Map<String, Json> = given.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    all.extend(edited.clone());
    let Ok(value) = serde_json::from_value::<jobcontrol_core::value::Value>(Json::Object(all)) else {
        return String::new();
    };
    format!("kwargs:\n{}", super::build::yaml(&value).lines().map(|line| format!("  {line}\n")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let edited = json!({ "top": 10, "title": "it's $HOME", "list": [1, 2] });
        let choices = Choices { deps: true, ..Choices::default() };
        let pins = BTreeMap::from([("a".to_owned(), 7)]);
        let command = command("x", &choices, edited.as_object().unwrap(), &pins);
        assert_eq!(
            command,
            "jobcontrol run x --deps --pin a=7 --arg 'list=[1,2]' --arg 'title=it'\\''s $HOME' --arg top=10"
        );
    }

    #[test]
    fn references_are_found_wherever_they_are() {
        let value = json!({ "a": [{ "!retval": "x.y" }, 1], "b": { "!secret": "s" } });
        let mut names = Vec::new();
        references(&value, &mut names);
        assert_eq!(names, ["x"]);
        assert!(has_reference(&value) && !has_reference(&json!([1, { "a": "!retval" }])));
    }
}
