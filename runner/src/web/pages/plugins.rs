//! Plugins: what they export, what they would need, and what their jobs let them do.

use askama::Template;
use axum::extract::State;
use jobcontrol_core::limits::show_bytes;
use serde::Deserialize;

use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::code::Code;
use super::frame::Frame;
use super::frame::ok;
use super::job::grants;
use super::row::line;
use super::times::count;
use super::times::thousands;
use super::visit::Visit;
use crate::catalog::at_hand::AtHand;
use crate::catalog::at_hand::at_hand;
use crate::request::inspection::Inspection;
use crate::request::refusal::Refusal;
use crate::show::escape::clean;

/// Functions of a plugin that are shown.
const FUNCTIONS: usize = 200;

/// Which plugins.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginsQuery {
    q: Option<String>,
}

#[derive(Template)]
#[template(path = "plugins.html")]
struct Page {
    frame: Frame,
    sub: String,
    query: String,
    rows: Vec<Row>,
    problems: Vec<String>,
}

struct Row {
    name: String,
    kind: &'static str,
    functions: usize,
    jobs: usize,
    grants: Vec<String>,
    size: String,
    digest: String,
}

#[derive(Template)]
#[template(path = "plugin.html")]
struct OnePage {
    frame: Frame,
    name: String,
    path: String,
    kind: &'static str,
    size: String,
    digest: String,
    missing: Option<String>,
    functions: Vec<Function>,
    more: usize,
    refused: Vec<(String, String)>,
    wit: Code,
    imports: Vec<(String, String)>,
    keys: Vec<String>,
    /// Each job, and what it lets the plugin do for each key.
    granted: Vec<(String, Vec<String>)>,
}

/// What a job lets its plugin do, by key.
type Granted = Vec<(String, Vec<String>)>;

struct Function {
    signature: Code,
    docs: String,
    jobs: Vec<String>,
    entry: Option<String>,
}

pub(super) async fn page(State(web): State<Web>, Query(query): Query<PluginsQuery>, visit: Visit) -> Answer {
    web.look(move |look| ok(&list(look, &query, &visit))).await
}

fn list(look: &Look<'_>, query: &PluginsQuery, visit: &Visit) -> Page {
    let frame = Frame::new(look, "plugins", visit);
    let (plugins, problems) = at_hand(look.workspace);
    let functions: usize = plugins.iter().map(|found| found.plugin.functions.len()).sum();
    let sub = format!(
        "{}, {}, each with the signature that stands in its file",
        count(plugins.len() as u64, "plugin", "plugins"),
        count(functions as u64, "function", "functions")
    );
    let wanted = query.q.as_deref().map(str::to_lowercase).unwrap_or_default();
    let fits = |found: &&AtHand| {
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        has(&found.name) || found.plugin.functions.iter().any(|function| has(&function.to_string()))
    };
    Page {
        frame,
        sub,
        query: query.q.clone().unwrap_or_default(),
        rows: plugins.iter().filter(fits).map(|found| row(look, found)).collect(),
        problems: problems.iter().map(|problem| line(&problem.message)).collect(),
    }
}

/// The jobs that call a plugin as it is now.
fn jobs_of<'a>(look: &Look<'a>, found: &AtHand) -> Vec<&'a jobcontrol_core::check::CheckedJob> {
    let jobs = look.current.catalog.graph.jobs.values();
    jobs.filter(|checked| checked.plugin.digest == found.plugin.digest).collect()
}

fn row(look: &Look<'_>, found: &AtHand) -> Row {
    let jobs = jobs_of(look, found);
    let mut keys: Vec<String> =
        jobs.iter().flat_map(|checked| grants(&checked.job.to_config())).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let plugin = &found.plugin;
    Row {
        name: found.name.clone(),
        kind: plugin.kind.describe(),
        functions: plugin.functions.len(),
        jobs: jobs.len(),
        grants: keys,
        size: show_bytes(plugin.bytes.len() as u64),
        digest: plugin.digest.get(..8).unwrap_or(&plugin.digest).to_owned(),
    }
}

pub(super) async fn one(State(web): State<Web>, Path(name): Path<String>, visit: Visit) -> Answer {
    web.look(move |look| ok(&one_of(look, &name, &visit)?)).await
}

fn one_of(look: &Look<'_>, name: &str, visit: &Visit) -> Result<OnePage, Problem> {
    let frame = Frame::new(look, "plugins", visit);
    let (plugins, _) = at_hand(look.workspace);
    let Some(found) = plugins.iter().find(|found| found.name == name) else {
        let near = jobcontrol_core::diagnostic::nearest(name, plugins.iter().map(|found| found.name.as_str()));
        return Err(Refusal::not_found(format!("there is no plugin `{}`", line(name))).did_you_mean(near).into());
    };
    let plugin = &found.plugin;
    let wit = look.workspace.reader.wit_text(plugin).map_err(Refusal::failed)?;
    let inspection = Inspection::new(look.workspace, plugin, &wit);
    let shape = inspection.shape();
    let jobs = jobs_of(look, found);
    let functions = plugin.functions.iter().zip(&shape.functions).take(FUNCTIONS).map(|(signature, shape)| Function {
        signature: Code::wit(&shape.signature),
        docs: clean(shape.docs.unwrap_or_default().lines().next().unwrap_or_default()).into_owned(),
        jobs: jobs
            .iter()
            .filter(|checked| *checked.signature == **signature)
            .map(|checked| checked.job.id.clone())
            .collect(),
        entry: shape.entry.clone(),
    });
    let granted = jobs.iter().map(|checked| (checked.job.id.clone(), grants(&checked.job.to_config())));
    let granted: Vec<(String, Granted)> = granted.collect();
    let mut keys: Vec<String> = granted.iter().flat_map(|(_, all)| all.iter().map(|(key, _)| key.clone())).collect();
    keys.sort();
    keys.dedup();
    let of = |all: &[(String, Vec<String>)], key: &String| {
        all.iter().find(|(other, _)| other == key).map(|(_, items)| items.join(", ")).unwrap_or_default()
    };
    let asks =
        |import: &str| shape.grants.iter().find(|grant| grant.import == import).map(|grant| grant.grant.to_owned());
    Ok(OnePage {
        frame,
        name: found.name.clone(),
        path: line(&shape.path),
        kind: shape.kind,
        size: format!("{} bytes", thousands(shape.size as u64)),
        digest: shape.digest.to_owned(),
        missing: shape.missing.as_deref().map(line),
        functions: functions.collect(),
        more: plugin.functions.len().saturating_sub(FUNCTIONS),
        refused: plugin.refused.iter().map(|(name, reason)| (line(name), line(reason))).collect(),
        wit: Code::wit(&wit),
        imports: plugin.imports.iter().map(|import| (line(import), asks(import).unwrap_or_default())).collect(),
        granted: granted.iter().map(|(id, all)| (id.clone(), keys.iter().map(|key| of(all, key)).collect())).collect(),
        keys,
    })
}
