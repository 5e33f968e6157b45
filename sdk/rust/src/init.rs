//! Connects `log` and panics to the host, once in each instance.

use std::sync::Once;

use crate::logger;
use crate::panic;

static STARTED: Once = Once::new();

/// Sends the records of the [`log`] crate to the host, and turns a panic into a failed build.
///
/// A panic ends the build with kind `panic`, its message, and one frame with the file and line
/// where it happened. The call is cheap and can be repeated. Each build runs in a fresh instance of
/// the plugin, so either call this first in every exported function, or write
/// [`init_on_load!`](crate::init_on_load) once in the crate.
///
/// A logger that the plugin has already installed stays. Outside WebAssembly this does nothing.
pub fn init() {
    if cfg!(target_family = "wasm") {
        STARTED.call_once(|| {
            logger::install();
            panic::install();
        });
    }
}

/// Calls [`init`] before any exported function of the plugin runs.
///
/// Write it once, at the top of the plugin's `lib.rs`. Outside WebAssembly it expands to nothing
/// that runs.
#[macro_export]
macro_rules! init_on_load {
    () => {
        // The bindings run the module's constructors before the first exported function.
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[used]
            #[unsafe(link_section = ".init_array")]
            static INIT: extern "C" fn() = {
                extern "C" fn init() {
                    $crate::init();
                }
                init
            };
        };
    };
}
