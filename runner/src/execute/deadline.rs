//! Waiting for a moment that may never come.

use std::time::Instant;

/// Waits until a moment, or forever without one.
pub(super) async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
