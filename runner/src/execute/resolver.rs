//! Turns a job and the builds that it uses into the arguments of its function. Reads the store and
//! unpacks values, so it belongs on a thread that may block.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::Pin;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::bind;
use jobcontrol_core::job::Arg;
use jobcontrol_core::job::ArgNode;
use jobcontrol_core::job::Job;
use jobcontrol_core::job::Key;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::types::Retvals;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::from_text;
use jobcontrol_core::types::resolve;
use jobcontrol_core::types::same_name;
use jobcontrol_core::value::Value;

use crate::execute::error::ExecuteError;
use crate::execute::error::Missing;
use crate::execute::pins;
use crate::lock::lock;

/// Resolves arguments.
pub(super) struct Resolver {
    storage: Arc<dyn Storage>,
    types: Mutex<HashMap<String, Arc<Type>>>,
}

/// The arguments of a build, with the builds that they come from.
pub(super) struct Resolved {
    pub(super) args: Vec<Value>,
    pub(super) pins: Vec<Pin>,
}

impl Resolver {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, types: Mutex::default() }
    }

    /// Pins a job to the builds that were asked for. Other dependencies are pinned to their latest
    /// successful builds at this moment.
    pub(super) fn pin(&self, checked: &CheckedJob, request: &BuildRequest) -> Result<Resolved, ExecuteError> {
        let (mut pinned, mut missing) = (Vec::new(), Missing::default());
        let used = used(checked, &request.overrides);
        for (id, _) in checked.job.dependency_ids() {
            match request.pins.get(id) {
                Some(chosen) => pinned.push(pins::usable(self.storage.get_build(*chosen)?, id)?),
                None => {
                    let newest = BuildFilter { brief: !used.contains(id), ..BuildFilter::latest_success(id) };
                    match self.storage.get_job_builds(&newest)?.pop() {
                        Some(build) => pinned.push(build),
                        None if self.is_only_skipped(id)? => missing.only_skipped.push(id.to_owned()),
                        None => missing.never_built.push(id.to_owned()),
                    }
                }
            }
        }
        if !missing.is_empty() {
            return Err(ExecuteError::MissingDependencies(missing));
        }
        let args = self.arguments(checked, &pinned, &request.overrides, &Secrets::default())?;
        let pin = |build: &Build| Pin {
            job: build.job_id.clone(),
            build: build.id,
            retval_digest: build.retval_digest.clone(),
        };
        let mut pins: Vec<_> = pinned.iter().map(pin).collect();
        pins.sort_unstable_by(|one, other| one.job.cmp(&other.job));
        Ok(Resolved { args, pins })
    }

    /// Returns whether a job has finished builds and all of them were skipped.
    fn is_only_skipped(&self, job: &str) -> Result<bool, ExecuteError> {
        let histories = self.storage.get_job_histories(&[job])?;
        Ok(histories.iter().all(|history| history.ended.is_none() && history.last_good.is_some()))
    }

    /// Returns the arguments of a build that was pinned before.
    pub(super) fn again(
        &self,
        checked: &CheckedJob,
        pins: &[Pin],
        overrides: &[(Key, Arg)],
        secrets: &Secrets,
    ) -> Result<Vec<Value>, ExecuteError> {
        let used = used(checked, overrides);
        let pins = pins.iter().filter(|pin| used.contains(pin.job.as_str()));
        let pinned = pins.map(|pin| self.storage.get_build(pin.build)).collect::<Result<Vec<_>, _>>()?;
        self.arguments(checked, &pinned, overrides, secrets)
    }

    /// Returns the arguments of the function. Secrets that are not known yet are empty.
    pub(super) fn arguments(
        &self,
        checked: &CheckedJob,
        pinned: &[Build],
        overrides: &[(Key, Arg)],
        secrets: &Secrets,
    ) -> Result<Vec<Value>, ExecuteError> {
        let mut job = Cow::Borrowed(&*checked.job);
        if !overrides.is_empty() {
            apply_overrides(job.to_mut(), checked, overrides);
        }
        let mut diagnostics = Vec::new();
        let bound = bind(&job, &checked.signature, &mut diagnostics);
        if let Some(first) = diagnostics.first() {
            return Err(ExecuteError::Arguments(first.message.clone()));
        }
        let retvals = self.retvals(pinned, secrets)?;
        let mut problems = Vec::new();
        let params = checked.signature.params.iter().zip(bound);
        let args = params.map(|((name, ty), arg)| match arg {
            Some(arg) => resolve(&arg, name, ty, &retvals, &mut problems),
            None => Value::Null,
        });
        let args: Vec<_> = args.collect();
        if problems.is_empty() {
            return Ok(args);
        }
        let all = problems.iter().map(|p| format!("{}: {}", p.path, p.reason)).collect::<Vec<_>>().join("; ");
        let stale = if pinned.is_empty() { "" } else { " (with --deps, outdated dependencies are built again first)" };
        Err(ExecuteError::Arguments(format!("{all}{stale}")))
    }

    fn retvals<'a>(&self, pinned: &'a [Build], secrets: &'a Secrets) -> Result<PinnedRetvals<'a>, ExecuteError> {
        let mut retvals = HashMap::new();
        for build in pinned {
            if let (Some(text), Some(value)) = (&build.retval_type, &build.retval) {
                retvals.insert(build.job_id.as_str(), (self.stored_type(text)?, value));
            }
        }
        Ok(PinnedRetvals { retvals, secrets })
    }

    fn stored_type(&self, text: &str) -> Result<Arc<Type>, ExecuteError> {
        if let Some(ty) = lock(&self.types).get(text) {
            return Ok(Arc::clone(ty));
        }
        let read = from_text(text)
            .map_err(|e| ExecuteError::Arguments(format!("the stored type of a return value cannot be read: {e}")))?;
        let ty = Arc::new(read);
        lock(&self.types).insert(text.to_owned(), Arc::clone(&ty));
        Ok(ty)
    }
}

