//! How the library sends messages to the waiting person without knowing about terminals.

use std::sync::Arc;

/// Sends a message to the waiting person.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;
