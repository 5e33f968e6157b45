//! The only module that calls the host. Outside WebAssembly, the host is the one for tests.

#[cfg(target_family = "wasm")]
use crate::bindings::jobcontrol::plugin::build;
#[cfg(target_family = "wasm")]
use crate::bindings::jobcontrol::plugin::log;
#[cfg(target_family = "wasm")]
use crate::bindings::jobcontrol::plugin::progress;

#[cfg(target_family = "wasm")]
use crate::bindings::jobcontrol::plugin::build::Info;
pub(crate) use crate::bindings::jobcontrol::plugin::log::Entry;
pub(crate) use crate::bindings::jobcontrol::plugin::types::Cause;
pub(crate) use crate::bindings::jobcontrol::plugin::types::Failure;
pub(crate) use crate::bindings::jobcontrol::plugin::types::Frame;
pub(crate) use crate::bindings::jobcontrol::plugin::types::Level;

#[cfg(target_family = "wasm")]
mod calls {
    use super::*;

    pub(crate) fn write(entry: &Entry) {
        log::write(entry);
    }

    pub(crate) fn report(group: &[String], current: u64, total: u64, status: &str) {
        progress::report(group, current, total, status);
    }

    /// Returns the running build, or `None` outside WebAssembly.
    pub(crate) fn current() -> Option<Info> {
        Some(build::current())
    }

    pub(crate) fn skip(reason: &str) -> ! {
        build::skip(reason);
        unreachable!("the host ends the build")
    }

    pub(crate) fn fail(failure: &Failure) -> ! {
        build::fail(failure);
        // Not a panic, because the hook would call this function again.
        std::process::abort();
    }
}

#[cfg(not(target_family = "wasm"))]
use crate::collected as calls;

pub(crate) use calls::current;
pub(crate) use calls::fail;
pub(crate) use calls::report;
pub(crate) use calls::skip;
pub(crate) use calls::write;
