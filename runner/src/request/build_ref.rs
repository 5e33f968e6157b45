//! How a person names a build: by its number, or by a job for its latest build.

use std::str::FromStr;

use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::Storage;

use crate::catalog::workspace::Workspace;
use crate::request::refusal::Refusal;
use crate::request::targets::known_job;

/// How a person names a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildRef {
    /// `12`: the build with this number.
    Number(u64),
    /// `JOB`, or `JOB~2`: the latest build of a job, or the one that is this many builds older.
    /// `job:12` is the job `12`.
    Latest {
        /// The job's id.
        job: String,
        /// How many builds of the job are newer.
        back: u64,
    },
}

/// The most builds to go back, more than anybody counts.
const FARTHEST: u64 = 100_000;

impl FromStr for BuildRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().map_err(|_| format!("`{text}` is larger than any build number"))?;
            return Ok(Self::Number(number));
        }
        let name = text.strip_prefix("job:").unwrap_or(text);
        let (job, back) = match name.rsplit_once('~') {
            Some((job, "")) => (job, 1),
            Some((job, back)) => {
                let number = back.parse().ok().filter(|back| *back <= FARTHEST);
                (job, number.ok_or_else(|| format!("`~{back}` is not a number of builds to go back"))?)
            }
            None => (name, 0),
        };
        if job.is_empty() {
            return Err("expected the number of a build, or the id of a job for its latest build".to_owned());
        }
        Ok(Self::Latest { job: job.to_owned(), back })
    }
}

impl BuildRef {
    /// Returns the number of the named build. A build named by its number may not exist.
    ///
    /// # Errors
    ///
    /// Returns a refusal if the job does not exist or has too few builds, or if the store cannot be
    /// read.
    pub fn find(&self, workspace: &Workspace, storage: &dyn Storage) -> Result<u64, Refusal> {
        let (job, back) = match self {
            Self::Number(number) => return Ok(*number),
            Self::Latest { job, back } => (job, *back),
        };
        let newest = BuildFilter { order: Order::Desc, limit: back + 1, brief: true, ..BuildFilter::job(job) };
        let mut builds = storage.get_job_builds(&newest)?;
        match builds.len() {
            0 => {
                known_job(workspace, storage, job)?;
                let run = format!("`jobcontrol run {job}` builds it");
                Err(Refusal::not_found(format!("`{job}` has no builds yet")).hint(run))
            }
            count if count as u64 <= back => {
                let builds = if count == 1 { "1 build".to_owned() } else { format!("{count} builds") };
                let lists = format!("`jobcontrol builds {job}` lists them");
                Err(Refusal::not_found(format!("`{job}` has {builds}, so there is no `{job}~{back}`")).hint(lists))
            }
            _ => Ok(builds.pop().map_or(0, |build| build.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_build_and_all_else_is_a_job() {
        let latest = |job: &str, back| Ok(BuildRef::Latest { job: job.to_owned(), back });
        assert_eq!("12".parse(), Ok(BuildRef::Number(12)));
        assert_eq!("report".parse(), latest("report", 0));
        assert_eq!("job:12".parse(), latest("12", 0));
        assert_eq!("job:12~3".parse(), latest("12", 3));
        assert_eq!("report~".parse(), latest("report", 1));
        assert_eq!("report~1".parse(), latest("report", 1));
        assert_eq!("-1".parse(), latest("-1", 0));
        for wrong in ["", "~1", "job:", "99999999999999999999", "report~x", "report~999999999", "report~-1"] {
            assert!(wrong.parse::<BuildRef>().is_err(), "{wrong}");
        }
    }
}
