//! The operator's settings that reading a manifest needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::http::HttpRules;
use crate::secret::SecretSource;
use crate::yaml::environment::Environment;

use super::ceiling::Ceiling;

/// The operator's settings that reading a manifest needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The environment variables that `${NAME}` may name.
    pub environment: Environment,
    /// The largest limits a job may ask for.
    pub ceiling: Ceiling,
    /// How many slots each pool has, by name.
    pub pools: BTreeMap<String, u32>,
    /// The secrets that jobs may use, by name.
    pub secrets: Arc<BTreeMap<String, SecretSource>>,
    /// Which requests jobs may be granted, and how they are made.
    pub http: Arc<HttpRules>,
}
