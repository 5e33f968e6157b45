//! `inspect` and `schema`: what plugins say of themselves.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::job::FunctionRef;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::manifest::entry;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::schema;
use jobcontrol_core::schema::Callable;
use jobcontrol_core::types::declared;
use jobcontrol_sandbox::missing_imports;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::render::BOLD;
use super::render::Out;
use super::render::Page;
use super::render::escape::clean;
use super::render::escape::one_line;
use super::render::styled;
use crate::app::App;
use crate::catalog::at_hand::at_hand;
use crate::catalog::at_hand::name_of;
use crate::catalog::grants::HTTP_EXAMPLE;
use crate::catalog::grants::OUTGOING;
use crate::catalog::near::near_path;
use crate::request::refusal::Refusal;

#[derive(Serialize)]
struct PluginJson<'a> {
    path: String,
    kind: &'static str,
    digest: &'a str,
    size: usize,
    functions: Vec<FunctionJson<'a>>,
    refused: Vec<RefusedJson<'a>>,
    imports: &'a [String],
    types: &'a [String],
    grants: Vec<GrantJson<'a>>,
    missing: Option<String>,
    wit: &'a str,
}

#[derive(Serialize)]
struct FunctionJson<'a> {
    export: String,
    function: String,
    signature: String,
    params: Vec<ParamJson<'a>>,
    result: Option<String>,
    docs: Option<&'a str>,
    entry: Option<String>,
}

#[derive(Serialize)]
struct GrantJson<'a> {
    import: &'a str,
    grant: &'static str,
}

#[derive(Serialize)]
struct ParamJson<'a> {
    name: &'a str,
    r#type: String,
}

#[derive(Serialize)]
struct RefusedJson<'a> {
    name: &'a str,
    reason: &'a str,
}

pub(super) fn inspect(app: &App, out: &Out, named: &str) -> Result<u8, CliError> {
    let path = locate(app, named)?;
    let reader = &app.settings.workspace.reader;
    let plugin = reader.read_file(&path, &path).map_err(|problem| {
        let diagnostic = Diagnostic::of(problem.code, problem.message).file(path.display().to_string());
        CliError::unchecked(vec![problem.help.into_iter().fold(diagnostic, Diagnostic::help)])
    })?;
    let wit = reader.wit_text(&plugin).map_err(CliError::failed)?;
    let report = Report::new(app, &plugin, &wit);
    if out.is_json() {
        out.json(&report.shape())?;
    } else {
        out.answer(report.describe())?;
    }
    Ok(error::DONE)
}

pub(super) fn schema(app: &App, out: &Out) -> Result<u8, CliError> {
    let (plugins, problems) = at_hand(&app.settings.workspace);
    for problem in problems {
        out.warn(&format!("{}; its functions are not in the schema", problem.message));
    }
    let mut callables = Vec::new();
    for found in &plugins {
        for signature in &found.plugin.functions {
            callables.push((found, signature, found.plugin.shortest(signature)));
        }
    }
    let callables: Vec<_> = callables
        .iter()
        .map(|(found, signature, export)| Callable {
            plugin: &found.name,
            stem: found.plugin.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default(),
            digest: &found.plugin.digest,
            export,
            signature,
        })
        .collect();
    out.json(&schema::manifest(&callables))?;
    Ok(error::DONE)
}

fn locate(app: &App, named: &str) -> Result<PathBuf, CliError> {
    let workspace = &app.settings.workspace;
    let folders = std::iter::once(&workspace.jobs).chain(&workspace.plugins);
    let by_name =
        folders.flat_map(|folder| ["", ".wasm", ".wat"].map(|ending| folder.join(format!("{named}{ending}"))));
    let mut tried = vec![PathBuf::from(named)];
    tried.extend(by_name);
    tried.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let is_plugin = |path: &Path| path.extension().is_some_and(|ext| ext == "wasm" || ext == "wat");
        let near = tried.iter().find_map(|path| near_path(path, |path| path.is_file() && is_plugin(path)));
        let tried = tried.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ");
        let refusal = Refusal::not_found(format!("there is no plugin `{named}`: looked for {tried}"));
        refusal.did_you_mean(near).into()
    })
}

/// A plugin with what is told of it.
struct Report<'a> {
    plugin: &'a Plugin,
    wit: &'a str,
    /// Why no job can use it.
    missing: Option<PluginProblem>,
    /// The types that its functions name.
    types: Vec<String>,
    /// What has to be done before a manifest can name it.
    before: Option<String>,
    /// For each function, how a manifest names it and an entry to paste.
    entries: Vec<(String, String)>,
}

