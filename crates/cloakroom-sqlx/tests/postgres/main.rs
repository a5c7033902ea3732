//! PostgreSQL, on a real server.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../shared/server_database.rs"]
mod database;
mod dialect;
mod failures;
#[path = "../shared/server.rs"]
mod server;
#[path = "../shared/mod.rs"]
mod shared;
mod transactions;
mod waiting;
