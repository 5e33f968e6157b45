//! Runs WASI commands: programs that take an argv and end with an exit code. A command is a
//! component or a preview1 core module.

use jobcontrol_core::value::Value;
use wasmtime::Store;
use wasmtime::component::ComponentExportIndex;
use wasmtime::component::InstancePre;
use wasmtime_wasi::I32Exit;

use crate::host::Host;
use crate::interpreter::START;
use crate::signal::Signal;

/// Returns the argv of a command. Its single argument is the list of arguments after the program
/// name.
pub(crate) fn argv(program: &str, args: &[Value]) -> Vec<String> {
    let rest = args.iter().flat_map(|arg| if let Value::List(items) = arg { items.as_slice() } else { &[] });
    let rest = rest.filter_map(Value::as_str).map(str::to_owned);
    std::iter::once(program.to_owned()).chain(rest).collect()
}

/// Runs `_start` to its end. Exit code 0 is a success, wherever the guest exits; this includes the
/// module's start function, which runs first.
pub(crate) async fn run_module(store: &mut Store<Host>, pre: &wasmtime::InstancePre<Host>) -> wasmtime::Result<()> {
    let run = async {
        let instance = pre.instantiate_async(&mut *store).await?;
        let start = instance.get_typed_func::<(), ()>(&mut *store, START)?;
        start.call_async(&mut *store, ()).await
    };
    ended(run.await)
}

/// Runs `wasi:cli/run` to its end in the same way. An error result means exit code 1.
pub(crate) async fn run_component(
    store: &mut Store<Host>,
    pre: &InstancePre<Host>,
    run: ComponentExportIndex,
) -> wasmtime::Result<()> {
    let run = async {
        let instance = pre.instantiate_async(&mut *store).await?;
        let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, run)?;
        match run.call_async(&mut *store, ()).await? {
            (Ok(()),) => Ok(()),
            (Err(()),) => Err(Signal::Exit(1).into()),
        }
    };
    ended(run.await)
}

fn ended(result: wasmtime::Result<()>) -> wasmtime::Result<()> {
    let Err(error) = result else {
        return Ok(());
    };
    let code = match error.downcast_ref::<Signal>() {
        Some(Signal::Exit(code)) => Some(*code),
        _ => error.downcast_ref::<I32Exit>().map(|exit| exit.0),
    };
    if code == Some(0) { Ok(()) } else { Err(error) }
}
