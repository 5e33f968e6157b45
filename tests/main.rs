//! The real program in a clean folder: one binary, one module a feature.

#[expect(unreachable_pub, reason = "a binary has no outside")]
mod harness;

mod diagnostics;
mod run;
mod sandbox;
mod storage;
mod tidy;
