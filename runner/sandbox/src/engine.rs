//! The engine: one configuration for compiling and for running.

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

/// The WebAssembly features that plugins may use. `check` validates with these and the engine
/// compiles with these. The advice for a plugin that needs more names the others.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::WASM3
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES)
    .difference(WasmFeatures::EXCEPTIONS)
    .difference(WasmFeatures::THREADS);

/// How often the host interrupts a running guest. A guest is stopped within two ticks.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// The most calls at once in one process, however many are requested. The address space has room
/// for the memories of this many.
pub(crate) const MOST_CALLS: usize = 1_000;
/// The most core instances of all calls. They are only counted, so a high limit costs nothing.
const CORE_INSTANCES: u32 = 10_000;
/// The memories and tables that a component may have beside its first, for adapters and language
/// runtimes.
pub(crate) const PER_COMPONENT: u32 = 20;
/// The memories and tables of all calls. Few components have more than two of either, so this is
/// enough for the highest number of calls.
const MEMORIES_AND_TABLES: u32 = 2_000;
/// How many bytes of a memory a slot keeps between two builds. This decides how fast languages with
/// a large heap start.
const MEMORY_KEPT: usize = 1 << 20;
/// How many bytes of a table a slot keeps between two builds.
const TABLE_KEPT: usize = 64 << 10;
/// The size of an instance's metadata. Python and JavaScript need a few hundred KiB.
pub(crate) const INSTANCE_METADATA: usize = 4 << 20;
/// What the engine adds to that for its own state: a few hundred bytes for each core instance.
const INSTANCE_STATE: usize = 1 << 20;
/// The most frames in the call stack of a trap. A deep recursion repeats itself.
pub(crate) const BACKTRACE_FRAMES: usize = 100;

/// Returns the configuration that decides the compiled code. The process that compiles and the one
/// that runs use the same.
fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WasmFeatures::all().difference(FEATURES), false)
        .wasm_features(FEATURES, true)
        .concurrency_support(FEATURES.contains(WasmFeatures::CM_ASYNC))
        .epoch_interruption(true)
        // Debug information is untrusted, so a separate process reads it.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES))
        .max_wasm_stack(usize::try_from(limits::STACK).unwrap_or(usize::MAX))
        .async_stack_size(2 * usize::try_from(limits::STACK).unwrap_or(usize::MAX))
        .memory_init_cow(true);
    config
}

/// Raises the limit on open files to the most that this process may have. Guests open files through
/// the host, and many guests run at once.
pub(crate) fn raise_open_files() {
    let bound = getrlimit(Resource::Nofile);
    if bound.current != bound.maximum {
        // If raising is refused, the current limit has to do.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: bound.maximum, maximum: bound.maximum });
    }
}

/// Creates an engine that compiles and never runs, so it reserves no memory.
pub(crate) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// Creates an engine that finds out, on the calling thread, whether something can be linked.
pub(crate) fn linking() -> wasmtime::Result<Engine> {
    Engine::new(config().parallel_compilation(false))
}

/// Creates an engine that runs up to `calls` calls at once.
///
/// The pool is sized for this number: the kernel has to set up each stack, and each memory has an
/// entry in a table. Setting up a pool for a thousand calls takes a quarter of the time of a
/// process that makes a single call.
///
/// # Errors
///
/// Returns an error if the machine has no room for the pool's reservation, nor for a single memory.
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
    // Under a limit on address space (`ulimit -v`) the reservation fails. Single memories are
    // slower, but they work.
    Engine::new(&pooled).or_else(|_| Engine::new(&config()))
}

/// Advances the engine's epoch while guests run, and sleeps while none do.
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

    /// Counts one more running guest, unless `most` guests are running already.
    pub(crate) fn count_if_below(&self, most: usize) -> bool {
        let more = |running: usize| (running < most).then_some(running + 1);
        let before = self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        if before == Ok(0) {
            self.thread.unpark();
        }
        before.is_ok()
    }

    /// Counts one running guest less.
    pub(crate) fn uncount(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}
