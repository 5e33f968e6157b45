//! A function of a plugin that is ready to be called.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use jobcontrol_core::event::Outcome;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::types::Signature;
use jobcontrol_core::value::Value;
use wasmtime::Store;
use wasmtime::component::Component;
use wasmtime::component::ComponentExportIndex;
use wasmtime::component::InstancePre;

use crate::apart::apart_if;
use crate::command;
use crate::grant::Granted;
use crate::host::Host;
use crate::imported::Imported;
use crate::imported::Imports;
use crate::numbers;
use crate::script::CALL;
use crate::script::ScriptFunction;
use crate::transfer::Args;
use crate::transfer::Memory;
use crate::transfer::Returned;
use crate::transfer::Values;

/// A plugin's code with its imports resolved.
#[derive(Clone)]
pub(crate) enum Linked {
    Component(InstancePre<Host>),
    Module(wasmtime::InstancePre<Host>),
}

/// A function that is ready to be called.
#[derive(Clone)]
pub struct Function {
    code: Code,
    /// The first element of argv if the function is a command; `None` for any other function.
    program: Option<Arc<str>>,
    /// Whether its plugin makes HTTP messages.
    makes_requests: bool,
}

#[derive(Clone)]
enum Code {
    Export(InstancePre<Host>, ComponentExportIndex),
    /// An export of a core module, with its name in the module.
    Numbers(wasmtime::InstancePre<Host>, Arc<str>),
    Command(wasmtime::InstancePre<Host>),
    /// The interpreter's function that calls a function of a script.
    Script(InstancePre<Host>, ComponentExportIndex, Arc<ScriptFunction>, Arc<Imported>),
}

impl Function {
    /// Finds a function in the code of its plugin. Returns `None` if the code does not export it.
    pub(crate) fn find(linked: Linked, plugin: &Plugin, signature: &Signature, imports: &Imports) -> Option<Self> {
        let code = match linked {
            Linked::Component(pre) if plugin.script.is_some() => {
                let export = pre.component().get_export_index(None, CALL)?;
                Code::Script(pre, export, Arc::new(ScriptFunction::of(plugin, signature)?), imports.of(plugin))
            }
            Linked::Component(pre) => {
                let export = find_export(pre.component(), signature)?;
                Code::Export(pre, export)
            }
            Linked::Module(pre) if signature.command => Code::Command(pre),
            Linked::Module(pre) => {
                let export = numbers::export(pre.module(), signature)?;
                Code::Numbers(pre, export.into())
            }
        };
        let program = || plugin.path.file_stem().unwrap_or_default().to_string_lossy().into();
        let makes_requests = plugin
            .imports
            .iter()
            .any(|import| ["wasi:http/", "jobcontrol:plugin/http@"].iter().any(|one| import.starts_with(one)));
        Some(Self { code, program: signature.command.then(program), makes_requests })
    }

    /// Returns whether the function is a command.
    pub(crate) fn is_command(&self) -> bool {
        self.program.is_some()
    }

    /// Returns whether the plugin makes HTTP messages.
    pub(crate) fn makes_requests(&self, granted: &Granted) -> bool {
        // An interpreter always can, so the grants of the job decide.
        let is_granted = || granted.http.iter().any(|grant| grant.rule.is_some());
        if matches!(self.code, Code::Script(..)) { is_granted() } else { self.makes_requests }
    }

    /// Returns the argv of a command, or an empty list for any other function.
    pub(crate) fn argv(&self, args: &[Value]) -> Vec<String> {
        self.program.as_ref().map_or_else(Vec::new, |program| command::argv(program, args))
    }

    /// Calls the function in a fresh instance.
    ///
    /// While large arguments are lowered, `lowering` is true, and the caller polls the future apart
    /// from other guests. Lowering itself cannot run in [`apart`](crate::apart::apart): it calls
    /// the guest, which may yield in between.
    ///
    /// # Errors
    ///
    /// Returns an error if the guest traps, if the host ends the call with a
    /// [`Signal`](crate::signal::Signal), if an argument does not fit, or if a value is too large.
    pub(crate) async fn run(
        &self,
        store: &mut Store<Host>,
        args: Values,
        lowering: &AtomicBool,
    ) -> wasmtime::Result<Returned> {
        let (pre, export) = match &self.code {
            Code::Export(pre, run) if self.program.is_some() => {
                return command::run_component(store, pre, *run).await.map(|()| Returned::Value(None));
            }
            Code::Export(pre, export) => (pre, export),
            Code::Script(pre, export, script, imported) => {
                let args = Values::new(apart_if(args.are_large(), || script.arguments(&args)));
                let guest = Arc::clone(&store.data().guest);
                let mut begin = imported.begin(&guest, pre.component(), script.program()).await;
                let returned = called(store, pre, export, args, lowering, begin.memory()).await?;
                drop(begin);
                return Ok(apart_if(is_large(&returned), || script.returned(returned)));
            }
            Code::Numbers(pre, export) => return numbers::call(store, pre, export, &args).await,
            Code::Command(pre) => return command::run_module(store, pre).await.map(|()| Returned::Value(None)),
        };
        called(store, pre, export, args, lowering, Memory::Fresh).await
    }

    /// Returns the bytes of host memory that a call takes besides its arguments. A script gets a
    /// copy of its arguments.
    pub(crate) fn held(&self, args: &Values) -> u64 {
        match &self.code {
            Code::Script(_, _, script, _) => script.held() + args.held(),
            _ => 0,
        }
    }

    /// Adds a script's code to the calls in an outcome if the function belongs to a script.
    pub(crate) fn with_code(&self, outcome: Outcome) -> Outcome {
        match &self.code {
            Code::Script(_, _, script, _) => script.with_code(outcome),
            _ => outcome,
        }
    }
}

/// Calls an export in a fresh instance.
async fn called(
    store: &mut Store<Host>,
    pre: &InstancePre<Host>,
    export: &ComponentExportIndex,
    args: Values,
    lowering: &AtomicBool,
    memory: Memory,
) -> wasmtime::Result<Returned> {
    let instance = pre.instantiate_async(&mut *store).await?;
    let callee = instance
        .get_func(&mut *store, export)
        .ok_or_else(|| wasmtime::Error::msg("the instance has no such function"))?;
    if args.are_large() {
        lowering.store(true, Ordering::Relaxed);
        // The caller polls apart from other guests from the next poll on.
        tokio::task::yield_now().await;
    }
    let args = Args::new(args, lowering).with_memory(memory);
    callee.typed::<Args<'_>, Returned>(&*store)?.call_async(&mut *store, args).await
}

/// The size of JSON, in bytes, from which on it is read apart from other guests.
const LONG_TO_READ: usize = 1 << 20;

fn is_large(returned: &Returned) -> bool {
    matches!(returned, Returned::Value(Some(Value::String(text))) if text.len() > LONG_TO_READ)
}

fn find_export(component: &Component, signature: &Signature) -> Option<ComponentExportIndex> {
    let interface = match &signature.interface {
        Some(interface) => Some(component.get_export_index(None, interface)?),
        None => None,
    };
    component.get_export_index(interface.as_ref(), &signature.name)
}
