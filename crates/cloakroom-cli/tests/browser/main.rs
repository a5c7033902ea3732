//! The demo's pages as a visitor uses them: the real command, and Chromium.

mod cookies;
mod driver;
mod look;
#[path = "../server/mod.rs"]
#[allow(dead_code, reason = "the rest is for the tests with curl")]
mod server;
mod sessions;
mod users;
mod visitor;
