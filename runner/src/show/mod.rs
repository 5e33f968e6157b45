//! Rows to the shapes that every face shows.
//!
//! - `json`: the shapes of `--format json`, which programs rely on

pub(crate) mod json;
