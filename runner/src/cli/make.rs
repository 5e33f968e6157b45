//! `make`: builds a plugin from its source, and puts it beside the manifest that runs it.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::carry_out::interruptible;
use super::check;
use super::error;
use super::error::CliError;
use super::render;
use super::render::Out;
use super::render::Page;
use crate::app::App;
use crate::request::make;
use crate::request::make::sources::Sources;
use crate::request::refusal::Refusal;

/// What to make.
#[derive(Args, Debug)]
pub(super) struct MakeArgs {
    /// The folder of the source. The plugin goes into its `jobs` folder if there is one, else into
    /// the jobs folder of `--jobs`
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Keep running, and make it again after each change of the source
    #[arg(long)]
    watch: bool,
}

impl MakeArgs {
    /// Returns the jobs folder that comes with the source.
    pub(super) fn jobs(&self) -> Option<PathBuf> {
        // Without a leading `./`, messages show paths as the person would type them.
        let jobs = if self.dir == Path::new(".") { PathBuf::from("jobs") } else { self.dir.join("jobs") };
        jobs.is_dir().then_some(jobs)
    }
}

#[derive(Serialize)]
struct MadeJson {
    plugin: String,
    changed: bool,
    functions: Vec<String>,
}

pub(super) fn make(app: &App, out: &Out, args: &MakeArgs) -> Result<u8, CliError> {
    if args.watch {
        return watch(app, &out.in_lines(), &args.dir);
    }
    one(app, out, &args.dir)?;
    if out.is_json() { Ok(error::DONE) } else { check::check(app, out, &[], false) }
}

fn one(app: &App, out: &Out, dir: &Path) -> Result<(), CliError> {
    let made = make::made(dir)?;
    let name = format!("{}.wasm", made.name);
    let plugin = app.plugins().read_bytes(made.bytes.as_slice().into(), Path::new(&name));
    let plugin = plugin.map_err(|problem| CliError::from(Refusal::failed(problem.message)))?;
    if plugin.functions.is_empty() {
        let refusal = Refusal::failed(format!("`{name}` does not export a function that a job can call"));
        return Err(refusal.hint("put `#[job]` before a function, after `use jobcontrol_plugin::job;`").into());
    }
    let (path, changed) = make::put(&made, &app.settings.workspace.jobs)?;
    let functions: Vec<String> = plugin.functions.iter().map(ToString::to_string).collect();
    if out.is_json() {
        return out.json(&MadeJson { plugin: path.display().to_string(), changed, functions });
    }
    let mut page = Page::default();
    page.line(format!("{}{}", path.display(), if changed { "" } else { " is unchanged" }));
    functions.iter().for_each(|function| page.line(format!("  {function}")));
    out.answer(page)
}

fn watch(app: &App, out: &Out, dir: &Path) -> Result<u8, CliError> {
    let unwatched = |e: notify::Error| CliError::failed(format!("`{}` cannot be watched: {e}", dir.display()));
    let mut sources = Sources::watch(dir).map_err(unwatched)?;
    let waker = sources.waker();
    let stop = interruptible(move || {
        let _ = waker.try_send(());
    })?;
    let mut is_first = true;
    loop {
        match one(app, out, dir) {
            Ok(()) => {}
            // A folder without source is a mistake on the command line.
            Err(error @ CliError::Refused(_)) if is_first && error.exit_code() == error::USAGE => return Err(error),
            Err(error) if !stop.is_set() => render::error(out, &error),
            Err(_) => {}
        }
        is_first = false;
        sources.changed().map_err(unwatched)?;
        if stop.is_set() {
            return Ok(error::INTERRUPTED);
        }
    }
}
