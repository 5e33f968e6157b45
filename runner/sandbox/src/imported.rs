//! Scripts that need not be imported again: their interpreter's memory is kept after an import.
//!
//! The second call of a script in this process imports it in a separate instance that can reach
//! nothing of the host, so that nothing in its memory depends on a build. If the script does more
//! than that while it is imported, such as read a file, the time or a random number, then each call
//! imports it, as the first one did.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::value::Value;
use wasmtime::Error;
use wasmtime::Result;
use wasmtime::Store;
use wasmtime::StoreContextMut;
use wasmtime::UpdateDeadline;
use wasmtime::component::Component;
use wasmtime::component::Linker;

use crate::engine::TICK;
use crate::guest::Guest;
use crate::ledger::Account;
use crate::limits::Limiter;
use crate::script::CALL;
use crate::transfer::Args;
use crate::transfer::Image;
use crate::transfer::Memory;
use crate::transfer::Returned;
use crate::transfer::Values;

/// The interpreter's function that imports a script.
const LOAD: &str = "load";

/// How many ticks of the engine an import may take: a second. A slower one is left to each call,
/// whose limits and traceback are its own.
const TICKS: u32 = 200;
const _: () = assert!(TICKS as u128 * TICK.as_millis() == 1_000);

/// The digests of a script and of its interpreter.
type Key = (Arc<str>, String);

/// What is known of the scripts that were called.
#[derive(Default)]
pub(crate) struct Imports(Mutex<HashMap<Key, Arc<Imported>>>);

/// What is known of one script.
#[derive(Default)]
pub(crate) struct Imported(Mutex<State>);

#[derive(Default)]
enum State {
    /// It was not called yet.
    #[default]
    New,
    /// It was called once. Many processes make only one call.
    Called,
    /// A call is importing it.
    Importing,
    /// The memory of its interpreter after the import.
    Ready(Arc<Image>),
    /// Each call imports it.
    Never,
}

impl Imports {
    /// Returns what is known of a script.
    pub(crate) fn of(&self, plugin: &Plugin) -> Arc<Imported> {
        let key = (Arc::clone(&plugin.digest), plugin.code_digest().to_owned());
        Arc::clone(locked(&self.0).entry(key).or_default())
    }

    /// Frees the memory of all scripts except those with digests that `is_kept` accepts.
    pub(crate) fn keep_only(&self, is_kept: impl Fn(&str) -> bool) {
        locked(&self.0).retain(|(digest, _), _| is_kept(digest));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells others that this call imports the script, until it is dropped.
struct Importing<'a> {
    imported: &'a Imported,
    image: Option<Image>,
}

impl Drop for Importing<'_> {
    fn drop(&mut self) {
        let image = self.image.take();
        *locked(&self.imported.0) = image.map_or(State::Never, |image| State::Ready(Arc::new(image)));
    }
}

/// How the memory of a call's instance begins.
pub(crate) enum Begin<'a> {
    /// As its interpreter left it.
    Fresh,
    /// With the script imported.
    Ready(Arc<Image>),
    /// With a copy of this memory, of which an image is made.
    Learn(Learning<'a>),
}

/// The memory of an import that the next instance is compared with.
pub(crate) struct Learning<'a> {
    importing: Importing<'a>,
    memory: Vec<u8>,
    _charged: Charged<'a>,
    learned: Arc<Mutex<Option<Image>>>,
}

impl Imported {
    /// Returns how the memory of the next call begins. Imports the script if that is due.
    pub(crate) async fn begin<'a>(&'a self, guest: &'a Guest, component: &Component, program: &str) -> Begin<'a> {
        {
            let mut state = locked(&self.0);
            match &*state {
                State::New => {
                    *state = State::Called;
                    return Begin::Fresh;
                }
                State::Importing | State::Never => return Begin::Fresh,
                State::Ready(image) => return Begin::Ready(Arc::clone(image)),
                State::Called => *state = State::Importing,
            }
        }
        let importing = Importing { imported: self, image: None };
        let charged = Charged { account: &guest.account, bytes: 0 };
        match import(guest, component, program, charged).await {
            Ok((memory, charged)) => {
                Begin::Learn(Learning { importing, memory, _charged: charged, learned: Arc::default() })
            }
            // The call imports it, and tells why that fails if it does.
            Err(_) => Begin::Fresh,
        }
    }
}

impl Begin<'_> {
    /// Returns what happens to the memory of the instance.
    pub(crate) fn memory(&mut self) -> Memory {
        match self {
            Self::Fresh => Memory::Fresh,
            Self::Ready(image) => Memory::Restored(Arc::clone(image)),
            Self::Learn(learning) => {
                Memory::Learned(std::mem::take(&mut learning.memory), Arc::clone(&learning.learned))
            }
        }
    }
}

