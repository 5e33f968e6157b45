//! The shape of what a person fills in to run a job.

use jobcontrol_core::value::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// What a person fills in to run a job.
#[derive(Serialize, ToSchema)]
pub(crate) struct FormJson<'a> {
    pub(crate) job_id: &'a str,
    pub(crate) function: String,
    pub(crate) signature: String,
    pub(crate) docs: Option<&'a str>,
    /// Whether a run has to name the job under `armed`.
    pub(crate) protected: bool,
    pub(crate) parameters: Vec<FormParamJson<'a>>,
    /// JSON Schema (draft 7) of all arguments by name.
    pub(crate) schema: serde_json::Value,
}

/// A parameter of the function.
#[derive(Serialize, ToSchema)]
pub(crate) struct FormParamJson<'a> {
    pub(crate) name: &'a str,
    /// The type in WIT.
    pub(crate) r#type: String,
    /// Whether it must be given.
    pub(crate) required: bool,
    /// The value from the manifest; `{"!retval": JOB}` and `{"!secret": NAME}` for what is filled
    /// in later. Left out if the manifest gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) value: Option<Json<'a>>,
}
