//! The only module that calls the host. Elsewhere than in WebAssembly its calls have no effect.

use bindings::jobcontrol::plugin::build;
use bindings::jobcontrol::plugin::log;
use bindings::jobcontrol::plugin::progress;

pub(crate) use bindings::jobcontrol::plugin::build::Info;
pub(crate) use bindings::jobcontrol::plugin::log::Entry;
pub(crate) use bindings::jobcontrol::plugin::types::Cause;
pub(crate) use bindings::jobcontrol::plugin::types::Failure;
pub(crate) use bindings::jobcontrol::plugin::types::Frame;
pub(crate) use bindings::jobcontrol::plugin::types::Level;

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "jobcontrol:plugin/host" });
}

/// Whether there is a host to call.
const PRESENT: bool = cfg!(target_family = "wasm");

pub(crate) fn write(entry: &Entry) {
    if PRESENT {
        log::write(entry);
    }
}

pub(crate) fn report(group: &[String], current: u64, total: u64, status: &str) {
    if PRESENT {
        progress::report(group, current, total, status);
    }
}

/// The running build, or none outside WebAssembly.
pub(crate) fn current() -> Option<Info> {
    PRESENT.then(build::current)
}

pub(crate) fn skip(reason: &str) -> ! {
    if PRESENT {
        build::skip(reason);
    }
    panic!("skipped: {reason}")
}

pub(crate) fn fail(failure: &Failure) -> ! {
    if PRESENT {
        build::fail(failure);
        // Not a panic, which would come back here through the hook.
        std::process::abort();
    }
    panic!("{}: {}", failure.kind, failure.message)
}
