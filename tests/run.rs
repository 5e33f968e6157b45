//! `run` and what it leaves.
