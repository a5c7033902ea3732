//! What the tests of the workspace share: a real server, a browser on a raw socket, and points at which requests wait for
//! each other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod backend;
mod browser;
mod direct;
mod example;
mod gate;
mod head;
mod hesitant;
pub mod history;
mod http2;
mod processes;
mod proxy;
mod script;
mod site;
mod socket;
mod writing;

pub use backend::Backend;
pub use browser::{Begun, Browser, Request, Response};
pub use direct::{Call, Direct, cut_off, poll_once};
pub use example::{Example, post_form, redirects};
pub use gate::Gate;
pub use head::CookieFields;
pub use hesitant::Hesitant;
pub use http2::Http2;
pub use processes::{Process, Server};
pub use proxy::{Cut, Proxy};
pub use script::{Played, PlayedBody, Script};
pub use site::Site;
pub use socket::Socket;
pub use writing::{Slot, file_store};
