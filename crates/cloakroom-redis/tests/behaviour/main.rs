//! What this store promises beyond the contract, on servers that the tests own or share.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clocks;
mod cluster;
mod connecting;
mod expiry;
mod failover;
mod guards;
mod lists;
mod namespaces;
mod outage;
mod refusals;
mod restart;
mod round_trips;
mod secure;
#[path = "../support/mod.rs"]
mod support;
mod waiting;
