//! `jobcontrol:plugin/build`: the running build, and the two ways in which a plugin ends it early.

use jobcontrol_core::failure::cut_bytes;
use jobcontrol_core::limits;

use crate::bindings::jobcontrol::plugin;
use crate::bindings::jobcontrol::plugin::build;
use crate::bindings::jobcontrol::plugin::types;
use crate::host::Host;
use crate::signal::Signal;

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

    fn fail(&mut self, failure: types::Failure) -> wasmtime::Result<()> {
        Err(Signal::Fail(Box::new(super::log::failure(failure))).into())
    }
}
