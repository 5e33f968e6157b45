//! What a job was granted.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::grants::HttpGrant;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::secret::SecretSource;

use super::files::GrantedFolder;

/// What one job was granted, resolved and compared with the operator's ceiling.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// Folders.
    pub folders: Vec<GrantedFolder>,
    /// Variables with their values.
    pub variables: Vec<(String, String)>,
    /// Secrets that are variables, by their names.
    pub secrets: Vec<String>,
    /// Where the value of each secret is, by name: those that the job names, and all others.
    pub sources: Arc<BTreeMap<String, SecretSource>>,
    /// HTTP requests.
    pub http: Vec<HttpGrant>,
    /// How these are made.
    pub http_rules: Arc<HttpRules>,
    /// The time that its clock shows, where it stands still.
    pub clock: Option<Timestamp>,
    /// What its random numbers are made of, where they are the same each time.
    pub random: Option<u64>,
}
