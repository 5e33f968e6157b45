//! The schema of `jobcontrol schema`, tried with a real validator on the manifests of the tests.
//!
//! The program is the one that JOBCONTROL_TEST_PROGRAM names.

#![cfg(test)]

mod editor;
mod entries;
mod folder;
mod manifests;
