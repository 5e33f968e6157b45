//! `jobcontrol:plugin/progress`: how far the running build is.

use jobcontrol_core::failure::cut;
use jobcontrol_core::progress;

use crate::bindings::jobcontrol::plugin;
use crate::host::Host;

/// A status line is one line of a terminal.
const STATUS_LINE: usize = 1_000;

impl plugin::progress::Host for Host {
    async fn report(
        &mut self,
        group: Vec<String>,
        current: u64,
        total: u64,
        mut status_line: String,
    ) -> wasmtime::Result<()> {
        cut(&mut status_line, STATUS_LINE);
        let report = progress::checked(&group, current, total, &status_line);
        Ok(self.guest.progress(report).await?)
    }
}
