//! Where this version of the API is.

/// What the path of each route begins with.
pub(super) const BASE: &str = "/api/v1";
