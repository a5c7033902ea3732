//! SQLite, in real files.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
#[path = "../support/mod.rs"]
mod support;