impl<'a> Report<'a> {
    fn new(app: &App, plugin: &'a Plugin, wit: &'a str) -> Self {
        let (shown, before) = called(app, plugin);
        let shown = shown.as_str();
        let (mut ids, mut numbers) = (BTreeSet::new(), BTreeMap::new());
        let makes_requests = plugin.imports.iter().any(|import| import.starts_with(OUTGOING));
        let entries = plugin.functions.iter().map(|signature| {
            let export = plugin.shortest(signature);
            let command = export.is_empty();
            let function = if command { shown.to_owned() } else { format!("{shown}:{export}") };
            let id = if command { shown } else { export.as_str() };
            // Thousands of interfaces may export the same: the search for a free number goes on where it was.
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

    /// Each grant that an import asks for, with the first that does.
    fn grants(&self) -> impl Iterator<Item = (&'a str, &'static str)> {
        let mut known = BTreeSet::new();
        let asking = self.plugin.imports.iter().filter_map(|import| Some((import.as_str(), grant_of(import)?)));
        asking.filter(move |(_, grant)| known.insert(*grant))
    }

    fn shape(&self) -> PluginJson<'_> {
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
            wit: self.wit,
        }
    }

    fn describe(&self) -> Page {
        let plugin = self.plugin;
        let mut page = Page::default();
        let mut row = |name: &str, value: &str| {
            page.line(format!("{} {value}", styled(BOLD, format_args!("{name:<8}"))));
        };
        row("plugin", &one_line(&plugin.path.display().to_string()));
        row("kind", plugin.kind.describe());
        row("size", &show_bytes(plugin.bytes.len() as u64));
        row("digest", &format!("sha256:{}", plugin.digest));
        self.describe_functions(&mut page);
        if !self.types.is_empty() {
            heading(&mut page, "types");
        }
        for line in self.types.iter().flat_map(|text| text.lines()) {
            page.line(format!("  {}", clean(line)));
        }
        heading(&mut page, "imports");
        for import in &plugin.imports {
            page.line(format!("  {}", clean(import)));
        }
        if plugin.imports.is_empty() {
            page.line("  nothing");
        }
        if self.grants().next().is_some() {
            heading(&mut page, "grants, for jobs that want them");
        }
        for (import, grant) in self.grants() {
            page.line(format!("  {grant}  # {}", one_line(import)));
        }
        if !self.wit.is_empty() {
            heading(&mut page, "WIT");
            page.quote(clean(self.wit.trim_end()));
        }
        self.describe_entries(&mut page);
        page
    }

    fn describe_functions(&self, page: &mut Page) {
        heading(page, "functions");
        for signature in &self.plugin.functions {
            for line in signature.docs.as_deref().unwrap_or_default().lines() {
                page.line(format!("  /// {}", clean(line)));
            }
            page.line(format!("  {}", clean(&signature.to_string())));
        }
        for (name, reason) in &self.plugin.refused {
            page.line(format!("  {} cannot be called: {}", clean(name), clean(reason)));
        }
        if self.plugin.functions.is_empty() && self.plugin.refused.is_empty() {
            page.line("  none");
        }
    }

    fn describe_entries(&self, page: &mut Page) {
        if let Some(problem) = &self.missing {
            page.gap();
            page.line(format!("no job can use it: {}", clean(&problem.message)));
            problem.help.iter().for_each(|help| page.line(clean(help)));
            return;
        }
        if self.entries.is_empty() {
            return;
        }
        heading(page, "a manifest that begins with it");
        if let Some(before) = &self.before {
            page.line(format!("# {}", one_line(before)));
        }
        page.line("jobs:");
        for (_, entry) in &self.entries {
            entry.trim_end().lines().for_each(|line| page.line(clean(line)));
        }
    }
}

fn heading(page: &mut Page, text: &str) {
    page.gap();
    page.line(styled(BOLD, text));
}

/// How a manifest names a plugin, and what has to be done before it can.
fn called(app: &App, plugin: &Plugin) -> (String, Option<String>) {
    let command = plugin.functions.iter().any(|function| function.command);
    let name = name_of(&app.settings.workspace, &plugin.path);
    // What is shown in other characters than it has cannot be copied.
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

/// What a job has to grant before an import gives anything.
fn grant_of(import: &str) -> Option<&'static str> {
    const FILES: &str = "grants: { files: [{ host: ./data, guest: /data, mode: read }] }";
    let asks = |names: &[&str]| names.iter().any(|name| import.starts_with(name));
    if asks(&["wasi:filesystem/preopens", "wasi_snapshot_preview1.fd_prestat_", "wasi_snapshot_preview1.path_"]) {
        Some(FILES)
    } else if asks(&["wasi:cli/environment", "wasi_snapshot_preview1.environ_"]) {
        Some("grants: { env: [NAME] }")
    } else if asks(&[OUTGOING]) {
        Some(HTTP_EXAMPLE)
    } else {
        None
    }
}
