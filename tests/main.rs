//! The real program in a clean folder: one binary, one module a feature.

#![expect(clippy::expect_used, reason = "the helpers of tests are tests too")]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod harness;

mod browser;
mod check;
mod choosing;
mod cli;
mod diagnostics;
mod digests;
mod execution;
mod explain;
mod forms;
mod hooks;
mod hostile;
mod http;
mod inspect;
mod manual;
mod operating;
mod pools;
mod reruns;
mod run;
mod runs;
mod sandbox;
mod scripts;
mod secrets;
mod service;
mod stale;
mod storage;
mod tidy;
mod toolchains;
mod warnings;
mod watch;
mod web;
mod workers;
