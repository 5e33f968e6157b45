//! `check --watch` and `run --watch`: repeat after each change of the files, until Ctrl-C.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_sandbox::Cancel;
use serde::Serialize;

use super::ask::AskArgs;
use super::carry_out::arm;
use super::carry_out::carry_out_until;
use super::carry_out::interruptible;
use super::check::Counts;
use super::check::Wanted;
use super::check::about;
use super::check::add_unread;
use super::check::report;
use super::check::wanted;
use super::error;
use super::error::CliError;
use super::flags::Format;
use super::flags::settings;
use super::jobs::empty_folder;
use super::render;
use super::render::BOLD;
use super::render::DIM;
use super::render::Out;
use super::render::Page;
use super::render::diagnostic;
use super::render::styled;
use super::render::time::local_millis;
use crate::app::App;
use crate::catalog::load::Catalog;
use crate::catalog::watch::Reload;
use crate::catalog::watch::SettingsFile;
use crate::catalog::watch::Waker;
use crate::catalog::watch::Watcher;
use crate::catalog::workspace::Workspace;
use crate::execute::slots::SLOTS;
use crate::record::url::StoreUrl;
use crate::request::arguments::overrides;
use crate::request::rounds::Rounds;
use crate::request::run::RunAsk;
use crate::request::run::run_of;
use crate::request::targets::sound;
use crate::settings::Options;
use crate::settings::Resolved;
use crate::settings::SettingsError;
use crate::show::escape::one_line;
use crate::show::json::CheckJson;

/// The number of changed files to name; the others are only counted.
const NAMED: usize = 5;

fn start(app: &App, options: Options, out: &Out) -> Result<(Watcher, Cancel), CliError> {
    let waker = Waker::default();
    let stopper = waker.clone();
    let stop = interruptible(move || stopper.wake())?;
    let warner = out.clone();
    let say = Arc::new(move |message: &str| warner.warn(message));
    let workspace = app.settings.workspace.clone();
    let watcher = Watcher::start(settings_file(app, options, out), workspace, &waker, stop.clone(), say);
    Ok((watcher, stop))
}

/// Returns the operator's file, which is read again after each of its changes.
pub(super) fn settings_file(app: &App, options: Options, out: &Out) -> SettingsFile {
    let path = app.settings.config.path.clone();
    let shown = path.display().to_string();
    let fixed = Fixed::new(app, out.clone());
    let read = Box::new(move || match settings(&options) {
        Ok(settings) => Ok(fixed.hold(settings)),
        Err(SettingsError::Diagnostics(problems)) => Err(problems),
        Err(SettingsError::Usage(message)) => Err(vec![Diagnostic::of(Code::Unreadable, message).file(&shown)]),
    });
    SettingsFile { read, path }
}

/// The settings that stay fixed while the watch runs, whatever `jobcontrol.yaml` says later.
struct Fixed {
    began: Resolved,
    /// The store and the cache that were requested last, so that each change is reported once.
    told: RefCell<(StoreUrl, PathBuf)>,
    out: Out,
}

impl Fixed {
    fn new(app: &App, out: Out) -> Self {
        let began = app.settings.clone();
        let told = RefCell::new((began.store.clone(), began.workspace.reader.cache().to_owned()));
        Self { began, told, out }
    }

