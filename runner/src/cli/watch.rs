//! `check --watch` and `run --watch`: again after each change of the files, until Ctrl-C.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jobcontrol_core::check::Graph;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::plan;
use jobcontrol_core::status::JobStatus;
use jobcontrol_sandbox::Cancel;
use serde::Serialize;

use super::Format;
use super::check::about;
use super::check::all_good;
use super::check::report;
use super::check::wanted;
use super::error;
use super::error::CliError;
use super::jobs::empty_folder;
use super::render;
use super::render::BOLD;
use super::render::DIM;
use super::render::Out;
use super::render::diagnostic;
use super::render::escape::one_line;
use super::render::styled;
use super::run::Decided;
use super::run::Requests;
use super::run::RunArgs;
use super::run::arm;
use super::run::ask_for;
use super::run::carry_out_until;
use super::run::decide;
use super::run::interruptible;
use super::run::overrides;
use super::run::sound;
use crate::app::App;
use crate::catalog::load::Catalog;
use crate::catalog::watch::Reload;
use crate::catalog::watch::Watcher;
use crate::catalog::watch::channel;
use crate::catalog::workspace::SETTINGS_FILE;
use crate::catalog::workspace::Workspace;
use crate::record::url::StoreUrl;
use crate::settings::Options;
use crate::settings::Resolved;
use crate::settings::SettingsError;
use crate::show::json::CheckJson;

/// Changed files that are named; of the others their number is told.
const NAMED: usize = 5;

fn start(app: &App, options: Options, out: &Out) -> Result<(Watcher, Cancel), CliError> {
    let (wake, wakes) = channel();
    let waker = wake.clone();
    // If there is no room, whoever waits is about to wake up anyway.
    let stop = interruptible(move || {
        let _ = waker.try_send(());
    })?;
    let config = options.config.clone().unwrap_or_else(|| SETTINGS_FILE.into());
    let shown = config.display().to_string();
    let fixed = Fixed::new(app, out.clone());
    let settings = Box::new(move || match super::settings(&options) {
        Ok(settings) => Ok(fixed.hold(settings)),
        Err(SettingsError::Diagnostics(problems)) => Err(problems),
        Err(SettingsError::Usage(message)) => Err(vec![Diagnostic::of(Code::Unreadable, message).file(&shown)]),
    });
    let warner = out.clone();
    let say = Box::new(move |message: &str| warner.warn(message));
    let workspace = app.settings.workspace.clone();
    let watcher = Watcher::start((settings, config), workspace, (&wake, wakes), stop.clone(), say);
    Ok((watcher, stop))
}

/// What stays as it was when the watch began, whatever `jobcontrol.yaml` says later.
struct Fixed {
    began: Resolved,
    /// What was asked for last, so that each change is told once.
    told: RefCell<(StoreUrl, PathBuf)>,
    out: Out,
}

impl Fixed {
    fn new(app: &App, out: Out) -> Self {
        let began = app.settings.clone();
        let told = RefCell::new((began.store.clone(), began.cache.clone()));
        Self { began, told, out }
    }

    /// The workspace of new settings, in which the store and the cache that are in use are nobody's to see either.
    fn hold(&self, settings: Resolved) -> Workspace {
        let Resolved { mut workspace, store, cache, .. } = settings;
        let tell = |key: &str| {
            let restart = "restart to use it, until then the one that it named before is used";
            self.out.warn(&format!("`{key}:` in {SETTINGS_FILE} has changed: {restart}"));
        };
        let (was_store, was_cache) = self.told.replace((store.clone(), cache.clone()));
        if store != was_store && store != self.began.store {
            tell("store");
        }
        if cache != was_cache && cache != self.began.cache {
            tell("cache");
        }
        let guarded = &mut workspace.files.no_read;
        let in_use = self.began.workspace.files.no_read.iter();
        let missing: Vec<_> = in_use.filter(|path| !guarded.contains(path)).cloned().collect();
        guarded.extend(missing);
        workspace
    }
}

