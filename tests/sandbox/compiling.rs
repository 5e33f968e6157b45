//! Compiling is bounded in time and memory, by limits that the operator sets, and no compiler
//! outlives who asked for it.

use std::os::fd::OwnedFd;
use std::process::Child;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::poll;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::Signal;
use rustix::process::kill_process;
use rustix::process::pidfd_open;
use wasm_encoder::BlockType;
use wasm_encoder::CodeSection;
use wasm_encoder::ExportKind;
use wasm_encoder::ExportSection;
use wasm_encoder::Function;
use wasm_encoder::FunctionSection;
use wasm_encoder::MemArg;
use wasm_encoder::MemorySection;
use wasm_encoder::MemoryType;
use wasm_encoder::Module;
use wasm_encoder::TypeSection;
use wasm_encoder::ValType;

use crate::harness::Folder;

/// So many branches in one function keep the compiler busy for many seconds, and in 2 GiB.
const GIANT: i32 = 20_000;
/// So many keep it busy while it is looked for.
const LARGE: i32 = 4_000;

/// A plugin whose one function `run` has so many branches.
fn giant(branches: i32) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    let memory = MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    memories.memory(memory);
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0);
    let word = MemArg { offset: 0, align: 2, memory_index: 0 };
    let mut function = Function::new([]);
    for branch in 0..branches {
        let mut code = function.instructions();
        code.local_get(0).local_get(1).i32_mul().local_get(0).i32_load(word).i32_add().local_set(0);
        code.local_get(1).if_(BlockType::Empty).i32_const(branch).local_set(1).end();
    }
    function.instructions().local_get(0).end();
    let mut code = CodeSection::new();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    module.finish()
}

fn folder(branches: i32) -> Folder {
    Folder::new()
        .guest("loop_endless.wat")
        .file("jobs/big.wasm", giant(branches))
        .file("jobs/big.yaml", "function: big:run\nargs: [1, 2]\n")
        .file("jobs/small.yaml", "function: loop_endless:quick\n")
}

/// Runs both jobs; what is too large has a clean end, and nothing stays.
#[track_caller]
fn given_up(folder: &Folder, message: &str) {
    let answer = folder.run(&["run", "big", "small", "--cache", "cache", "--format", "json"]).code(1);
    let said: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let of = |job: &str| said.as_array().expect("builds").iter().find(|end| end["job_id"] == job).cloned();
    assert_eq!(of("small").expect("it was built")["retval"], 7, "{said:#}");
    assert!(answer.stderr.contains(message), "{answer:#?}");
    let sign_of_life = answer.stderr.contains("big: compiling `jobs/big.wasm` (");
    assert!(sign_of_life || !message.contains("took longer than 2s"), "{answer:#?}");
    let builds = folder.json(&["builds"]);
    assert_eq!(builds.as_array().map(Vec::len), Some(1), "nothing was begun of the other: {builds:#}");
    let left = std::fs::read_dir(folder.path("cache")).expect("a cache").count();
    assert_eq!(left, 4, "one entry with its seal, and what both plugins say of themselves");
}

#[test]
fn a_function_that_takes_too_long() {
    let folder = folder(GIANT).file("jobcontrol.yaml", "compile: { timeout: 2s }\n");
    let message = "compiling `jobs/big.wasm` took longer than 2s; raise it with `compile: { timeout: .. }` in \
                   jobcontrol.yaml";
    given_up(&folder, message);
}

#[test]
fn a_function_that_takes_too_much_memory() {
    let folder = folder(GIANT).file("jobcontrol.yaml", "compile: { memory: 128 MiB }\n");
    let message = "compiling `jobs/big.wasm` took more than 128 MiB of memory; raise it with \
                   `compile: { memory: .. }` in jobcontrol.yaml";
    given_up(&folder, message);
}

#[test]
fn a_large_function_within_the_limits() {
    let folder = folder(300);
    folder.run(&["run", "big", "--cache", "cache"]).code(0);
}

/// The compiler that a process has started, once it has read the plugin: then it has more threads
/// than the one that waits for its time.
fn compiler(of: &Child) -> OwnedFd {
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", of.id())).expect("it runs");
        let children = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        let child = children.flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).next();
        if let Some(pid) = child.and_then(|pid| pid.parse().ok())
            && std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.count() > 2)
        {
            return pidfd_open(Pid::from_raw(pid).expect("a process"), PidfdFlags::empty()).expect("it is there");
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_compiler_ends_with_who_asked_for_it() {
    let folder = folder(LARGE);
    let mut run = folder.start(&["run", "big", "--cache", "cache"]);
    let ended = compiler(&run);
    kill_process(Pid::from_child(&run), Signal::KILL).expect("it runs");
    run.wait().expect("its end");
    poll(&mut [PollFd::new(&ended, PollFlags::IN)], None).expect("its end");
    // One that had lived on would have written what it made.
    for file in std::fs::read_dir(folder.path("cache")).expect("a cache") {
        assert_eq!(file.and_then(|file| file.metadata()).expect("a file").len(), 0);
    }
}
