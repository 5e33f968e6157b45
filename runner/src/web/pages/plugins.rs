//! Plugins: their exports, the grants they would need, and the grants their jobs give them.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use serde::Deserialize;

use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::code::Code;
use super::feed::Parts;
use super::frame::Frame;
use super::frame::ok;
use super::job::grants;
use super::row::line;
use super::times::Time;
use super::times::count;
use super::times::thousands;
use super::visit::Visit;
use crate::catalog::at_hand::AtHand;
use crate::catalog::at_hand::at_hand;
use crate::request::inspection::Inspection;
use crate::request::inspection::jobs_of;
use crate::request::inspection::key_of;
use crate::request::inspection::named;
use crate::request::refusal::Refusal;
use crate::show::escape::clean;

/// Most functions of a plugin to show.
const FUNCTIONS: usize = 200;
/// Most jobs and versions to name, and how many builds of each job to search for versions.
const NAMED: usize = 10;
const LATE: u64 = 20;

/// The plugins to list.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginsQuery {
    q: Option<String>,
}

#[derive(Template)]
#[template(path = "plugins.html")]
struct Page {
    frame: Frame,
    query: String,
    list: List,
}

#[derive(Template)]
#[template(path = "plugins_list.html")]
struct List {
    sub: String,
    is_filtered: bool,
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
    body: Body,
}

#[derive(Template)]
#[template(path = "plugin_body.html")]
struct Body {
    name: String,
    path: String,
    language: String,
    kind: &'static str,
    size: String,
    digest: String,
    missing: Option<String>,
    functions: Vec<Function>,
    more: usize,
    refused: Vec<(String, String)>,
    wit: Code,
    imports: Vec<Import>,
    keys: Vec<String>,
    /// Each job, and what it grants the plugin for each key.
    granted: Vec<(String, Vec<String>)>,
    versions: Vec<Version>,
}

/// An import of a plugin.
struct Import {
    name: String,
    /// The key of the grant that the import needs.
    key: Option<&'static str>,
    /// The jobs that grant it, and how many more.
    jobs: Vec<String>,
    more: usize,
}

/// A version of the plugin that a recent build used.
struct Version {
    digest: String,
    is_current: bool,
    build: u64,
    time: Time,
}

/// The grants of a job, by key.
type Granted = Vec<(String, Vec<String>)>;

struct Function {
    signature: Code,
    docs: String,
    jobs: Vec<String>,
    entry: Option<String>,
}

pub(super) async fn page(State(web): State<Web>, Query(query): Query<PluginsQuery>, visit: Visit) -> Answer {
    web.look(move |look| {
        let list = List::read(look, &query);
        let frame = Frame::new(look, "plugins", &visit).fed(list.parts().feed("plugins", &[("q", query.q.as_deref())]));
        ok(&Page { frame, query: query.q.clone().unwrap_or_default(), list })
    })
    .await
}

/// Returns the parts of the list that change.
pub(super) fn parts(look: &Look<'_>, query: &PluginsQuery) -> Parts {
    List::read(look, query).parts()
}

impl List {
    fn read(look: &Look<'_>, query: &PluginsQuery) -> Self {
        let (plugins, problems) = at_hand(look.workspace);
        let functions: usize = plugins.iter().map(|found| found.plugin.functions.len()).sum();
        let wanted = query.q.as_deref().map(str::to_lowercase).unwrap_or_default();
        let fits = |found: &&AtHand| {
            let has = |text: &str| text.to_lowercase().contains(&wanted);
            has(&found.name) || found.plugin.functions.iter().any(|function| has(&function.to_string()))
        };
        Self {
            sub: format!(
                "{}, {}, each with the signature from its file",
                count(plugins.len() as u64, "plugin", "plugins"),
                count(functions as u64, "function", "functions")
            ),
            is_filtered: !wanted.is_empty(),
            rows: plugins.iter().filter(fits).map(|found| row(look, found)).collect(),
            problems: problems.iter().map(|problem| line(&problem.message)).collect(),
        }
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::one("plugins", self);
        parts.text("plugins:sub", &self.sub);
        parts
    }
}

fn row(look: &Look<'_>, found: &AtHand) -> Row {
    let jobs = jobs_of(&look.current.catalog.graph, &found.plugin);
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
    web.look(move |look| {
        let body = Body::read(look, &name, &visit)?;
        let frame = Frame::new(look, "plugins", &visit);
        let frame = frame.fed(body.parts().feed("plugin", &[("plugin", Some(&name))]));
        ok(&OnePage { frame, name: line(&name), body })
    })
    .await
}

