//! The first builds of a run that waits until somebody starts it. They are created with their pins,
//! but not executed.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RunOf;
use jobcontrol_sandbox::Cancel;

use crate::catalog::load::Catalog;
use crate::execute::error::ExecuteError;
use crate::execute::executor::Executor;
use crate::execute::executor::Wish;

/// Creates a build of each job of a run that waits for no other job. A job that cannot be built
/// gets no build; the reason is known once the run is started.
///
/// # Errors
///
/// Returns an error if the store cannot be read or written.
pub async fn hold(
    executor: &Arc<Executor>,
    catalog: &Catalog,
    plan: &Plan,
    requests: &BTreeMap<String, BuildRequest>,
    run: u64,
) -> Result<()> {
    let waits = |id: &String| plan.waits_for.get(id).is_some_and(|needs| !needs.is_empty());
    for id in plan.order.iter().filter(|id| !waits(id)) {
        // Any other reason is reported when the run is worked on.
        if let Err(ExecuteError::Storage(error)) = create(executor, catalog, id, requests.get(id), run).await {
            return Err(error);
        }
    }
    Ok(())
}

async fn create(
    executor: &Arc<Executor>,
    catalog: &Catalog,
    id: &str,
    request: Option<&BuildRequest>,
    run: u64,
) -> std::result::Result<(), ExecuteError> {
    let (checked, granted) = catalog.job(id).ok_or(ExecuteError::Gone)?;
    let preparing = Arc::clone(executor);
    // Compiling takes seconds for a large plugin, and must not hold up guests that run.
    let prepared = tokio::task::spawn_blocking(move || {
        let (_switch, cancel) = Cancel::pair();
        preparing.prepare(&checked, granted, &cancel)
    });
    let prepared = prepared.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    let wish = Wish { run: RunOf::Run(run), ..Wish::default() };
    let request = request.cloned().unwrap_or_default();
    executor.create(&prepared, &request, &wish).await.map(drop)
}
