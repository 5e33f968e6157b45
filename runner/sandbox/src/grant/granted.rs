//! What a job was granted.

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::grants::HttpGrant;

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
    /// HTTP requests.
    pub http: Vec<HttpGrant>,
    /// The time that its clock shows, where it stands still.
    pub clock: Option<Timestamp>,
    /// What its random numbers are made of, where they are the same each time.
    pub random: Option<u64>,
}