/// Returns the jobs whose return values the arguments name. Return values of other dependencies may
/// be large, and are not read.
fn used<'a>(checked: &'a CheckedJob, overrides: &'a [(Key, Arg)]) -> BTreeSet<&'a str> {
    let mut references = checked.job.references();
    overrides.iter().for_each(|(_, arg)| arg.references(&mut references));
    references.into_iter().map(|(reference, _)| reference.job.as_str()).collect()
}

/// Puts each override in the place of the argument of that name, wherever that was written.
fn apply_overrides(job: &mut Job, checked: &CheckedJob, overrides: &[(Key, Arg)]) {
    for (key, arg) in overrides {
        if let (true, ArgNode::List(argv)) = (checked.signature.command, &arg.node) {
            job.args.clone_from(argv);
            continue;
        }
        let position = checked.signature.params.iter().position(|(name, _)| same_name(name, &key.name));
        if let Some(slot) = position.and_then(|at| job.args.get_mut(at)) {
            *slot = arg.clone();
            continue;
        }
        job.kwargs.retain(|(other, _)| !same_name(&other.name, &key.name));
        job.kwargs.push((key.clone(), arg.clone()));
    }
}

/// The return values of pinned builds, with the types they had when they were built, and the
/// secrets.
struct PinnedRetvals<'a> {
    retvals: HashMap<&'a str, (Arc<Type>, &'a Value)>,
    secrets: &'a Secrets,
}

impl Retvals for PinnedRetvals<'_> {
    fn retval(&self, job: &str) -> Option<(&Type, Option<&Value>)> {
        self.retvals.get(job).map(|(ty, value)| (&**ty, Some(*value)))
    }

    fn secret(&self, name: &str) -> Option<&[u8]> {
        self.secrets.get(name)
    }
}
