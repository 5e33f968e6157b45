//! Handles what dead processes left: ends what is over, and finds what may be tried again.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::time::Duration;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RunFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;

use crate::execute::interrupted::Interrupted;
use crate::execute::interrupted::end;
use crate::execute::interrupted::unless_faster;

/// Which owners are alive. Each owner is looked up once.
struct Owners<'a> {
    storage: &'a dyn Storage,
    alive: HashMap<String, bool>,
}

impl Owners<'_> {
    fn is_alive(&mut self, owner: &str) -> Result<bool> {
        if let Some(alive) = self.alive.get(owner) {
            return Ok(*alive);
        }
        let alive = self.storage.is_alive(owner)?;
        self.alive.insert(owner.to_owned(), alive);
        Ok(alive)
    }
}

fn unfinished(storage: &dyn Storage) -> Result<Vec<Build>> {
    let all = BuildFilter { finished: Some(false), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
    storage.get_job_builds(&all)
}

/// Returns the unfinished builds whose owners are alive.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub fn alive(storage: &dyn Storage) -> Result<Vec<u64>> {
    let mut owners = Owners { storage, alive: HashMap::new() };
    let mut alive = Vec::new();
    for build in unfinished(storage)? {
        if let Some(owner) = &build.owner
            && owners.is_alive(owner)?
        {
            alive.push(build.id);
        }
    }
    Ok(alive)
}

/// What became of the builds of dead owners.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rescued {
    /// Builds that ended as failed, with the kind `interrupted`.
    pub ended: Vec<u64>,
    /// Builds that ended as failed, with the kind `cancelled`, because they had not started.
    pub cancelled: Vec<u64>,
    /// Builds that stay as they are. They have attempts left, for a run that would make the same
    /// build.
    pub left: Vec<Interrupted>,
}

/// Handles what dead owners have left. Each process that opens the store to write calls this before
/// it writes.
///
/// # Errors
///
/// Returns an error if the store cannot be read or written.
pub fn rescue(storage: &dyn Storage) -> Result<Rescued> {
    storage.write_kept_ends()?;
    let mut owners = Owners { storage, alive: HashMap::new() };
    let mut rescued = Rescued::default();
    let of_services = of_services(storage)?;
    for build in unfinished(storage)? {
        let Some(owner) = build.owner.clone() else { continue };
        if owners.is_alive(&owner)? || build.run.is_some_and(|run| of_services.contains(&run)) {
            continue;
        }
        match Interrupted::of(build, storage.clock().now()) {
            Ok(interrupted) => rescued.left.push(interrupted),
            Err(build) => {
                if unless_faster(storage.write(end(storage, &build)))? {
                    let created = build.status() == BuildStatus::Created;
                    let list = if created { &mut rescued.cancelled } else { &mut rescued.ended };
                    list.push(build.id);
                }
            }
        }
    }
    end_runs(storage, &mut owners, &rescued.left)?;
    owners.alive.iter().filter(|(_, alive)| !**alive).for_each(|(owner, _)| storage.release(owner));
    Ok(rescued)
}

/// How long after its creation an open run of a service waits for another service to resume it.
/// After that, it is treated like all other runs.
const WAITS_FOR_SERVICE: Duration = Duration::from_hours(24);

fn is_of_service(run: &Run, now: Timestamp) -> bool {
    run.service && (run.owner.is_none() || Duration::from_micros(now.since(run.created)) < WAITS_FOR_SERVICE)
}

fn of_services(storage: &dyn Storage) -> Result<BTreeSet<u64>> {
    let open = RunFilter { open: Some(true), service: Some(true), ..RunFilter::default() };
    let now = storage.clock().now();
    Ok(storage.get_runs(&open)?.iter().filter(|run| is_of_service(run, now)).map(|run| run.id).collect())
}

/// Ends the runs of dead owners, except those with a build that still waits for its next attempt.
fn end_runs(storage: &dyn Storage, owners: &mut Owners<'_>, left: &[Interrupted]) -> Result<()> {
    let now = storage.clock().now();
    for run in storage.get_runs(&RunFilter { open: Some(true), ..RunFilter::default() })? {
        if is_of_service(&run, now) {
            continue;
        }
        let waits = left.iter().any(|left| left.build.run == Some(run.id));
        let is_alive = match &run.owner {
            Some(owner) => owners.is_alive(owner)?,
            None => true,
        };
        if !is_alive && !waits {
            let status = match run.cancel {
                Some(_) => RunStatus::Cancelled,
                None if ended_by_store(storage, run.id)? => RunStatus::Failed,
                None => RunStatus::Interrupted,
            };
            let time = storage.clock().now();
            storage.write(Write::EndRun(EndRun { id: run.id, time, status, refused: None }))?;
        }
    }
    Ok(())
}

/// Returns whether a build of a run failed because the store could not be written. The run's end
/// could then not be written either.
fn ended_by_store(storage: &dyn Storage, run: u64) -> Result<bool> {
    let failed = BuildFilter {
        run: Some(run),
        finished: Some(true),
        success: Some(false),
        limit: u64::MAX >> 1,
        brief: true,
        ..BuildFilter::default()
    };
    let of_store = |build: &Build| build.exception.as_ref().is_some_and(|failure| failure.kind == FailureKind::Storage);
    Ok(storage.get_job_builds(&failed)?.iter().any(of_store))
}
