//! PostgreSQL, on a real server.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
#[path = "../support/mod.rs"]
mod support;

fn url() -> &'static str {
    cloakroom_test_services::postgres()
}