    /// Returns the workspace of new settings. The store and the cache in use stay hidden from jobs,
    /// too.
    fn hold(&self, settings: Resolved) -> Workspace {
        let Resolved { mut workspace, store, .. } = settings;
        let cache = workspace.reader.cache().to_owned();
        let tell = |key: &str| {
            let restart = "restart to use it; until then, the previous one is used";
            let file = self.began.config.path.display();
            self.out.warn(&format!("`{key}:` in {file} has changed: {restart}"));
        };
        let (was_store, was_cache) = self.told.replace((store.clone(), cache.clone()));
        if store != was_store && store != self.began.store {
            tell("store");
        }
        if cache != was_cache && cache != self.began.workspace.reader.cache() {
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
    let wanted = wanted(&app.settings.workspace, &[], paths)?;
    let (mut watcher, _) = start(app, options, out)?;
    show_check(app, out, watcher.current(), &wanted)?;
    while let Some(reload) = watcher.changed() {
        if out.format == Format::Human {
            let mut page = Page::default();
            page.gap();
            page.line(headline(app, reload));
            out.answer(page)?;
        }
        show_check(app, out, reload, &wanted)?;
    }
    Ok(error::INTERRUPTED)
}

fn show_check(app: &App, out: &Out, reload: &Reload, wanted: &[Wanted]) -> Result<(), CliError> {
    let mut problems = about(reload.remarks.clone(), wanted);
    add_unread(&mut problems, &app.settings.workspace, &reload.manifests, wanted);
    let folder =
        Catalog { manifests: reload.manifests.clone(), problems: reload.problems.clone(), ..Catalog::default() };
    problems.extend(empty_folder(app, &folder));
    let counts = match Counts::of(&reload.manifests, &reload.catalog.graph, wanted) {
        counts if wanted.is_empty() => Counts { jobs: reload.jobs, ..counts },
        counts => counts,
    };
    match out.format {
        Format::Json => {
            let check = CheckJson::new(counts.manifests, counts.jobs, &problems);
            out.json(&ChangeJson { time: app.clock.now().to_string(), changed: &reload.changed, check })
        }
        _ => report(out, &problems, counts).map(drop),
    }
}

/// Says when the files changed, and which.
fn headline(app: &App, reload: &Reload) -> String {
    let named: Vec<_> = reload.changed.iter().take(NAMED).map(String::as_str).collect();
    let more = reload.changed.len() - named.len();
    let files = match (named.as_slice(), more) {
        ([], _) => "the folder".to_owned(),
        (named, 0) => named.join(", "),
        (named, more) => format!("{} and {more} more", named.join(", ")),
    };
    format!("{} changed: {}", styled(DIM, local_millis(app.clock.now())), styled(BOLD, one_line(&files)))
}

pub(super) fn run(app: &App, options: Options, out: &Out, args: &AskArgs) -> Result<u8, CliError> {
    let out = &out.in_lines();
    let args = &args.settled(app)?;
    let (mut watcher, stop) = start(app, options, out)?;
    // Later rounds may build more jobs than the first.
    app.engine(SLOTS)?;
    let rounds = Rounds::start(&*app.storage(app.store.is_there())?)?;
    let mut watched = Watched { app, out, args, stop, rounds, armed: BTreeSet::new() };
    let first = watcher.current();
    show_mistakes(out, first, false);
    watched.build_all(&first.catalog)?;
    while !watched.stop.is_set() {
        let was_broken = !watcher.current().problems.is_empty();
        let Some(reload) = watcher.changed() else { break };
        out.say(headline(app, reload));
        show_mistakes(out, reload, was_broken);
        match watched.build_touched(&reload.catalog) {
            Err(CliError::Closed) => return Err(CliError::Closed),
            Err(error) => render::error(out, &error),
            Ok(()) => {}
        }
    }
    Ok(error::INTERRUPTED)
}

fn show_mistakes(out: &Out, reload: &Reload, was_broken: bool) {
    if !reload.problems.is_empty() {
        out.say(diagnostic::report(&reload.problems));
    } else if was_broken {
        out.say(Counts { manifests: reload.manifests.len(), jobs: reload.jobs }.all_good());
    }
    for file in reload.last_good.iter().take(NAMED) {
        out.warn(&format!("the last good version of `{file}` is still in use"));
    }
    if reload.last_good.len() > NAMED {
        out.warn(&format!("so are those of {} more files", reload.last_good.len() - NAMED));
    }
}

/// What `run --watch` builds, round by round.
struct Watched<'a> {
    app: &'a App,
    out: &'a Out,
    args: &'a AskArgs,
    stop: Cancel,
    rounds: Rounds,
    /// Protected jobs that the person has confirmed.
    armed: BTreeSet<String>,
}

impl Watched<'_> {
    /// Builds the jobs named on the command line. Mistakes on the command line end the program,
    /// mistakes in files do not.
    fn build_all(&mut self, catalog: &Arc<Catalog>) -> Result<(), CliError> {
        let built = self.build(catalog, &self.args.ask()?.targets);
        self.rounds.remember(catalog, &*self.app.storage(self.app.store.is_there())?)?;
        match built {
            Err(error) if error.is_unchecked() => render::error(self.out, &error),
            built => built?,
        }
        Ok(())
    }

    fn build_touched(&mut self, catalog: &Arc<Catalog>) -> Result<(), CliError> {
        let storage = self.app.storage(self.app.store.is_there())?;
        let ask = self.args.ask()?;
        let due: Vec<String> = {
            let due = self.rounds.due(catalog, &*storage, &ask)?;
            due.into_iter().map(str::to_owned).collect()
        };
        let due: Vec<&str> = due.iter().map(String::as_str).collect();
        let built = if due.is_empty() {
            self.out.say(format!("nothing to build: the change does not affect {}", ask.targets.join(", ")));
            Ok(())
        } else {
            self.build(catalog, &due)
        };
        self.rounds.remember(catalog, &*storage)?;
        built
    }

    fn build(&mut self, catalog: &Arc<Catalog>, targets: &[&str]) -> Result<(), CliError> {
        let (app, out, args) = (self.app, self.out, self.args);
        sound(catalog, targets)?;
        let named = args.ask()?.targets;
        let ask = RunAsk { targets: targets.to_vec(), ..args.ask()? };
        // Arguments from the command line are for the job that was named there, in whichever round
        // it is built.
        let given = args.args.as_slice();
        let requests = match named.as_slice() {
            [one] if !catalog.graph.closure(targets.iter().copied()).contains(one) => BTreeMap::new(),
            named => overrides(catalog, named, given)?,
        };
        let mut ready = run_of(catalog, &app.store, &ask, requests)?;
        if let ([one], [_, ..]) = (named.as_slice(), given) {
            self.rounds.use_edited(&*app.storage(app.store.is_there())?, one, &mut ready)?;
        }
        let guarded: Vec<String> = ready.protected().map(str::to_owned).collect();
        // A job that was confirmed once is confirmed for every round of this watch.
        if !guarded.iter().all(|id| self.armed.contains(id)) {
            arm(out, &ready, args.yes_protected)?;
            self.armed.extend(guarded);
        }
        let shown: Vec<String> = match args.revdeps {
            true => ready.plan.order.clone(),
            false => targets.iter().map(|id| (*id).to_owned()).collect(),
        };
        carry_out_until(app, out, ready, &shown, &self.stop).map(drop)
    }
}
