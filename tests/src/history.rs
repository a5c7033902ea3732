//! The history checker: what clients asked and saw is recorded, and a checker reads it afterwards.
//!
//! [`History`] and [`check`] know nothing of how it came about: requests may have gone through a router in this process
//! ([`run`]) or through sockets to several server processes. [`App`] is the application that both kinds of server serve.

mod action;
mod app;
mod check;
mod cookie;
mod explain;
mod outcome;
mod record;
pub mod run;

pub use action::{Action, Token, User};
pub use app::{App, Stage};
pub use check::{PROPERTIES, Violation, check};
pub use cookie::{Cookie, Handle};
pub use outcome::Outcome;
pub use record::{Done, Entry, Everything, History, Moment, Received, Request, Response, Rules, Seen, Whose};
