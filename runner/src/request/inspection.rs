//! A plugin with its description: how manifests name its functions, and what jobs have to grant.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::Graph;
use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::job::FunctionRef;
use jobcontrol_core::manifest::entry;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::types::declared;
use jobcontrol_sandbox::missing_imports;

use crate::catalog::at_hand::AtHand;
use crate::catalog::at_hand::name_of;
use crate::catalog::grants::HTTP_EXAMPLE;
use crate::catalog::grants::OUTGOING;
use crate::catalog::workspace::Workspace;
use crate::request::refusal::Refusal;
use crate::show::escape::one_line;
use crate::show::plugins::FunctionJson;
use crate::show::plugins::GrantJson;
use crate::show::plugins::ParamJson;
use crate::show::plugins::PluginBriefJson;
use crate::show::plugins::PluginJson;
use crate::show::plugins::RefusedJson;

/// Returns the plugin with a name.
///
/// # Errors
///
/// Returns a refusal if there is no such plugin.
pub(crate) fn named<'a>(plugins: &'a [AtHand], name: &str) -> Result<&'a AtHand, Refusal> {
    plugins.iter().find(|found| found.name == name).ok_or_else(|| {
        let near = nearest(name, plugins.iter().map(|found| found.name.as_str()));
        Refusal::not_found(format!("there is no plugin `{}`", one_line(name))).did_you_mean(near)
    })
}

/// Returns the jobs that call a plugin as it is now.
pub(crate) fn jobs_of<'a>(graph: &'a Graph, plugin: &Plugin) -> Vec<&'a CheckedJob> {
    graph.jobs.values().filter(|checked| checked.plugin.digest == plugin.digest).collect()
}

/// Returns the shape of a plugin in the list of all plugins.
pub(crate) fn brief<'a>(graph: &'a Graph, found: &'a AtHand) -> PluginBriefJson<'a> {
    let plugin = &found.plugin;
    PluginBriefJson {
        name: &found.name,
        path: plugin.path.display().to_string(),
        kind: plugin.kind.describe(),
        digest: &plugin.digest,
        size: plugin.bytes.len(),
        functions: plugin.functions.len(),
        jobs: jobs_of(graph, plugin).iter().map(|checked| checked.job.id.as_str()).collect(),
    }
}

/// A plugin with its description.
pub(crate) struct Inspection<'a> {
    pub(crate) plugin: &'a Plugin,
    pub(crate) wit: &'a str,
    /// Why no job can use it.
    pub(crate) missing: Option<PluginProblem>,
    /// The types that its functions use.
    pub(crate) types: Vec<String>,
    /// What must be done before a manifest can name it.
    pub(crate) before: Option<String>,
    /// For each function, how a manifest names it and an entry to paste.
    pub(crate) entries: Vec<(String, String)>,
}

impl<'a> Inspection<'a> {
    /// Describes a plugin; `wit` is its whole WIT text.
    pub(crate) fn new(workspace: &Workspace, plugin: &'a Plugin, wit: &'a str) -> Self {
        let (shown, before) = called(workspace, plugin);
        let shown = shown.as_str();
        let (mut ids, mut numbers) = (BTreeSet::new(), BTreeMap::new());
        let makes_requests = plugin.imports.iter().any(|import| OUTGOING.iter().any(|name| import.starts_with(name)));
        let entries = plugin.functions.iter().map(|signature| {
            let export = plugin.shortest(signature);
            let command = export.is_empty();
            let function = if command { shown.to_owned() } else { format!("{shown}:{export}") };
            let id = if command { shown } else { export.as_str() };
            // Thousands of interfaces may export the same name, so the search for a free number
            // continues where it stopped.
            let number: &mut u32 = numbers.entry(id.to_owned()).or_default();
            let id = std::iter::from_fn(|| number.checked_add(1).inspect(|next| *number = *next))
                .map(|n| if n == 1 { id.to_owned() } else { format!("{id}-{n}") })
                .find(|id| ids.insert(id.clone()));
            let mut text = entry(&id.unwrap_or_default(), &function, signature, command);
            if makes_requests {
                text.push_str(&format!("    {HTTP_EXAMPLE}  # `http: []` if it makes no request\n"));
            }
            (function, text)
        });
        let types = declared(plugin.functions.iter().map(|function| &**function));
        let entries = entries.collect();
        Self { plugin, wit, missing: missing_imports(plugin), types, before, entries }
    }

