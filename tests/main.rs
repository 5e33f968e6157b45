//! The real program in a clean folder: one binary, one module a feature.

mod harness;

mod diagnostics;
mod run;
mod sandbox;
mod storage;
mod tidy;
