//! `jobcontrol:plugin/build`: the running build, and the two ways in which a plugin ends it early.

use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::limits;
use wasmtime::component::HasSelf;
use wasmtime::component::Linker;

use super::said::SaidFailure;
use crate::bindings::jobcontrol::plugin;
use crate::bindings::jobcontrol::plugin::build;
use crate::bindings::jobcontrol::plugin::types;
use crate::host::Host;
use crate::signal::Signal;

/// The interface, as components import it.
const INTERFACE: &str = "jobcontrol:plugin/build@0.1.0";

/// Adds the interface to a linker that allows shadowing.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    plugin::build::add_to_linker::<_, HasSelf<Host>>(linker, |host| host)?;
    linker.instance(INTERFACE)?.func_wrap("fail", |_, (failure,): (SaidFailure,)| -> wasmtime::Result<()> {
        Err(Signal::Fail(Box::new(failure.cut())).into())
    })
}

impl plugin::build::Host for Host {
    fn current(&mut self) -> wasmtime::Result<build::Info> {
        let info = &self.guest.build;
        Ok(build::Info {
            build_id: info.build_id,
            job_id: info.job_id.to_string(),
            attempt: info.attempt,
            idempotency_key: info.idempotency_key(),
        })
    }

    fn skip(&mut self, mut reason: String) -> wasmtime::Result<()> {
        cut_bytes(&mut reason, limits::LOG_MESSAGE);
        Err(Signal::Skip(reason).into())
    }

    fn fail(&mut self, _: types::Failure) -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg("`fail` is shadowed"))
    }
}

impl types::Host for Host {}
