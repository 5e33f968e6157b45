//! `inspect` and `schema`: what plugins say about themselves.

use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::some_of;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::schema;
use jobcontrol_core::schema::Callable;

use super::error;
use super::error::CliError;
use super::render::BOLD;
use super::render::Out;
use super::render::Page;
use super::render::styled;
use super::render::text::table;
use crate::app::App;
use crate::catalog::at_hand::at_hand;
use crate::catalog::load::Catalog;
use crate::catalog::near::near_path;
use crate::request::inspection::Inspection;
use crate::request::inspection::brief;
use crate::request::refusal::Refusal;
use crate::show::escape::clean;
use crate::show::escape::one_line;
use crate::show::pages::PluginsJson;
use crate::show::plugins::PluginBriefJson;

/// Lists the plugins that manifests of the jobs folder can name.
pub(super) fn list(app: &App, out: &Out) -> Result<u8, CliError> {
    let workspace = &app.settings.workspace;
    let (plugins, problems) = at_hand(workspace);
    let catalog = Catalog::load(workspace).map_err(CliError::usage)?;
    let all: Vec<_> = plugins.iter().map(|found| brief(&catalog.graph, found)).collect();
    if out.is_json() {
        let problems = problems.iter().map(|problem| problem.message.as_str()).collect();
        out.json(&PluginsJson { plugins: all, problems })?;
        return Ok(error::DONE);
    }
    for problem in &problems {
        out.warn(&problem.message);
    }
    if all.is_empty() {
        out.warn(&format!("there are no plugins (*.wasm, *.wat) below `{}`", workspace.jobs.display()));
        return Ok(error::DONE);
    }
    let row = |plugin: &PluginBriefJson<'_>| {
        let jobs = some_of(plugin.jobs.iter().map(|id| one_line(id)));
        let functions = plugin.functions.to_string();
        vec![one_line(plugin.name), plugin.kind.to_owned(), functions, show_bytes(plugin.size as u64), jobs]
    };
    let rows = all.iter().map(row).collect();
    out.answer(table(&["PLUGIN", "KIND", "FUNCTIONS", "SIZE", "JOBS"], rows))?;
    Ok(error::DONE)
}

pub(super) fn inspect(app: &App, out: &Out, named: &str) -> Result<u8, CliError> {
    let path = locate(app, named)?;
    let reader = &app.settings.workspace.reader;
    let plugin = reader.read_file(&path, &path).map_err(|problem| {
        let diagnostic = Diagnostic::of(problem.code, problem.message).file(path.display().to_string());
        CliError::unchecked(vec![problem.help.into_iter().fold(diagnostic, Diagnostic::help)])
    })?;
    let wit = reader.wit_text(&plugin).map_err(CliError::failed)?;
    let report = Inspection::new(&app.settings.workspace, &plugin, &wit);
    if out.is_json() {
        out.json(&report.shape())?;
    } else {
        out.answer(describe(&report))?;
    }
    Ok(error::DONE)
}

pub(super) fn schema(app: &App, out: &Out) -> Result<u8, CliError> {
    let (plugins, problems) = at_hand(&app.settings.workspace);
    for problem in problems {
        out.warn(&format!("{}; its functions are missing in the schema", problem.message));
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

fn describe(report: &Inspection<'_>) -> Page {
    let plugin = report.plugin;
    let mut page = Page::default();
    let mut row = |name: &str, value: &str| {
        page.line(format!("{} {value}", styled(BOLD, format_args!("{name:<8}"))));
    };
    row("plugin", &one_line(&plugin.path.display().to_string()));
    row("kind", plugin.kind.describe());
    row("size", &show_bytes(plugin.bytes.len() as u64));
    row("digest", &format!("sha256:{}", plugin.digest));
    if let Some(language) = &plugin.language {
        row("language", &one_line(language));
    }
    describe_functions(plugin, &mut page);
    if !report.types.is_empty() {
        heading(&mut page, "types");
    }
    for line in report.types.iter().flat_map(|text| text.lines()) {
        page.line(format!("  {}", clean(line)));
    }
    heading(&mut page, "imports");
    for import in &plugin.imports {
        page.line(format!("  {}", clean(import)));
    }
    if plugin.imports.is_empty() {
        page.line("  nothing");
    }
    if report.grants().next().is_some() {
        heading(&mut page, "grants that jobs may need");
    }
    for (import, grant) in report.grants() {
        page.line(format!("  {grant}  # {}", one_line(import)));
    }
    if !report.wit.is_empty() {
        heading(&mut page, "WIT");
        page.quote(clean(report.wit.trim_end()));
    }
    describe_entries(report, &mut page);
    page
}

fn describe_functions(plugin: &Plugin, page: &mut Page) {
    heading(page, "functions");
    for signature in &plugin.functions {
        for line in signature.docs.as_deref().unwrap_or_default().lines() {
            page.line(format!("  /// {}", clean(line)).trim_end());
        }
        page.line(format!("  {}", clean(&signature.to_string())));
    }
    for (name, reason) in &plugin.refused {
        page.line(format!("  {} cannot be called: {}", clean(name), clean(reason)));
    }
    if plugin.functions.is_empty() && plugin.refused.is_empty() {
        page.line("  none");
    }
}

fn describe_entries(report: &Inspection<'_>, page: &mut Page) {
    if let Some(problem) = &report.missing {
        page.gap();
        page.line(format!("no job can use it: {}", clean(&problem.message)));
        problem.help.iter().for_each(|help| page.line(clean(help)));
        return;
    }
    if report.entries.is_empty() {
        return;
    }
    heading(page, "a manifest to start from");
    if let Some(before) = &report.before {
        page.line(format!("# {}", one_line(before)));
    }
    page.line("jobs:");
    for (_, entry) in &report.entries {
        entry.trim_end().lines().for_each(|line| page.line(clean(line)));
    }
}

fn heading(page: &mut Page, text: &str) {
    page.gap();
    page.line(styled(BOLD, text));
}
