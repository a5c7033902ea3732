//! What holds over HTTP on the stores that have a server, with a proxy between the two: what a request costs, and what
//! becomes of it when the network fails at any of its round trips. F numbers are failures.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod cluster;
mod cuts;
mod house;
mod outages;
mod round_trips;
