//! A new catalog for each settled change of the files, with the last good version of broken files.
//!
//! Any event leads to a look at all files. It does not matter what an editor, a compiler or version
//! control does on the way: only the files that are there once it is quiet count.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use jobcontrol_core::check::Lookup;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::last_good::Files;
use jobcontrol_core::last_good::LastGood;
use jobcontrol_sandbox::Cancel;
use notify::ErrorKind;
use notify::Event;
use notify::EventKind;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher as _;
use notify::event::ModifyKind;

use crate::catalog::load::Catalog;
use crate::catalog::load::Reading;
use crate::catalog::survey::Survey;
use crate::catalog::survey::is_plugin;
use crate::catalog::survey::matters;
use crate::catalog::workspace::Workspace;
use crate::say::Say;

/// A change is over when nothing happens for this long: editors and version control write in bursts
/// without a pause.
const QUIET: Duration = Duration::from_millis(25);
/// A plugin that is missing, damaged or without its functions may still be on its way from a
/// compiler.
const PATIENCE: Duration = Duration::from_millis(500);
/// However much happens, the files are looked at this long after the first event.
const LONGEST: Duration = Duration::from_secs(5);
/// If the kernel reports no events, the files are looked at this often.
const POLL: Duration = Duration::from_secs(1);

/// Reads the operator's file.
pub type ReadSettings = Box<dyn Fn() -> Result<Workspace, Vec<Diagnostic>> + Send>;

/// The files after a change.
#[derive(Clone, Debug)]
pub struct Reload {
    /// The catalog in use: the current files, and the last good version of the broken ones.
    pub catalog: Arc<Catalog>,
    /// The files whose last good version is still in use.
    pub last_good: Vec<String>,
    /// Everything that is wrong with the files as they are now.
    pub problems: Vec<Diagnostic>,
    /// The same, with warnings about what works but is probably not meant.
    pub remarks: Vec<Diagnostic>,
    /// The manifests that exist now.
    pub manifests: Vec<String>,
    /// The number of their jobs, as far as they can be read.
    pub jobs: usize,
    /// The files that have changed since the previous reading; empty the first time.
    pub changed: Vec<String>,
}

/// Which events lead to a look at the files.
#[derive(Default)]
struct Scope {
    folders: BTreeSet<PathBuf>,
    names: BTreeSet<PathBuf>,
}

impl Scope {
    fn concerns(&self, event: &Event) -> bool {
        // Reading causes these events: reacting to them would lead to an endless loop.
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        let written = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any));
        let path_concerns = |path: &PathBuf| {
            let inside = path.parent().is_some_and(|folder| self.folders.contains(folder));
            self.names.contains(path) || self.folders.contains(path) || (inside && (!written || matters(path)))
        };
        event.need_rescan() || event.paths.iter().any(path_concerns)
    }
}

/// The kernel's events about the files.
struct Kernel {
    watcher: RecommendedWatcher,
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// Whether it may not report some of them.
    is_blind: bool,
}

impl Kernel {
    /// Watches the folders of a survey and no others. Returns whether any of them is new.
    fn follow(&mut self, survey: &Survey) -> notify::Result<bool> {
        let wanted: BTreeMap<_, _> = survey.folders.iter().chain(&survey.around).collect();
        let stays = |path: &PathBuf, inode: &(u64, u64)| wanted.get(path) == Some(&inode);
        for (path, _) in self.watched.extract_if(.., |path, inode| !stays(path, inode)) {
            // The kernel forgets folders that are gone by itself.
            let _ = self.watcher.unwatch(&path);
        }
        let mut new = false;
        self.is_blind = false;
        for (path, inode) in wanted {
            if !self.watched.contains_key(path) {
                match self.watcher.watch(path, RecursiveMode::NonRecursive) {
                    // Gone already: its parent reports that.
                    Err(e) if matches!(e.kind, ErrorKind::PathNotFound) => {}
                    // A folder on the way to ours need not be readable for us.
                    Err(e) if is_denied(&e) => self.is_blind = true,
                    Err(e) => return Err(e),
                    Ok(()) => {
                        self.watched.insert(path.clone(), *inode);
                        new = true;
                    }
                }
            }
        }
        Ok(new)
    }
}

