//! What holds over HTTP, on a real server with raw sockets. Numbers in doc comments are those of SECURITY.md; F numbers are
//! failures.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod adapter;
mod at_rest;
mod clients;
mod cookie_in;
mod cookie_names;
mod cookie_out;
mod early;
mod ends;
mod events;
mod exactness;
mod failures;
mod headers;
mod identifier;
mod later_version;
mod locking;
mod resources;
mod rotation;
mod routes;
mod sessions;
mod spellings;
mod watching;