impl Drop for Learning<'_> {
    fn drop(&mut self) {
        self.importing.image = locked(&self.learned).take();
    }
}

/// What an import takes of the memory of all builds, until it is dropped.
struct Charged<'a> {
    account: &'a Account,
    bytes: u64,
}

impl Drop for Charged<'_> {
    fn drop(&mut self) {
        self.account.give_back(self.bytes);
    }
}

/// The state of an import.
struct Import {
    limiter: Limiter,
    ticks: u32,
    /// Whether the interpreter itself has started.
    started: bool,
}

/// Imports a script in a separate instance, and returns the memory of that instance.
async fn import<'a>(
    guest: &Guest,
    component: &Component,
    program: &str,
    mut charged: Charged<'a>,
) -> Result<(Vec<u8>, Charged<'a>)> {
    let limiter = Limiter::new(Arc::new(guest.limits().clone()), Arc::clone(&guest.account));
    let mut store = Store::new(component.engine(), Import { limiter, ticks: TICKS, started: false });
    store.limiter(|import| &mut import.limiter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| {
        let left = &mut store.data_mut().ticks;
        *left = left.checked_sub(1).ok_or_else(|| Error::msg("the import takes too long"))?;
        Ok(UpdateDeadline::Yield(1))
    });
    let memory = loaded_memory(&mut store, component, program).await;
    // The copy is as large as the memory.
    charged.bytes = store.data().limiter.peak_memory();
    Ok((memory?, charged))
}

/// Loads a script, and returns a copy of the memory.
async fn loaded_memory(store: &mut Store<Import>, component: &Component, program: &str) -> Result<Vec<u8>> {
    let no_such = || Error::msg("the interpreter cannot import a script without calling it");
    let load = component.get_export_index(None, LOAD).ok_or_else(no_such)?;
    let call = component.get_export_index(None, CALL).ok_or_else(no_such)?;
    let instance = nowhere(component)?.instantiate_async(&mut *store, component).await?;
    let lowering = AtomicBool::new(false);
    let args = |texts: &[&str]| Values::new(texts.iter().map(|text| Value::string(*text)).collect());
    let load = instance.get_func(&mut *store, load).ok_or_else(no_such)?.typed::<Args<'_>, Returned>(&*store)?;
    load.call_async(&mut *store, Args::new(args(&[""]), &lowering)).await?;
    store.data_mut().started = true;
    let loaded = load.call_async(&mut *store, Args::new(args(&[program]), &lowering)).await?;
    if !matches!(loaded, Returned::Value(Some(Value::Bool(true)))) {
        return Err(Error::msg("the import depends on the build"));
    }
    let memory = Arc::new(Mutex::new(Vec::new()));
    let call = instance.get_func(&mut *store, call).ok_or_else(no_such)?.typed::<Args<'_>, Returned>(&*store)?;
    let args = Args::new(args(&["", "", ""]), &lowering).with_memory(Memory::Copied(Arc::clone(&memory)));
    let copied = call.call_async(&mut *store, args).await;
    let memory = std::mem::take(&mut *locked(&memory));
    match copied {
        Err(_) if !memory.is_empty() => Ok(memory),
        Err(error) => Err(error),
        Ok(_) => Err(Error::msg("the memory was not copied")),
    }
}

/// Returns a linker whose functions all end the guest, except that a starting interpreter may ask
/// for variables and random bytes. It gets no variables, and only zeros.
fn nowhere(component: &Component) -> Result<Linker<Import>> {
    let engine = component.engine();
    let mut linker = Linker::new(engine);
    for (name, _) in component.component_type().imports(engine) {
        if name.starts_with("wasi:cli/environment@") {
            let mut variables = linker.instance(name)?;
            variables.func_wrap("get-environment", while_starting(|()| Vec::<(String, String)>::new()))?;
            variables.func_wrap("get-arguments", while_starting(|()| Vec::<String>::new()))?;
        }
        if name.starts_with("wasi:random/random@") {
            let zeros = |(count,): (u64,)| vec![0_u8; usize::try_from(count.min(RANDOM)).unwrap_or(0)];
            linker.instance(name)?.func_wrap("get-random-bytes", while_starting(zeros))?;
        }
    }
    linker.define_unknown_imports_as_traps(component)?;
    Ok(linker)
}

/// The most random bytes that a starting interpreter gets at once.
const RANDOM: u64 = 64 << 10;

/// Makes a function of the host that ends the guest once the interpreter has started.
fn while_starting<P, R>(answer: impl Fn(P) -> R) -> impl Fn(StoreContextMut<'_, Import>, P) -> Result<(R,)> {
    move |store, params| match store.data().started {
        false => Ok((answer(params),)),
        true => Err(Error::msg("the import depends on the build")),
    }
}
