//! `inspect`: what a plugin says of itself.

use std::fmt::Write;
use std::path::PathBuf;

use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_sandbox::missing_imports;
use jobcontrol_sandbox::read_plugin;
use jobcontrol_sandbox::wit_text;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::render::BOLD;
use super::render::Out;
use super::render::escape::clean;
use super::render::styled;
use crate::app::App;

#[derive(Serialize)]
struct PluginJson<'a> {
    path: String,
    digest: &'a str,
    size: usize,
    functions: Vec<FunctionJson<'a>>,
    refused: Vec<RefusedJson<'a>>,
    imports: &'a [String],
    missing: Option<String>,
    wit: &'a str,
}

#[derive(Serialize)]
struct FunctionJson<'a> {
    export: String,
    signature: String,
    params: Vec<ParamJson<'a>>,
    result: Option<String>,
    docs: Option<&'a str>,
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
    let plugin = read_plugin(&path, &path).map_err(|problem| {
        let diagnostic = Diagnostic::of(problem.code, problem.message).file(path.display().to_string());
        CliError::Diagnostics(vec![problem.help.into_iter().fold(diagnostic, Diagnostic::help)])
    })?;
    let wit = wit_text(&plugin).map_err(CliError::Failed)?;
    if out.is_json() {
        out.json(&shape(&plugin, &wit))?;
    } else {
        out.answer(&describe(&plugin, &wit))?;
    }
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
        let tried = tried.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ");
        CliError::NotFound(format!("there is no plugin `{named}`: looked for {tried}"))
    })
}

fn shape<'a>(plugin: &'a Plugin, wit: &'a str) -> PluginJson<'a> {
    let functions = plugin.functions.iter().map(|signature| FunctionJson {
        export: plugin.shortest(signature),
        signature: signature.to_string(),
        params: signature.params.iter().map(|(name, ty)| ParamJson { name, r#type: ty.to_string() }).collect(),
        result: signature.result.as_ref().map(ToString::to_string),
        docs: signature.docs.as_deref(),
    });
    PluginJson {
        path: plugin.path.display().to_string(),
        digest: &plugin.digest,
        size: plugin.bytes.len(),
        functions: functions.collect(),
        refused: plugin.refused.iter().map(|(name, reason)| RefusedJson { name, reason }).collect(),
        imports: &plugin.imports,
        missing: missing_imports(plugin).map(|problem| problem.message),
        wit,
    }
}

fn describe(plugin: &Plugin, wit: &str) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{} {value}", styled(BOLD, format_args!("{name:<8}")));
    };
    row("plugin", &clean(&plugin.path.display().to_string()));
    row("size", &show_bytes(plugin.bytes.len() as u64));
    row("digest", &format!("sha256:{}", plugin.digest));
    let _ = writeln!(text, "\n{}", styled(BOLD, "functions"));
    for signature in &plugin.functions {
        let _ = writeln!(text, "  {}", clean(&signature.to_string()));
    }
    for (name, reason) in &plugin.refused {
        let _ = writeln!(text, "  {} cannot be called: {}", clean(name), clean(reason));
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, "imports"));
    for import in &plugin.imports {
        let _ = writeln!(text, "  {}{}", clean(import), needs(import));
    }
    if plugin.imports.is_empty() {
        let _ = writeln!(text, "  nothing");
    }
    if let Some(problem) = missing_imports(plugin) {
        let _ = writeln!(text, "\n{}", clean(&problem.message));
        for help in &problem.help {
            let _ = writeln!(text, "{}", clean(help));
        }
    }
    let _ = write!(text, "\n{}\n{}", styled(BOLD, "WIT"), clean(wit));
    text
}

/// What a job has to grant before an import gives anything.
fn needs(import: &str) -> &'static str {
    if import.starts_with("wasi:filesystem/preopens") {
        "  (empty without `grants: { files: [..] }`)"
    } else if import.starts_with("wasi:cli/environment") {
        "  (empty without `grants: { env: [..] }`)"
    } else if import.starts_with("wasi:sockets/") {
        "  (refuses everything)"
    } else {
        ""
    }
}
