//! The text that a build's `repr_function` makes of its return value.

use jobcontrol_core::build::Build;
use jobcontrol_core::value::Value;

use super::render::Out;
use crate::app::App;
use crate::execute::hooks::Which;

/// Returns the text that the build's `repr_function` makes of its return value. If the function
/// fails, prints a warning and returns `None`.
pub(super) fn repr(app: &App, out: &Out, build: &Build) -> Option<String> {
    match app.hook(build, Which::Repr) {
        Ok(Some(Value::String(text))) => Some(text),
        Ok(_) => None,
        Err(reason) => {
            out.warn(&format!("build {}: its repr_function {reason}", build.id));
            None
        }
    }
}