/// Keeps a catalog in step with the files.
pub struct Watcher {
    settings: ReadSettings,
    config: PathBuf,
    workspace: Workspace,
    say: Say,
    scope: Arc<Mutex<Scope>>,
    wakes: Receiver<()>,
    stop: Cancel,
    kernel: Option<Kernel>,
    survey: Survey,
    /// The survey from when `files` were read.
    read_at: Survey,
    files: Files,
    last_good: LastGood,
    /// Whether the rules have changed since `files` were read.
    new_rules: bool,
    /// Whether they changed because of the operator, and not only because a link leads elsewhere.
    withdrawn: bool,
    current: Reload,
}

/// Wakes a watcher: there is something to look at, or it is time to stop.
#[derive(Clone, Debug)]
pub struct Waker {
    wake: Sender<()>,
    woken: Receiver<()>,
}

impl Default for Waker {
    fn default() -> Self {
        let (wake, woken) = crossbeam_channel::bounded(1);
        Self { wake, woken }
    }
}

impl Waker {
    /// Wakes the watcher. Does nothing if it has been woken already and has not looked yet.
    pub fn wake(&self) {
        // If there is no room, it has been woken already.
        let _ = self.wake.try_send(());
    }
}

/// The operator's file, whether it exists or not, and how it is read.
pub struct SettingsFile {
    /// Reads the file.
    pub read: ReadSettings,
    /// The path of the file.
    pub path: PathBuf,
}

impl Watcher {
    /// Begins to watch, and reads all files. `workspace` is what the operator's file said last. A
    /// caller that sets `stop` must also wake `waker`.
    pub fn start(settings: SettingsFile, workspace: Workspace, waker: &Waker, stop: Cancel, say: Say) -> Self {
        let workspace = Workspace { reader: workspace.reader.clone().stopped_by(stop.clone()), ..workspace };
        let scope = Arc::new(Mutex::new(Scope::default()));
        let SettingsFile { read: settings, path: config } = settings;
        let (seen, wakes) = (Arc::clone(&scope), waker.woken.clone());
        let waker = waker.clone();
        let handler = move |event: notify::Result<Event>| {
            let scope = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if event.map_or(true, |event| scope.concerns(&event)) {
                waker.wake();
            }
        };
        let mut watcher = Self {
            settings,
            config,
            workspace,
            say,
            scope,
            wakes,
            stop,
            kernel: None,
            survey: Survey::default(),
            read_at: Survey::default(),
            files: Files::new(),
            last_good: LastGood::default(),
            new_rules: false,
            withdrawn: false,
            current: Reload {
                catalog: Arc::default(),
                last_good: Vec::new(),
                problems: Vec::new(),
                remarks: Vec::new(),
                manifests: Vec::new(),
                jobs: 0,
                changed: Vec::new(),
            },
        };
        match notify::recommended_watcher(handler) {
            Ok(kernel) => watcher.kernel = Some(Kernel { watcher: kernel, watched: BTreeMap::new(), is_blind: false }),
            Err(error) => (watcher.say)(&no_room(&error)),
        }
        watcher.survey = watcher.look();
        let taken = watcher.read();
        watcher.settle_on(taken);
        watcher.current.changed.clear();
        watcher
    }

    /// Returns the files as they were read last.
    pub fn current(&self) -> &Reload {
        &self.current
    }

    /// Returns the workspace with which the files were read.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Waits for the next change that makes a difference. Returns `None` when it is time to stop.
    pub fn changed(&mut self) -> Option<&Reload> {
        loop {
            let sees = self.kernel.as_ref().is_some_and(|kernel| !kernel.is_blind);
            let patience = if sees { None } else { Some(POLL) };
            self.wait(patience);
            if self.settle()? {
                return Some(&self.current);
            }
        }
    }

    /// Waits for an event, at most for `patience`. Returns whether one came.
    fn wait(&self, patience: Option<Duration>) -> bool {
        match patience {
            None => self.wakes.recv().is_ok(),
            Some(patience) => self.wakes.recv_timeout(patience).is_ok(),
        }
    }