/// A check as one line of JSON.
#[derive(Serialize)]
struct ChangeJson<'a> {
    time: String,
    changed: &'a [String],
    #[serde(flatten)]
    check: CheckJson<'a>,
}

pub(super) fn check(app: &App, options: Options, out: &Out, paths: &[PathBuf]) -> Result<u8, CliError> {
    let out = &out.in_lines();
    let wanted = wanted(paths)?;
    let (mut watcher, _) = start(app, options, out)?;
    show_check(app, out, watcher.current(), &wanted)?;
    while let Some(reload) = watcher.changed() {
        if out.format == Format::Human {
            out.answer(&format!("\n{}", headline(app, reload)))?;
        }
        show_check(app, out, reload, &wanted)?;
    }
    Ok(error::INTERRUPTED)
}

fn show_check(app: &App, out: &Out, reload: &Reload, wanted: &[PathBuf]) -> Result<(), CliError> {
    let mut problems = about(reload.problems.clone(), wanted);
    let folder = Catalog { manifests: reload.manifests, problems: reload.problems.clone(), ..Catalog::default() };
    problems.extend(empty_folder(app, &folder));
    match out.format {
        Format::Json => {
            let check = CheckJson::new(reload.manifests, reload.jobs, &problems);
            out.json(&ChangeJson { time: app.clock.now().to_string(), changed: &reload.changed, check })
        }
        Format::Human if problems.is_empty() => out.answer(&all_good(reload.manifests, reload.jobs)),
        _ => report(out, &problems, reload.manifests, reload.jobs).map(drop),
    }
}

/// When, and what changed.
fn headline(app: &App, reload: &Reload) -> String {
    let named: Vec<_> = reload.changed.iter().take(NAMED).map(String::as_str).collect();
    let more = reload.changed.len() - named.len();
    let files = match (named.as_slice(), more) {
        ([], _) => "the folder".to_owned(),
        (named, 0) => named.join(", "),
        (named, more) => format!("{} and {more} more", named.join(", ")),
    };
    format!("{} changed: {}", styled(DIM, app.clock.now()), styled(BOLD, one_line(&files)))
}

pub(super) fn run(app: &App, options: Options, out: &Out, args: &RunArgs) -> Result<u8, CliError> {
    let out = &out.in_lines();
    let mut targets: Vec<&str> = Vec::new();
    for job in &args.targets {
        if !targets.contains(&job.as_str()) {
            targets.push(job);
        }
    }
    let (mut watcher, stop) = start(app, options, out)?;
    let (seen, armed, graph) = (BTreeMap::new(), BTreeSet::new(), Graph::default());
    let mut rounds = Rounds { app, out, args, targets, stop, seen, armed, graph };
    let first = watcher.current();
    show_mistakes(out, first, false);
    rounds.build_all(&first.catalog)?;
    while !rounds.stop.is_set() {
        let was_broken = !watcher.current().problems.is_empty();
        let Some(reload) = watcher.changed() else { break };
        out.say(&headline(app, reload));
        show_mistakes(out, reload, was_broken);
        match rounds.build_touched(&reload.catalog) {
            Err(CliError::Closed) => return Err(CliError::Closed),
            Err(error) => render::error(out, &error),
            Ok(()) => {}
        }
    }
    Ok(error::INTERRUPTED)
}

fn show_mistakes(out: &Out, reload: &Reload, was_broken: bool) {
    if !reload.problems.is_empty() {
        out.say(diagnostic::report(&reload.problems).trim_end());
    } else if was_broken {
        out.say(&all_good(reload.manifests, reload.jobs));
    }
    for file in reload.kept.iter().take(NAMED) {
        out.warn(&format!("the last good version of `{file}` stays in use"));
    }
    if reload.kept.len() > NAMED {
        out.warn(&format!("so do those of {} more files", reload.kept.len() - NAMED));
    }
}

