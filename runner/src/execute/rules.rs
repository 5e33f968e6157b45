//! What the operator says of all builds of a process.

use std::collections::BTreeMap;

use jobcontrol_core::http::HttpRules;
use jobcontrol_core::manifest::Context;
use jobcontrol_core::secret::SecretSource;

/// What the operator says of all builds of a process.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How many slots each pool has, by name.
    pub pools: BTreeMap<String, u32>,
    /// Where the value of each secret is, by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// How HTTP requests are made.
    pub http: HttpRules,
}

impl Rules {
    /// The rules that manifests were read with.
    pub fn of(context: &Context) -> Self {
        Self { pools: context.pools.clone(), secrets: context.secrets.clone(), http: context.http.clone() }
    }
}