    /// Reads the files once they are quiet. Returns whether anything differs from before, or `None`
    /// to stop.
    fn settle(&mut self) -> Option<bool> {
        let began = Instant::now();
        let mut quiet = QUIET;
        loop {
            while !self.stop.is_set() && began.elapsed() < LONGEST && self.wait(Some(quiet)) {
                quiet = QUIET;
            }
            if self.stop.is_set() {
                return None;
            }
            let survey = self.look();
            if survey == self.survey && !self.new_rules {
                return Some(false);
            }
            let before = std::mem::replace(&mut self.survey, survey);
            let taken = self.read();
            let late = began.elapsed() >= LONGEST;
            if !self.workspace.is_same(&taken.workspace) {
                // Other folders may be relevant now.
                self.withdrawn |= !self.workspace.has_rules_of(&taken.workspace);
                self.workspace = taken.workspace;
                (self.new_rules, quiet) = (true, QUIET);
            } else if !late && self.look() != self.survey {
                // Something was written while the files were read.
                quiet = QUIET;
            } else if !late && quiet < PATIENCE && unfinished(&before, &self.survey, &taken) {
                quiet = PATIENCE;
            } else {
                return Some(self.settle_on(taken));
            }
            self.survey = before;
        }
    }

    /// Looks at the files, after making sure that no later event is missed.
    fn look(&mut self) -> Survey {
        loop {
            let plugins =
                self.files.values().flat_map(|file| &file.jobs).filter_map(|(_, plugin)| plugin.as_ref().ok());
            let survey = Survey::take(&self.workspace, &self.config, plugins.map(|plugin| plugin.path.as_path()));
            {
                let mut scope = self.scope.lock().unwrap_or_else(PoisonError::into_inner);
                *scope = Scope { folders: survey.folders.keys().cloned().collect(), names: survey.names.clone() };
            }
            match self.kernel.as_mut().map(|kernel| kernel.follow(&survey)) {
                Some(Ok(true)) => {}
                Some(Ok(false)) | None => return survey,
                Some(Err(error)) => {
                    self.kernel = None;
                    (self.say)(&no_room(&error));
                }
            }
        }
    }

    fn read(&self) -> Taken {
        let (workspace, mut problems) = match (self.settings)() {
            Ok(workspace) => {
                let stored_plugins = self.workspace.stored_plugins.clone();
                let reader = workspace.reader.stopped_by(self.stop.clone());
                (Workspace { stored_plugins, reader, ..workspace }, Vec::new())
            }
            Err(problems) => (self.workspace.clone(), problems),
        };
        let known = self.known_plugins(&self.survey);
        // Under other rules, the same text may mean something else.
        let nothing = Files::new();
        let before = if self.workspace.is_same(&workspace) && !self.new_rules { &self.files } else { &nothing };
        let reading = Reading::take(&workspace, before, known).map_err(|message| {
            let folder = workspace.jobs.display().to_string();
            problems.push(Diagnostic::of(Code::Unreadable, message).file(folder));
        });
        Taken { workspace, problems, reading: reading.ok() }
    }

    /// Returns the plugins whose files have not changed since they were read.
    fn known_plugins(&self, survey: &Survey) -> HashMap<PathBuf, Lookup> {
        let jobs = self.files.values().flat_map(|file| &file.jobs);
        // A pinned plugin may come from the store, whatever the file contains.
        let unpinned = jobs.filter(|(job, _)| job.function.digest.is_none());
        let plugins = unpinned.filter_map(|(_, lookup)| lookup.as_ref().ok());
        let same = |path: &Path| survey.files.get(path).is_some_and(|now| self.read_at.files.get(path) == Some(now));
        plugins
            // The modules that a script imports may have changed.
            .filter(|plugin| plugin.script.is_none() && same(&plugin.path))
            .map(|plugin| (plugin.path.clone(), Ok(Arc::clone(plugin))))
            .collect()
    }

    /// Does the same as `adopt`, and watches the plugins that the jobs have now.
    fn settle_on(&mut self, taken: Taken) -> bool {
        let differs = self.adopt(taken);
        let again = self.look();
        // Changes in the meantime were watched, and are looked at next.
        if again.extends(&self.survey) {
            self.survey = again;
        }
        differs
    }

