//! How a room says something to the person who waits, without knowing of a terminal.

use std::sync::Arc;

/// Says something to the person who waits.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;
