//! MySQL, on a real MariaDB.

#![cfg(feature = "mysql")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contention;
#[path = "../shared/server_database.rs"]
mod database;
mod dialect;
mod failures;
mod leases;
mod round_trips;
#[path = "../shared/server.rs"]
mod server;
#[path = "../shared/mod.rs"]
mod shared;
mod transactions;