    /// Makes what was read the current state. Returns whether anything differs from before.
    fn adopt(&mut self, taken: Taken) -> bool {
        let Taken { workspace, mut problems, reading } = taken;
        let mut changed = Vec::new();
        let new_rules = std::mem::take(&mut self.new_rules);
        if std::mem::take(&mut self.withdrawn) {
            // Rights may have been withdrawn: nothing read under the old rules is used under the
            // new ones.
            self.last_good = LastGood::default();
        }
        if new_rules && self.read_at.files.get(&self.config) != self.survey.files.get(&self.config) {
            changed.push(self.config.display().to_string());
        }
        self.workspace = workspace;
        let (mut catalog, mut last_good) = (Arc::clone(&self.current.catalog), Vec::new());
        let (mut manifests, mut jobs) = (Vec::new(), 0);
        let mut remarks = problems.clone();
        match reading {
            Some(Reading { files, catalog: today }) => {
                changed.extend(differences(&self.files, &self.read_at, &files, &self.survey));
                problems.extend(today.diagnostics());
                remarks.extend(today.diagnostics_and_warnings());
                (manifests, jobs) = (today.manifests.clone(), today.graph.dependencies.len());
                if today.is_sound() {
                    self.last_good = LastGood::of(&files);
                    catalog = Arc::new(today);
                } else {
                    let workspace = &self.workspace;
                    let choice = self.last_good.choose(&files, |used| Catalog::of(workspace, used).graph);
                    catalog = Arc::new(Catalog::of(workspace, &choice.used));
                    (last_good, self.last_good) = (choice.kept, choice.last_good);
                }
                self.files = files;
                self.read_at = self.survey.clone();
            }
            None if new_rules => catalog = Arc::default(),
            // Without the folder, all files stay in use.
            None => last_good = self.files.keys().cloned().collect(),
        }
        let current = &self.current;
        let same = !new_rules && changed.is_empty() && remarks == current.remarks && manifests == current.manifests;
        self.current = Reload { catalog, last_good, problems, remarks, manifests, jobs, changed };
        !same
    }
}

/// The result of one reading.
struct Taken {
    workspace: Workspace,
    /// What is wrong with the operator's file, or with the jobs folder as a whole.
    problems: Vec<Diagnostic>,
    reading: Option<Reading>,
}

/// Returns whether the problems may disappear by themselves in a moment.
fn unfinished(before: &Survey, after: &Survey, taken: &Taken) -> bool {
    let Some(reading) = &taken.reading else {
        return true;
    };
    let differs = |path: &PathBuf| before.files.get(path) != after.files.get(path);
    let mut differing = before.files.keys().chain(after.files.keys()).filter(|path| differs(path));
    let emptied = |path: &PathBuf| {
        let file = reading.files.get(&path.display().to_string());
        file.is_some_and(|file| file.source.as_ref().is_some_and(|source| source.text.trim().is_empty()))
    };
    !reading.catalog.is_sound() && differing.any(|path| is_plugin(path) || emptied(path))
}

/// Returns the files, and the plugins of jobs, that have changed.
fn differences(before: &Files, was: &Survey, after: &Files, is: &Survey) -> Vec<String> {
    let mut changed = BTreeSet::new();
    for (path, file) in after {
        let old = before.get(path);
        if old.is_none_or(|old| old.source != file.source) {
            changed.insert(path.clone());
        }
    }
    changed.extend(before.keys().filter(|path| !after.contains_key(*path)).cloned());
    let plugins = |files: &Files| -> BTreeMap<PathBuf, Arc<str>> {
        let lookups = files.values().flat_map(|file| &file.jobs).filter_map(|(_, lookup)| lookup.as_ref().ok());
        lookups.map(|plugin| (plugin.path.clone(), Arc::clone(&plugin.digest))).collect()
    };
    let (old, new) = (plugins(before), plugins(after));
    // A plugin that no job uses any more has not changed by that.
    let differs = |path: &&PathBuf| old.get(*path) != new.get(*path) && was.files.get(*path) != is.files.get(*path);
    let touched: Vec<_> = old.keys().chain(new.keys()).filter(differs).map(|path| path.display().to_string()).collect();
    changed.extend(touched);
    changed.into_iter().collect()
}

fn is_denied(error: &notify::Error) -> bool {
    matches!(&error.kind, ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// Describes which limit of the kernel was reached, and how to raise it.
fn no_room(error: &notify::Error) -> String {
    /// EMFILE: too many inotify instances, or too many open files of this process.
    const TOO_MANY_OPEN: i32 = 24;
    let (what, mend) = match &error.kind {
        ErrorKind::MaxFilesWatch => {
            ("the kernel has no room to watch more folders", "`sysctl fs.inotify.max_user_watches=524288`")
        }
        ErrorKind::Io(e) if e.raw_os_error() == Some(TOO_MANY_OPEN) => {
            ("the kernel has no room for one more watching program", "`sysctl fs.inotify.max_user_instances=1024`")
        }
        _ => return format!("the files cannot be watched ({error}); they are looked at every second instead"),
    };
    format!("{what}; the files are looked at every second instead; {mend} makes room")
}