/// Returns the parts of a plugin's page that change.
pub(super) fn parts_of_one(look: &Look<'_>, name: &str, visit: &Visit) -> Result<Parts, Problem> {
    Ok(Body::read(look, name, visit)?.parts())
}

impl Body {
    fn read(look: &Look<'_>, name: &str, visit: &Visit) -> Result<Self, Problem> {
        let (plugins, _) = at_hand(look.workspace);
        let plugin = &named(&plugins, name)?.plugin;
        let wit = look.workspace.reader.wit_text(plugin).map_err(Refusal::failed)?;
        let inspection = Inspection::new(look.workspace, plugin, &wit);
        let shape = inspection.shape();
        let types = Code::types(&wit);
        let jobs = jobs_of(&look.current.catalog.graph, plugin);
        let functions = plugin.functions.iter().zip(&shape.functions).take(FUNCTIONS).map(|(signature, shape)| {
            let calls = jobs.iter().filter(|checked| *checked.signature == **signature);
            Function {
                signature: Code::wit(&shape.signature, &types, false),
                docs: clean(shape.docs.unwrap_or_default().lines().next().unwrap_or_default()).into_owned(),
                jobs: calls.map(|checked| checked.job.id.clone()).collect(),
                entry: shape.entry.clone(),
            }
        });
        let granted = jobs.iter().map(|checked| (checked.job.id.clone(), grants(&checked.job.to_config())));
        let granted: Vec<(String, Granted)> = granted.collect();
        let mut keys: Vec<String> =
            granted.iter().flat_map(|(_, all)| all.iter().map(|(key, _)| key.clone())).collect();
        keys.sort();
        keys.dedup();
        let of = |all: &Granted, key: &String| {
            all.iter().find(|(other, _)| other == key).map(|(_, items)| items.join(", ")).unwrap_or_default()
        };
        Ok(Self {
            name: line(name),
            path: line(&shape.path),
            language: shape.language.map(line).unwrap_or_default(),
            kind: shape.kind,
            size: format!("{} bytes", thousands(shape.size as u64)),
            digest: shape.digest.to_owned(),
            missing: shape.missing.as_deref().map(line),
            functions: functions.collect(),
            more: plugin.functions.len().saturating_sub(FUNCTIONS),
            refused: plugin.refused.iter().map(|(name, reason)| (line(name), line(reason))).collect(),
            wit: Code::wit(&wit, &types, true),
            imports: plugin.imports.iter().map(|import| Import::of(import, &granted)).collect(),
            granted: granted
                .iter()
                .map(|(id, all)| (id.clone(), keys.iter().map(|key| of(all, key)).collect()))
                .collect(),
            keys,
            versions: versions(look, plugin, &jobs, visit)?,
        })
    }

    fn parts(&self) -> Parts {
        Parts::one("plugin", self)
    }
}

impl Import {
    fn of(import: &str, granted: &[(String, Granted)]) -> Self {
        let key = key_of(import);
        // A secret is a variable, too.
        let gives = |name: &str| Some(name) == key || (key == Some("env") && name == "secrets");
        let having = granted.iter().filter(|(_, all)| all.iter().any(|(name, _)| gives(name)));
        let mut jobs: Vec<String> = having.map(|(id, _)| id.clone()).collect();
        let more = jobs.len().saturating_sub(NAMED);
        jobs.truncate(NAMED);
        Self { name: line(import), key, jobs, more }
    }
}

/// Returns the versions of the plugin that the newest builds of its jobs used.
fn versions(look: &Look<'_>, plugin: &Plugin, jobs: &[&CheckedJob], visit: &Visit) -> Result<Vec<Version>, Problem> {
    let now = look.storage.clock().now();
    let mut builds = Vec::new();
    for checked in jobs.iter().take(NAMED) {
        let filter = BuildFilter::job(&checked.job.id);
        let filter = BuildFilter { order: Order::Desc, limit: LATE, brief: true, ..filter };
        builds.extend(look.storage.get_job_builds(&filter)?);
    }
    builds.sort_by_key(|build| std::cmp::Reverse(build.id));
    let mut versions: Vec<Version> = Vec::new();
    let mut known = BTreeSet::new();
    for build in builds {
        let Some(digest) = build.plugin.filter(|digest| known.insert(digest.clone())) else { continue };
        versions.push(Version {
            digest: digest.get(..8).unwrap_or(&digest).to_owned(),
            is_current: *digest == *plugin.digest,
            build: build.id,
            time: visit.zone.ago(build.created, now),
        });
    }
    versions.truncate(NAMED);
    Ok(versions)
}
