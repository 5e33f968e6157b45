//! Measures `check` of 10,000 jobs in 1,000 files, each of which uses the return value of another,
//! and of one job whose plugin has not been read yet. `cargo bench --bench check`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use jobcontrol::catalog::load::Catalog;
use jobcontrol::settings::Options;
use jobcontrol::settings::resolve;

const FILES: usize = 1_000;
const JOBS: usize = 10;
const ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = folder.path().join("jobs");
    std::fs::create_dir(&jobs).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::copy(root.join("tests/guests/add.wat"), jobs.join("add.wat")).unwrap();
    write(&jobs, "add:add");
    report("all right", folder.path(), &jobs, 0);
    write(&jobs, "add:ad");
    report("a mistake in each", folder.path(), &jobs, FILES * JOBS);
    write(&jobs, "missing:add");
    report("no plugin", folder.path(), &jobs, 1);
    unread("a small plugin", &std::fs::read_to_string(root.join("tests/guests/add.wat")).unwrap(), "add");
    for exports in [25_000, 50_000, 100_000] {
        unread(&format!("{exports} exports"), &numeric(exports), "f1");
    }
}

/// Writes a module with this many exported functions of numbers.
fn numeric(exports: usize) -> String {
    let mut text = "(module (func $f (param i32) (result i32) local.get 0)".to_owned();
    (0..exports).for_each(|at| write!(text, "(export \"f{at}\" (func $f))").unwrap());
    text + ")"
}

/// Measures one job with a plugin that is read from scratch each time.
fn unread(what: &str, plugin: &str, function: &str) {
    let rounds = (0..ROUNDS).map(|_| {
        let folder = tempfile::tempdir().unwrap();
        let jobs = folder.path().join("jobs");
        std::fs::create_dir(&jobs).unwrap();
        std::fs::write(jobs.join("p.wasm"), wat::parse_str(plugin).unwrap()).unwrap();
        std::fs::write(jobs.join("j.yaml"), format!("function: p:{function}\nargs: [1]\n")).unwrap();
        let since = Instant::now();
        load(folder.path(), &jobs);
        since.elapsed()
    });
    println!("{:>18}: {:>8.1} ms", what, rounds.min().unwrap().as_secs_f64() * 1000.0);
}

fn load(folder: &Path, jobs: &Path) -> Catalog {
    let options = Options {
        jobs: Some(jobs.to_owned()),
        store: Some(format!("sqlite:{}", folder.join("bench.db").display())),
        cache: Some(folder.join("cache")),
        config: None,
        runtimes: None,
        interpreter: vec![env!("CARGO_BIN_EXE_jobcontrol").into(), "__interpret".into()],
    };
    Catalog::load(&resolve(&options, &BTreeMap::new()).unwrap().workspace).unwrap()
}

fn write(jobs: &Path, function: &str) {
    for file in 0..FILES {
        let mut text = "jobs:\n".to_owned();
        for job in 0..JOBS {
            let n = file * JOBS + job;
            let first = if n == 0 { "1".to_owned() } else { format!("!retval job-{}", n - 1) };
            writeln!(text, "  - id: job-{n}\n    title: Adds {n}\n    function: {function}\n    kwargs:").unwrap();
            writeln!(text, "      a: {first}\n      b: {n}\n    tags: [bench]\n    timeout: 30s").unwrap();
        }
        std::fs::write(jobs.join(format!("file-{file}.yaml")), text).unwrap();
    }
}

fn report(what: &str, folder: &Path, jobs: &Path, mistakes: usize) {
    let rounds = (0..ROUNDS).map(|_| {
        let since = Instant::now();
        let catalog = load(folder, jobs);
        let found: usize = catalog.graph.broken.values().map(Vec::len).sum();
        assert!(found >= mistakes, "{found} mistakes");
        since.elapsed()
    });
    println!("{:>18}: {:>8.1} ms", what, rounds.min().unwrap().as_secs_f64() * 1000.0);
}
