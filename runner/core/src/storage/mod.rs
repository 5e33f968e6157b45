//! The contract of a store. The methods have the names of the Python library that jobcontrol
//! descends from.
//!
//! Every change is a [`Write`] that is passed to [`Storage::submit`], so that a backend can commit
//! waiting changes together. The methods for a single change are built on it. Each backend must
//! pass the test suite in `tests/storage`.
//!
//! - `contract`: the trait
//! - `error`: the errors of a store
//! - `filter`: the filters for reading
//! - `looks`: summaries of many builds and of long logs
//! - `write`: the changes
//! - `service`: the state that services keep
//! - `pack`: converts runs, failures, ends of builds and log records to their stored form and back

mod contract;
mod error;
mod filter;
mod looks;
mod pack;
mod service;
mod write;

pub use contract::Completion;
pub use contract::Storage;
pub use error::PoolFull;
pub use error::Result;
pub use error::StorageError;
pub use filter::BuildFilter;
pub use filter::CancelRequests;
pub use filter::LogFilter;
pub use filter::LogRecord;
pub use filter::Order;
pub use filter::RunFilter;
pub use looks::LOG_BUCKETS;
pub use looks::LogCounts;
pub use looks::LogMap;
pub use looks::Mark;
pub use looks::bucket;
pub use pack::Finish;
pub use pack::is_raw;
pub use pack::pack_failure;
pub use pack::pack_finish;
pub use pack::pack_finish_with;
pub use pack::pack_frames;
pub use pack::pack_plan;
pub use pack::pack_record;
pub use pack::pack_refused;
pub use pack::unpack_brief_failure;
pub use pack::unpack_failure;
pub use pack::unpack_frames;
pub use pack::unpack_plan;
pub use pack::unpack_record;
pub use pack::unpack_refused;
pub use service::ClaimRun;
pub use service::Commits;
pub use service::NewReload;
pub use service::ReloadRow;
pub use service::ScheduleState;
pub use service::Tried;
pub use write::Assign;
pub use write::EndRun;
pub use write::FinishBuild;
pub use write::Guard;
pub use write::LogRow;
pub use write::NewBuild;
pub use write::NewRun;
pub use write::PackedFailure;
pub use write::PruneLog;
pub use write::RetryBuild;
pub use write::RunOf;
pub use write::StartBuild;
pub use write::StepSchedule;
pub use write::Traceback;
pub use write::Write;
