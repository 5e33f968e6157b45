//! The shapes of plugins.

use serde::Serialize;
use utoipa::ToSchema;

/// A plugin with its details.
#[derive(Serialize, ToSchema)]
pub(crate) struct PluginJson<'a> {
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) digest: &'a str,
    pub(crate) size: usize,
    pub(crate) functions: Vec<FunctionJson<'a>>,
    pub(crate) refused: Vec<RefusedJson<'a>>,
    pub(crate) imports: &'a [String],
    pub(crate) types: &'a [String],
    pub(crate) grants: Vec<GrantJson<'a>>,
    pub(crate) missing: Option<String>,
    /// The language that it was written in, and its compiler, as the file says.
    pub(crate) language: Option<&'a str>,
    pub(crate) wit: &'a str,
}

/// A function that a plugin exports.
#[derive(Serialize, ToSchema)]
pub(crate) struct FunctionJson<'a> {
    pub(crate) export: String,
    pub(crate) function: String,
    pub(crate) signature: String,
    pub(crate) params: Vec<ParamJson<'a>>,
    pub(crate) result: Option<String>,
    pub(crate) docs: Option<&'a str>,
    pub(crate) entry: Option<String>,
}

/// A grant that an import asks for.
#[derive(Serialize, ToSchema)]
pub(crate) struct GrantJson<'a> {
    pub(crate) import: &'a str,
    pub(crate) grant: &'static str,
}

/// A parameter of a function.
#[derive(Serialize, ToSchema)]
pub(crate) struct ParamJson<'a> {
    pub(crate) name: &'a str,
    pub(crate) r#type: String,
}

/// An export that cannot be called.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedJson<'a> {
    pub(crate) name: &'a str,
    pub(crate) reason: &'a str,
}

/// A plugin in the list of all.
#[derive(Serialize, ToSchema)]
pub(crate) struct PluginBriefJson<'a> {
    /// The name that a manifest in the jobs folder uses for it.
    pub(crate) name: &'a str,
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) digest: &'a str,
    /// Bytes.
    pub(crate) size: usize,
    /// How many functions it exports.
    pub(crate) functions: usize,
    /// The jobs that call its current version.
    pub(crate) jobs: Vec<&'a str>,
}