    /// Returns each grant that an import needs, with the first import that needs it.
    pub(crate) fn grants(&self) -> impl Iterator<Item = (&'a str, &'static str)> {
        let mut known = BTreeSet::new();
        let asking = self.plugin.imports.iter().filter_map(|import| Some((import.as_str(), grant_of(import)?)));
        asking.filter(move |(_, grant)| known.insert(*grant))
    }

    /// Returns the shape of the description.
    pub(crate) fn shape(&self) -> PluginJson<'_> {
        let plugin = self.plugin;
        let functions = plugin.functions.iter().zip(&self.entries).map(|(signature, (function, entry))| FunctionJson {
            export: plugin.shortest(signature),
            function: function.clone(),
            signature: signature.to_string(),
            params: signature.params.iter().map(|(name, ty)| ParamJson { name, r#type: ty.to_string() }).collect(),
            result: signature.result.as_ref().map(ToString::to_string),
            docs: signature.docs.as_deref(),
            entry: self.missing.is_none().then(|| entry.clone()),
        });
        PluginJson {
            path: plugin.path.display().to_string(),
            kind: plugin.kind.describe(),
            digest: &plugin.digest,
            size: plugin.bytes.len(),
            functions: functions.collect(),
            refused: plugin.refused.iter().map(|(name, reason)| RefusedJson { name, reason }).collect(),
            imports: &plugin.imports,
            types: &self.types,
            grants: self.grants().map(|(import, grant)| GrantJson { import, grant }).collect(),
            missing: self.missing.as_ref().map(|problem| problem.message.clone()),
            language: plugin.language.as_deref(),
            wit: self.wit,
        }
    }
}

/// Returns how a manifest names a plugin, and what must be done before it can.
fn called(workspace: &Workspace, plugin: &Plugin) -> (String, Option<String>) {
    let command = plugin.functions.iter().any(|function| function.command);
    let name = name_of(workspace, &plugin.path);
    // A name that is shown with escaped characters cannot be copied.
    if let Some(name) = name.filter(|name| one_line(name) == *name && (!command || FunctionRef::parse(name).is_ok())) {
        return (name, None);
    }
    let stem = plugin.path.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let renamed: String = stem.chars().map(plain).collect();
    let before = if renamed == stem {
        "Put the plugin into the jobs folder first, beside this manifest.".to_owned()
    } else {
        let ending = plugin.path.extension().unwrap_or_default().to_string_lossy();
        format!("Rename the plugin to `{renamed}.{ending}` first, in the jobs folder, beside this manifest.")
    };
    (renamed, Some(before))
}

/// Returns the key of the grant that an import needs.
pub(crate) fn key_of(import: &str) -> Option<&'static str> {
    grant_of(import)?.split([' ', ':', '{']).find(|word| !matches!(*word, "" | "grants"))
}

/// Returns what a job has to grant before an import can be used.
fn grant_of(import: &str) -> Option<&'static str> {
    const FILES: &str = "grants: { files: [{ host: ./data, guest: /data, mode: read }] }";
    let asks = |names: &[&str]| names.iter().any(|name| import.starts_with(name));
    if asks(&["wasi:filesystem/preopens", "wasi_snapshot_preview1.fd_prestat_", "wasi_snapshot_preview1.path_"]) {
        Some(FILES)
    } else if asks(&["wasi:cli/environment", "wasi_snapshot_preview1.environ_"]) {
        Some("grants: { env: [NAME] }")
    } else if asks(&OUTGOING) {
        Some(HTTP_EXAMPLE)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_has_the_key_of_its_grant() {
        assert_eq!(key_of("wasi:filesystem/preopens@0.2.6"), Some("files"));
        assert_eq!(key_of("wasi_snapshot_preview1.environ_get"), Some("env"));
        assert_eq!(key_of("wasi:http/outgoing-handler@0.2.6"), Some("http"));
        assert_eq!(key_of("jobcontrol:plugin/http@0.1.0"), Some("http"));
        assert_eq!(key_of("wasi:clocks/wall-clock@0.2.6"), None);
    }
}
