//! The panic hook.

use std::panic;
use std::panic::PanicHookInfo;

use crate::failure;
use crate::host;

pub(crate) fn install() {
    panic::set_hook(Box::new(|info| host::fail(&describe(info))));
}

fn describe(info: &PanicHookInfo<'_>) -> host::Failure {
    host::Failure {
        kind: "panic".to_owned(),
        message: info.payload_as_str().unwrap_or("a panic whose payload is not text").to_owned(),
        frames: info.location().map(failure::frame).into_iter().collect(),
        causes: Vec::new(),
    }
}
