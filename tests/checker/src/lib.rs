//! The history checker: what clients asked and saw is recorded as a [`History`], and [`check`] reads it afterwards.
//!
//! The check is pure, and knows nothing of how a history came about: requests may have gone through a router in this
//! process ([`Stores`]) or through sockets to several server processes. [`App`] is the application that both kinds of server
//! serve.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod action;
mod app;
mod check;
mod cookie;
mod excerpt;
mod history;
mod run;

pub use action::{Action, Token, User};
pub use app::{App, Stage, SystemClock};
pub use check::check;
pub use check::findings::{PROPERTIES, Violation};
pub use cookie::{COOKIE, Cookie, Handle, handle_of};
pub use history::{
    Done, Entry, Everything, History, Moment, Outcome, Received, Request, Response, Rules, Seen, Whose,
};
pub use run::lot::Lot;
pub use run::plan::Plan;
pub use run::rng::Rng;
pub use run::stores::{Stores, Threads};
pub use run::{Budget, find, forever_green};
