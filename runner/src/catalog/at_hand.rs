//! The available plugins, and how a manifest of the jobs folder names them.

use std::path::Path;
use std::path::PathBuf;

use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::job::FunctionRef;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_sandbox::is_script;
use jobcontrol_sandbox::missing_imports;
use walkdir::WalkDir;

use crate::catalog::survey::is_plugin;
use crate::catalog::workspace::Workspace;

/// A plugin that a manifest can name.
#[derive(Debug)]
pub struct AtHand {
    /// How `function` begins in a manifest directly in the jobs folder: `sales`, or
    /// `./sub/sales.wasm`.
    pub name: String,
    /// The content of the file.
    pub plugin: Plugin,
}

/// Returns every plugin below the jobs folder and in the plugin folders, sorted by name, and what
/// is wrong with those that cannot be used.
pub fn at_hand(workspace: &Workspace) -> (Vec<AtHand>, Vec<PluginProblem>) {
    let visible = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().as_encoded_bytes();
        entry.depth() == 0 || !name.starts_with(b".") && name != b"node_modules"
    };
    let below_jobs = WalkDir::new(&workspace.jobs).sort_by_file_name().into_iter().filter_entry(visible);
    let beside = workspace.plugins.iter().flat_map(|folder| WalkDir::new(folder).max_depth(1).sort_by_file_name());
    let paths = below_jobs.chain(beside).flatten().map(walkdir::DirEntry::into_path);
    let mut found: Vec<AtHand> = Vec::new();
    let mut problems = Vec::new();
    for path in paths.filter(|path| is_plugin(path) && path.is_file()) {
        let Some(name) = name_of(workspace, &path).filter(|name| found.iter().all(|known| known.name != *name)) else {
            continue;
        };
        match workspace
            .reader
            .read_file(&path, &path)
            .and_then(|plugin| missing_imports(&plugin).map_or(Ok(plugin), Err))
        {
            // Modules that scripts import, and scripts for other purposes, export no job.
            Ok(plugin) if plugin.script.is_some() && plugin.functions.is_empty() => {}
            Ok(plugin) => found.push(AtHand { name, plugin }),
            Err(_) if is_script(&path) => {}
            Err(problem) => problems.push(problem),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    (found, problems)
}

/// Returns how a manifest in the jobs folder names this file, or `None` if it cannot.
pub fn name_of(workspace: &Workspace, path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let stem = path.file_stem()?.to_str()?;
    let folder = path.parent()?.canonicalize().ok()?;
    let real = |folder: &PathBuf| folder.canonicalize().ok();
    let jobs = real(&workspace.jobs)?;
    let inside = folder.strip_prefix(&jobs).ok();
    if is_script(path) {
        let below = inside?;
        let name =
            if below.as_os_str().is_empty() { file.to_owned() } else { format!("./{}", below.join(file).to_str()?) };
        return can_be_written(&name).then_some(name);
    }
    let folders: Vec<_> = std::iter::once(jobs.clone()).chain(workspace.plugins.iter().filter_map(real)).collect();
    // A bare name means the first folder that has such a file. It has no dot, which would make it a
    // path.
    let has_it = |folder: &&PathBuf| ["wasm", "wat"].iter().any(|ext| folder.join(format!("{stem}.{ext}")).exists());
    let only = ["wasm", "wat"].iter().filter(|ext| folder.join(format!("{stem}.{ext}")).exists()).count() == 1;
    let by_name = folders.iter().find(has_it) == Some(&folder) && only && !stem.contains('.');
    let name = match inside {
        Some(inside) if !(by_name && is_plain(stem)) => format!("./{}", inside.join(file).to_str()?),
        _ if by_name => stem.to_owned(),
        _ => return None,
    };
    can_be_written(&name).then_some(name)
}

/// Returns whether a bare name is unambiguous, both alone and with a function after it.
fn is_plain(stem: &str) -> bool {
    stem.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// Returns whether a manifest can use this name for a file: a colon ends a plugin's name, and a pin
/// begins after it.
fn can_be_written(name: &str) -> bool {
    let path = FunctionRef::parse(&format!("{name}:f")).is_ok_and(|function| function.plugin == name);
    path && !name.chars().any(char::is_control)
}
