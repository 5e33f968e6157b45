//! `jobcontrol:plugin/log`: log records of the running build.

use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use wasmtime::component::Linker;

use super::said::Entry;
use crate::bindings::jobcontrol::plugin::types;
use crate::host::Host;
use crate::signal::Signal;

/// The interface, as components import it.
const INTERFACE: &str = "jobcontrol:plugin/log@0.1.0";

pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap_async("write", |mut store, (entry,): (Entry,)| {
        Box::new(async move { Ok(write(store.data_mut(), entry).await?) })
    })
}

async fn write(host: &mut Host, entry: Entry) -> Result<(), Signal> {
    let level = match entry.level {
        types::Level::Debug => Level::Debug,
        types::Level::Info => Level::Info,
        types::Level::Warning => Level::Warning,
        types::Level::Error => Level::Error,
        types::Level::Critical => Level::Critical,
    };
    let record = NewRecord {
        created: host.guest.clock.now(),
        level: level as i64,
        message: entry.message,
        target: entry.target,
        fields: entry.fields.0,
        failure: entry.failure.map(|failure| failure.cut()),
    };
    host.guest.log(record).await
}
