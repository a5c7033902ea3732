//! What the tests of the workspace share: a real server, a browser on a raw socket, and points at which requests wait for
//! each other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod any_store;
mod backend;
mod browser;
mod direct;
mod example;
mod gate;
mod head;
mod hesitant;
mod http2;
mod message;
mod processes;
mod proxy;
mod records;
mod script;
mod site;
mod socket;
mod writing;

pub use any_store::AnyStore;
pub use backend::{Backend, Costs, Limits, Running};
pub use browser::{Begun, Browser};
pub use direct::{Call, Direct, cut_off, poll_once};
pub use example::{Example, post_form, redirects};
pub use gate::Gate;
pub use head::CookieFields;
pub use hesitant::Hesitant;
pub use http2::Http2;
pub use message::{Request, Response};
pub use processes::{Process, Server};
pub use proxy::{Cut, Proxy, addresses};
pub use records::all_records;
pub use script::{Played, PlayedBody, Script};
pub use site::Site;
pub use socket::Socket;
pub use writing::{Slot, file_store};

/// The code in the README and in the guide, compiled and run as documentation tests: here, because here the frameworks
/// have the names that applications give them.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/guide.md")]
    struct Guide;
}
