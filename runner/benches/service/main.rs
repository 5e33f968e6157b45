//! Measures a service: waiting runs, the choice of the next one, the time from a saved manifest to
//! a new catalog, builds over HTTP, and clients that watch. `cargo bench --bench service [--
//! PART]`, where a part is one of the words in `PARTS`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

mod latency;
mod streams;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol::app::App;
use jobcontrol::catalog::load::Catalog;
use jobcontrol::catalog::watch::SettingsFile;
use jobcontrol::request::ready::Ready;
use jobcontrol::request::run::RunAsk;
use jobcontrol::request::run::run_of;
use jobcontrol::service::serving::Service;
use jobcontrol::settings::Options;
use jobcontrol::settings::resolve;
use jobcontrol_core::run::Requester;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_plan;
use jobcontrol_core::value::pack;

/// The number of runs of one job each that are enqueued.
const RUNS: usize = 10_000;
/// The number of waiting runs from which the next one is chosen.
const MANY: usize = 1_000_000;
/// The number of manifests in the folder, one of which is saved.
const FILES: usize = 1_000;
const ROUNDS: usize = 5;

const PARTS: [(&str, fn()); 5] = [
    ("enqueue", enqueued),
    ("next", next_of_many),
    ("reload", reloaded),
    ("http", latency::measure),
    ("streams", streams::measure),
];

fn main() {
    let named = |part: &str| std::env::args().skip(1).any(|arg| arg == part);
    let any = PARTS.iter().any(|(part, _)| named(part));
    PARTS.iter().filter(|(part, _)| !any || named(part)).for_each(|(_, measure)| measure());
}

/// Creates a folder with this many manifests of one job each.
fn folder(files: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let jobs = folder.path().join("jobs");
    std::fs::create_dir(&jobs).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::copy(root.join("tests/guests/add.wat"), jobs.join("add.wat")).unwrap();
    (0..files).for_each(|file| write(folder.path(), file, 1));
    folder
}

fn write(folder: &Path, file: usize, value: usize) {
    let text = format!("id: job-{file}\nfunction: add:add\nargs: [{file}, {value}]\n");
    std::fs::write(folder.join(format!("jobs/file-{file}.yaml")), text).unwrap();
}

fn options(folder: &Path) -> Options {
    Options {
        jobs: Some(folder.join("jobs")),
        store: Some(format!("sqlite:{}", folder.join("bench.db").display())),
        cache: Some(folder.join("cache")),
        config: None,
        runtimes: None,
        interpreter: vec![env!("CARGO_BIN_EXE_jobcontrol").into(), "__interpret".into()],
    }
}

fn app(folder: &Path) -> App {
    App::new(resolve(&options(folder), &BTreeMap::new()).unwrap(), Arc::new(|_: &str| {}))
}

fn serve(app: &App, folder: &Path) -> Service {
    let options = options(folder);
    let read = Box::new(move || Ok(resolve(&options, &BTreeMap::new()).unwrap().workspace));
    let settings = SettingsFile { read, path: folder.join("jobcontrol.yaml") };
    app.serve(settings, false, None).unwrap()
}

fn ready(app: &App, catalog: &Arc<Catalog>, job: &str) -> Ready {
    let ask = RunAsk { targets: vec![job], ..RunAsk::default() };
    run_of(catalog, &app.store, &ask, BTreeMap::new()).unwrap()
}

/// Returns a run of one job that waits for a service.
fn waiting(app: &App, catalog: &Arc<Catalog>, job: &str) -> NewRun {
    let ready = ready(app, catalog, job);
    NewRun {
        created: app.clock.now(),
        requested_by: Requester::Api("bench".to_owned()).to_string(),
        targets: job.to_owned(),
        request: pack(&ready.request.to_value()).unwrap(),
        plan: pack_plan(&ready.plan, &ready.requests).unwrap(),
        service: true,
        ..NewRun::default()
    }
}

/// Returns `count` copies of the same run, with several priorities.
fn many(run: &NewRun, count: usize) -> impl Iterator<Item = NewRun> {
    (0..count).map(|at| NewRun { priority: (at % 7) as i64, ..run.clone() })
}

fn create(storage: &Arc<dyn Storage>, runs: impl IntoIterator<Item = NewRun>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    for run in runs {
        let sender = sender.clone();
        storage.submit(Write::CreateRun(run), Box::new(move |answer| drop(sender.send(answer))));
    }
    drop(sender);
    assert!(receiver.into_iter().all(|answer| answer.is_ok()));
}

/// Waits until no run is open.
fn are_done(storage: &Arc<dyn Storage>) {
    let open = RunFilter { open: Some(true), limit: Some(1), ..RunFilter::default() };
    while !storage.get_runs(&open).unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn enqueued() {
    let folder = folder(1);
    let app = app(folder.path());
    let storage = app.storage(true).unwrap();
    let service = serve(&app, folder.path());
    let run = waiting(&app, &service.current().reload.catalog, "job-0");
    let since = Instant::now();
    create(&storage, many(&run, RUNS));
    service.look();
    are_done(&storage);
    let took = since.elapsed().as_secs_f64();
    let commits = storage.commits().map_or(0, |counted| counted.commits);
    println!("{RUNS} runs of one build enqueued and done: {took:>8.2} s, {commits} commits");
    service.stop(Duration::from_secs(1)).unwrap();
}

fn next_of_many() {
    let folder = folder(1);
    let app = app(folder.path());
    let storage = app.storage(true).unwrap();
    let catalog = Arc::new(Catalog::load(&app.settings.workspace).unwrap());
    create(&storage, many(&waiting(&app, &catalog, "job-0"), MANY));
    // A service in use has made this query before.
    storage.get_waiting_runs(1).unwrap();
    let rounds = (0..ROUNDS).map(|_| {
        let since = Instant::now();
        assert_eq!(storage.get_waiting_runs(1).unwrap().len(), 1);
        since.elapsed()
    });
    println!("the next of {MANY} runs that wait: {:>8.3} ms", rounds.max().unwrap().as_secs_f64() * 1000.0);
}

fn reloaded() {
    let folder = folder(FILES);
    let app = app(folder.path());
    let service = serve(&app, folder.path());
    let mut catalogs = service.catalogs();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rounds: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            catalogs.mark_unchanged();
            write(folder.path(), round, 1_000 + round);
            let since = Instant::now();
            runtime.block_on(catalogs.changed()).unwrap();
            since.elapsed()
        })
        .collect();
    println!(
        "from a saved manifest to the new catalog, {FILES} files: {:>8.1} ms",
        rounds.iter().max().unwrap().as_secs_f64() * 1000.0
    );
    service.stop(Duration::from_secs(1)).unwrap();
}
