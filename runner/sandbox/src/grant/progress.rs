//! `jobcontrol:plugin/progress`: the progress of the running build.

use jobcontrol_core::failure::cut;
use jobcontrol_core::limits::PROGRESS_GROUP_NAME;
use jobcontrol_core::progress;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::secret::Redactor;
use wasmtime::component::Linker;

use super::said::AtMost;
use crate::host::Host;

/// The interface, as components import it.
const INTERFACE: &str = "jobcontrol:plugin/progress@0.1.0";

/// The most characters of a status text, which has to fit on one line of a terminal.
const STATUS_LINE: usize = 1_000;

/// The levels of a group. With more levels its name would be too long, because each is followed by
/// a separator.
type Levels = AtMost<String, PROGRESS_GROUP_NAME>;

pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    type Report = (Levels, u64, u64, String);
    linker.instance(INTERFACE)?.func_wrap_async("report", |mut store, report: Report| {
        // The report that was read is dropped before anything is awaited.
        let report = checked(report, store.data().guest.secrets().redactor());
        Box::new(async move { Ok(store.data_mut().guest.progress(report).await?) })
    })
}

fn checked(
    (levels, current, total, mut status_line): (Levels, u64, u64, String),
    redactor: &Redactor,
) -> Result<Progress, String> {
    let mut levels = levels.0.map_err(|count| {
        format!("a progress group has {count} levels, and its name may have {PROGRESS_GROUP_NAME} characters")
    })?;
    levels.iter_mut().for_each(|level| redactor.text(level));
    redactor.text(&mut status_line);
    cut(&mut status_line, STATUS_LINE);
    progress::checked(&levels, current, total, &status_line)
}
