//! Finds builds that would use exactly what the job's last good build used, after something that
//! they need was skipped.

use jobcontrol_core::build::Pin;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::status::job_status;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;

/// Returns the builds that a job would use now, if it would use exactly what its last good build
/// used. Reads the store.
pub(super) fn pins_if_unchanged(storage: &dyn Storage, checked: &CheckedJob) -> Result<Option<Vec<Pin>>> {
    let mut ids = vec![checked.job.id.as_str()];
    ids.extend(checked.job.dependency_ids().into_iter().map(|(id, _)| id));
    let histories = storage.get_job_histories(&ids)?;
    let (Some((own, others)), Some((_, needs))) = (histories.split_first(), ids.split_first()) else {
        return Ok(None);
    };
    let latest = |id: &str| needs.iter().position(|need| *need == id).and_then(|at| others[at].latest.as_deref());
    if job_status(&checked.job, &checked.plugin.digest, own, latest) != JobStatus::Success {
        return Ok(None);
    }
    let pin = |id: &&str| {
        let build = latest(id)?;
        Some(Pin { job: build.job_id.clone(), build: build.id, retval_digest: build.retval_digest.clone() })
    };
    let pins: Option<Vec<_>> = needs.iter().map(pin).collect();
    Ok(pins.map(|mut pins| {
        pins.sort_unstable_by(|one, other| one.job.cmp(&other.job));
        pins
    }))
}

/// Returns why such a build is skipped.
pub(super) fn reason(skipped: &[String]) -> String {
    let names: Vec<_> = skipped.iter().map(|job| format!("`{job}`")).collect();
    format!("nothing new from {}", names.join(", "))
}
