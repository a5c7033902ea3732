//! What holds over HTTP on the stores that have a server, with a proxy between the two: what a request costs, and what
//! becomes of it when the network fails at any of its round trips. F numbers are failures. And what is promised of secrets and
//! clocks, on every store there is.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod clocks;
mod cluster;
mod cuts;
mod house;
mod outages;
mod places;
mod redis_time;
mod remember;
mod rotation;
mod round_trips;
mod watching;
