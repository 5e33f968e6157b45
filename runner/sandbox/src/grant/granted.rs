//! The rights that a job was granted.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::grants::HttpGrant;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::secret::SecretSource;

use super::files::GrantedFolder;

/// The rights that one job was granted, resolved and compared with the operator's ceiling.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// The folders.
    pub folders: Vec<GrantedFolder>,
    /// The variables with their values.
    pub variables: Vec<(String, String)>,
    /// The names of the secrets that are set as variables.
    pub secrets: Vec<String>,
    /// Where to read the value of each secret, by name: those that the job names, and all others.
    pub sources: Arc<BTreeMap<String, SecretSource>>,
    /// The HTTP requests that it may make.
    pub http: Vec<HttpGrant>,
    /// The rules for making these requests.
    pub http_rules: Arc<HttpRules>,
    /// The fixed time that its clock shows, if it has one.
    pub clock: Option<Timestamp>,
    /// The fixed seed of its random numbers, if it has one.
    pub random: Option<u64>,
}
