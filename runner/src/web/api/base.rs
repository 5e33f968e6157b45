//! The address of this version of the API.

/// The path prefix of each route.
pub(super) const BASE: &str = "/api/v1";
