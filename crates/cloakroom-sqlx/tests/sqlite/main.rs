//! SQLite, in real files.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod database;
mod dialect;
mod failures;
mod files;
mod leases;
mod processes;
#[path = "../shared/mod.rs"]
mod shared;
mod transactions;
