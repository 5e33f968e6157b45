//! A service: runs that wait, the choice of the next one, and the way from a saved manifest to a new catalog.
//! `cargo bench --bench service`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol::app::App;
use jobcontrol::catalog::load::Catalog;
use jobcontrol::catalog::watch::SettingsFile;
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

/// Runs of one job each that wait when the service starts.
const RUNS: usize = 10_000;
/// Runs that wait where the next one is chosen.
const MANY: usize = 1_000_000;
/// Manifests of the folder of which one is saved.
const FILES: usize = 1_000;
const ROUNDS: usize = 5;

fn main() {
    enqueued();
    next_of_many();
    reloaded();
}

/// A folder with so many manifests of one job each.
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

/// A run of one job that waits for a service.
fn waiting(app: &App) -> NewRun {
    let catalog = Arc::new(Catalog::load(&app.settings.workspace).unwrap());
    let ask = RunAsk { targets: vec!["job-0"], ..RunAsk::default() };
    let ready = run_of(&catalog, &app.store, &ask, BTreeMap::new()).unwrap();
    NewRun {
        created: app.clock.now(),
        requested_by: Requester::Api("bench".to_owned()).to_string(),
        targets: "job-0".to_owned(),
        request: pack(&ready.request.to_value()).unwrap(),
        plan: pack_plan(&ready.plan, &ready.requests).unwrap(),
        service: true,
        ..NewRun::default()
    }
}

fn create(storage: &Arc<dyn Storage>, run: &NewRun, count: usize) {
    let (sender, receiver) = std::sync::mpsc::channel();
    for at in 0..count {
        let (sender, run) = (sender.clone(), NewRun { priority: (at % 7) as i64, ..run.clone() });
        storage.submit(Write::CreateRun(run), Box::new(move |answer| drop(sender.send(answer))));
    }
    drop(sender);
    assert_eq!(receiver.into_iter().filter(Result::is_ok).count(), count);
}

fn enqueued() {
    let folder = folder(1);
    let app = app(folder.path());
    let storage = app.storage(true).unwrap();
    let run = waiting(&app);
    let service = serve(&app, folder.path());
    let since = Instant::now();
    create(&storage, &run, RUNS);
    service.look();
    let open = RunFilter { open: Some(true), limit: Some(1), ..RunFilter::default() };
    while !storage.get_runs(&open).unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("{RUNS} runs of one build enqueued and done: {:>8.2} s", since.elapsed().as_secs_f64());
    service.stop(Duration::from_secs(1)).unwrap();
}

fn next_of_many() {
    let folder = folder(1);
    let app = app(folder.path());
    let storage = app.storage(true).unwrap();
    let run = waiting(&app);
    create(&storage, &run, MANY);
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
