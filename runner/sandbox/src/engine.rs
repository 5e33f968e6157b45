//! The engine: one configuration to compile with and to run with.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use jobcontrol_core::limits;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use wasmtime::Config;
use wasmtime::Enabled;
use wasmtime::Engine;
use wasmtime::InstanceAllocationStrategy;
use wasmtime::PoolingAllocationConfig;
use wasmtime::WasmBacktraceDetails;
use wasmtime::WasmFeatures;

/// What WebAssembly may use here. `check` validates with these, the engine compiles with these, and
/// the advice for a plugin that needs more names the others.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::WASM3
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES)
    .difference(WasmFeatures::EXCEPTIONS)
    .difference(WasmFeatures::THREADS);

/// How often a running guest is looked at: it is stopped within two of these.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Most calls at once in one process, however many are asked for: the address space has room for
/// the memories of these.
pub(crate) const MOST_CALLS: usize = 1_000;
/// Core instances of all calls: they are only counted, so that this costs nothing.
const CORE_INSTANCES: u32 = 10_000;
/// Memories and tables that a component has beside its first, for adapters and language runtimes.
pub(crate) const PER_COMPONENT: u32 = 20;
/// Memories and tables of all calls. Few components have more than two of either, so this is enough
/// for the most calls.
const MEMORIES_AND_TABLES: u32 = 2_000;
/// What a slot keeps of a memory between two builds: decides the speed of languages with a large
/// heap.
const MEMORY_KEPT: usize = 1 << 20;
/// What a slot keeps of a table between two builds.
const TABLE_KEPT: usize = 64 << 10;
/// Metadata of an instance: Python and JavaScript need a few hundred KiB.
pub(crate) const INSTANCE_METADATA: usize = 4 << 20;
/// What the engine adds to that for itself, a few hundred bytes for each core instance.
const INSTANCE_STATE: usize = 1 << 20;
/// Frames of a trap's call stack; a deep recursion repeats itself.
pub(crate) const BACKTRACE_FRAMES: usize = 100;

/// What decides the compiled code, the same in the process that compiles and in the one that runs.
fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WasmFeatures::all().difference(FEATURES), false)
        .wasm_features(FEATURES, true)
        .concurrency_support(FEATURES.contains(WasmFeatures::CM_ASYNC))
        .epoch_interruption(true)
        // Debug information is a plugin's word, which is read in a process of its own.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES))
        .max_wasm_stack(usize::try_from(limits::STACK).unwrap_or(usize::MAX))
        .async_stack_size(2 * usize::try_from(limits::STACK).unwrap_or(usize::MAX))
        .memory_init_cow(true);
    config
}

/// Lets this process open as many files as it may: what guests have open is theirs, and so many
/// times over.
pub(crate) fn raise_open_files() {
    let bound = getrlimit(Resource::Nofile);
    if bound.current != bound.maximum {
        // Where that is refused, what there was has to do.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: bound.maximum, maximum: bound.maximum });
    }
}

/// An engine that compiles and never runs, so that it reserves no memory.
pub(crate) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// An engine that finds out whether something can be linked, on the thread that asks.
pub(crate) fn linking() -> wasmtime::Result<Engine> {
    Engine::new(config().parallel_compilation(false))
}

/// An engine that runs so many calls at once.
///
/// The pool is made for these: the kernel has to set up each stack, and each memory has an entry in
/// a table. For a thousand calls that takes a quarter of the time of a process that makes one.
///
/// # Errors
///
/// The machine has no room for the pool's reservation and none for a single memory either.
pub(crate) fn running(calls: usize) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let calls = u32::try_from(calls.min(MOST_CALLS)).unwrap_or(u32::MAX);
    let memories_and_tables = calls.saturating_mul(PER_COMPONENT).min(MEMORIES_AND_TABLES);
    pool.total_component_instances(calls)
        .total_core_instances(CORE_INSTANCES)
        .total_memories(memories_and_tables)
        .total_tables(memories_and_tables)
        .total_stacks(calls)
        .max_memory_size(size(limits::MAX_MEMORY))
        .table_elements(size(limits::MAX_TABLE_ELEMENTS))
        .max_core_instances_per_component(u32::try_from(limits::MAX_INSTANCES).unwrap_or(u32::MAX))
        .max_memories_per_component(PER_COMPONENT)
        .max_tables_per_component(PER_COMPONENT)
        .max_tables_per_module(PER_COMPONENT)
        .max_memories_per_module(PER_COMPONENT)
        .max_component_instance_size(INSTANCE_METADATA + INSTANCE_STATE)
        .max_core_instance_size(INSTANCE_METADATA + INSTANCE_STATE)
        .linear_memory_keep_resident(MEMORY_KEPT)
        .table_keep_resident(TABLE_KEPT)
        .pagemap_scan(Enabled::Auto);
    let mut pooled = config();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    // Under a limit on address space (`ulimit -v`) the reservation fails; single memories are
    // slower and work.
    Engine::new(&pooled).or_else(|_| Engine::new(&config()))
}

/// Moves the engine's epoch on while guests run, and sleeps while none does.
pub(crate) struct Ticker {
    running: Arc<AtomicUsize>,
    thread: thread::Thread,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let running = Arc::new(AtomicUsize::new(0));
        let (weak, count) = (engine.weak(), Arc::downgrade(&running));
        let handle = thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            while let (Some(engine), Some(count)) = (weak.upgrade(), count.upgrade()) {
                engine.increment_epoch();
                drop(engine);
                let idle = count.load(Ordering::SeqCst) == 0;
                drop(count);
                if idle { thread::park() } else { thread::sleep(TICK) }
            }
        })?;
        Ok(Self { running, thread: handle.thread().clone() })
    }

    /// Counts a guest as running, unless so many do.
    pub(crate) fn count_if_below(&self, most: usize) -> bool {
        let more = |running: usize| (running < most).then_some(running + 1);
        let before = self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        if before == Ok(0) {
            self.thread.unpark();
        }
        before.is_ok()
    }

    /// One guest that was counted does not run any more.
    pub(crate) fn uncount(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}