/// What `run --watch` builds, round by round.
struct Rounds<'a> {
    app: &'a App,
    out: &'a Out,
    args: &'a RunArgs,
    targets: Vec<&'a str>,
    stop: Cancel,
    /// How each job stood after the last round.
    seen: BTreeMap<String, JobStatus>,
    /// Protected jobs that a person has armed.
    armed: BTreeSet<String>,
    /// The jobs of the last round.
    graph: Graph,
}

impl Rounds<'_> {
    /// What was named on the command line. Mistakes of the command line end the program, those in files do not.
    fn build_all(&mut self, catalog: &Arc<Catalog>) -> Result<(), CliError> {
        let targets = self.targets.clone();
        let built = self.build(catalog, &targets);
        self.remember(catalog)?;
        match built {
            Err(error @ CliError::Diagnostics(_)) => render::error(self.out, &error),
            built => built?,
        }
        Ok(())
    }

    fn build_touched(&mut self, catalog: &Arc<Catalog>) -> Result<(), CliError> {
        let touched = plan::touched(&self.graph, &catalog.graph);
        let statuses = self.app.statuses(catalog, &*self.app.storage(true)?)?;
        // A job that was outdated before, and is for the same reasons, was not made so by the change.
        let newly = |id: &str| {
            let now = statuses.get(id).map(|standing| &standing.status);
            matches!(now, Some(JobStatus::Outdated(_))) && now != self.seen.get(id)
        };
        let due = |id: &str| touched.contains(id) || newly(id);
        let mut roots: BTreeSet<&str> = self.targets.iter().copied().collect();
        if self.args.revdeps {
            roots.extend(plan::dependents(&catalog.graph, &self.targets));
        }
        let needs_due = |id: &str| {
            if self.args.deps { catalog.graph.closure([id]).into_iter().any(due) } else { due(id) }
        };
        let again: Vec<&str> = roots.into_iter().filter(|id| needs_due(id)).collect();
        let built = if again.is_empty() {
            let named = self.targets.join(", ");
            self.out.say(&format!("nothing to build: the change does not touch {named}"));
            Ok(())
        } else {
            self.build(catalog, &again)
        };
        self.remember(catalog)?;
        built
    }

    fn build(&mut self, catalog: &Arc<Catalog>, targets: &[&str]) -> Result<(), CliError> {
        let (app, out, args) = (self.app, self.out, self.args);
        sound(catalog, targets)?;
        let pins = BTreeMap::new();
        let Decided { plan, refused } = decide(app, catalog, targets, args, &pins)?;
        // What was given on the command line is for the job that was named there, in whichever round it is built.
        let mut requests = match self.targets.as_slice() {
            [named] if !plan.order.iter().any(|id| id == named) => Requests::new(),
            named => overrides(catalog, named, &args.args)?,
        };
        ask_for(catalog, &plan, targets, args, &pins, &mut requests)?;
        let guarded = plan.order.iter().filter(|id| catalog.graph.jobs[*id].job.protected);
        let guarded: Vec<String> = guarded.cloned().collect();
        // Who armed a job for this watch has done so for each of its rounds.
        if !guarded.iter().all(|id| self.armed.contains(id)) {
            arm(out, catalog, &plan, args.yes_protected)?;
            self.armed.extend(guarded);
        }
        let shown: Vec<&str> =
            if args.revdeps { plan.order.iter().map(String::as_str).collect() } else { targets.to_vec() };
        carry_out_until(app, out, Arc::clone(catalog), (&plan, requests), &shown, &self.stop)?;
        for id in &refused {
            let message = format!("{id}: not built, because its manifest has mistakes");
            render::error(out, &CliError::Failed(message));
        }
        Ok(())
    }

    fn remember(&mut self, catalog: &Arc<Catalog>) -> Result<(), CliError> {
        let statuses = self.app.statuses(catalog, &*self.app.storage(true)?)?;
        self.seen = statuses.into_iter().map(|(id, standing)| (id, standing.status)).collect();
        self.graph = catalog.graph.clone();
        Ok(())
    }
}
