//! Sessions for [Rocket](https://docs.rs/rocket) 0.5: the [`SessionFairing`], [`Session`] and [`SignedIn`] as guards, and
//! [`Error`] as a responder.
//!
//! ```toml
//! [dependencies]
//! rocket = "0.5"
//! cloakroom = { path = "../cloakroom/crates/cloakroom", features = ["rocket_v0_5"] }
//! ```
//!
//! ```no_run
//! # extern crate rocket05 as rocket;
//! use cloakroom::rocket_v0_5::{SessionFairing, with_route};
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::{Locking, Result, RouteOptions, Session, SessionKey, SessionManager, Settings, SignedIn};
//! use rocket::response::Redirect;
//! use rocket::{Build, Rocket, get, post, routes};
//!
//! const VISITS: SessionKey<u64> = SessionKey::new("visits");
//!
//! #[get("/")]
//! async fn hello(session: Session) -> Result<String> {
//!     let visits = session.update(VISITS, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await?;
//!     let name = session.get::<String>("name").await?.unwrap_or_else(|| "stranger".into());
//!     Ok(format!("Hello, {name}! This is visit {visits}."))
//! }
//!
//! #[post("/sign-in", data = "<name>")]
//! async fn sign_in(session: Session, name: String) -> Result<Redirect> {
//!     session.sign_in(&name).await?; // after the password has been checked; an empty name is an error
//!     session.insert("name", &name).await?;
//!     Ok(Redirect::to("/account"))
//! }
//!
//! #[get("/account")]
//! async fn account(user: SignedIn) -> String {
//!     format!("This is the account of {}.", user.as_str())
//! }
//!
//! fn app(sessions: SessionManager) -> Rocket<Build> {
//!     // One request of a session at a time here.
//!     let one_by_one = RouteOptions::new().locking(Locking::Implicit);
//!     rocket::build()
//!         .attach(SessionFairing::new(sessions))
//!         .mount("/", routes![hello, sign_in])
//!         .mount("/", with_route(one_by_one, routes![account]))
//! }
//!
//! #[rocket::main]
//! async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//!     let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//!     app(sessions.clone()).launch().await?;
//!     sessions.shutdown().await; // what requests began to save is saved
//!     Ok(())
//! }
//! ```
//!
//! It listens on port 8000; `ROCKET_PORT=3000` changes that.
//!
//! ```sh
//! curl -c jar -b jar http://localhost:8000/
//! curl -c jar -b jar -L -d ann http://localhost:8000/sign-in
//! ```
//!
//! - **Where to put it.** A fairing is for the whole application, 404s and catchers included; where no session is asked
//!   for, it makes no more than a handle. Fairings run in the order in which they are attached, requests and responses
//!   alike: those that add headers to all responses, or use the session in `on_request`, come after it. What a fairing
//!   writes in `on_response` is saved only if it is attached before. Without it, an application with a route that takes a
//!   [`Session`] does not launch. A second one with a clone of the same manager shares the first's sessions. With the same cookie
//!   name and another manager, its requests are answered 500, and the event `clash` says why. With another name it has its
//!   own: handlers find those of the first, which alone have the settings of routes, and a guard of your own gives
//!   them the others with [`session_named`].
//! - **Guards.** Where nobody is signed in, [`SignedIn`] fails with status 401, and where the store is down with 503. A
//!   guard has no response of its own: your catcher answers, or Rocket's, with the `Retry-After` and `Cache-Control` of the
//!   error's [`reply`](crate::Error::reply) if it has none of its own, but not its text. A handler that takes a
//!   `Result<SignedIn, cloakroom::Error>` answers for itself.
//! - **Errors.** An error that a handler returns is answered by its [`reply`](crate::Error::reply), not by a catcher. With
//!   a 4xx the session is saved, with a 5xx nothing is but the end of a session; what a catcher answers counts by its
//!   status.
//! - **Panics** save nothing but the end of a session. Rocket makes a 500 of them; it changes nothing if your catcher
//!   responds with another status, such as a redirect.
//! - **Clients that leave.** Rocket lets a handler whose client has gone run on, and then what it did is saved.
//! - **Streams.** The session is saved, and its lock let go, before the head is sent. An `EventStream!`, another body or a
//!   WebSocket may keep the [`Session`], and saves with [`save`](crate::Session::save) what it changes;
//!   [`reload`](crate::Session::reload) answers false when the session is over. A client that has gone is only noticed when
//!   something is sent to it: send a heartbeat.
//! - **The peer's address** is the connection's: no further set-up for `ignore_change_ip = false`.
//! - **What Rocket cannot give:** it drops a `Cookie` field with a byte that is not UTF-8, whole, and the visitor is a
//!   stranger. It answers a request whose method it does not know without any fairing: that has no session. A response
//!   put in the place of a handler's lacks the headers of fairings attached before this one, also of Rocket's own
//!   [`Shield`](rocket05::shield::Shield): attach `Shield::default()` after this one to have them. Under HTTP/2,
//!   `Set-Cookie` cannot be kept out of the compression's table (RFC 7541 §7.1.3). Where the settings have sessions loaded
//!   before the handler, Rocket's log names a route of ours before your own. At `log_level = "debug"` it shows all headers,
//!   cookies and so the secrets of sessions too: not for production.
//!
//! To test an application with [`rocket::local`](rocket05::local), make its sessions with
//! [`testing::manager`](crate::testing::manager),
//! for which cloakroom needs its feature `testing`, under `[dev-dependencies]`.
//! The client keeps every cookie, `Secure` and `__Host-` too, whatever its attributes say; for the rules of a browser, make
//! it `untracked`, and keep the cookies in a [`Jar`](crate::testing::Jar). The clones of a `LocalRequest` share one session
//! while one of them is being answered: for requests at the same time, make each anew. With `ignore_change_ip = false`, give
//! each request an address, with `.remote(..)`: it has none of its own.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! # extern crate rocket05 as rocket;
//! use std::time::Duration;
//!
//! use cloakroom::rocket_v0_5::SessionFairing;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::testing::{self, TestClock};
//! use cloakroom::{SessionManager, Settings};
//! use rocket::local::asynchronous::Client;
//!
//! # use rocket::{Build, Rocket, get, routes};
//! # #[get("/")]
//! # async fn hello(session: cloakroom::Session) -> cloakroom::Result<String> {
//! #     let visits = session.update("visits", |visits: &mut Option<u64>| {
//! #         *visits.insert(visits.unwrap_or(0) + 1)
//! #     }).await?;
//! #     Ok(format!("Hello, stranger! This is visit {visits}."))
//! # }
//! # fn app(sessions: SessionManager) -> Rocket<Build> {
//! #     rocket::custom(rocket::Config { log_level: rocket::config::LogLevel::Off, ..Default::default() })
//! #         .attach(SessionFairing::new(sessions)).mount("/", routes![hello])
//! # }
//! # #[rocket::main]
//! # async fn main() {
//! let clock = TestClock::new();
//! let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock).unwrap();
//! let client = Client::tracked(app(sessions)).await.unwrap();
//!
//! for expected in [1, 2, 1] {
//!     let response = client.get("/").dispatch().await;
//!     let said = response.into_string().await.unwrap();
//!     assert_eq!(said, format!("Hello, stranger! This is visit {expected}."));
//!     if expected == 2 {
//!         clock.advance(Duration::from_secs(30 * 24 * 60 * 60)); // and the session is over
//!     }
//! }
//! # }
//! ```
//!
//! [`Error`]: crate::Error
//! [`Session`]: crate::Session
//! [`SignedIn`]: crate::SignedIn

mod guards;
mod request;
mod route;
#[cfg(test)]
mod tests;

use rocket05::fairing::{self, Fairing, Info, Kind};
use rocket05::http::{Method, Status};
use rocket05::response::{self, Responder};
use rocket05::route::{Handler, Outcome};
use rocket05::{Build, Data, Request, Response, Rocket, async_trait};

use self::guards::Attached;
pub use self::guards::MissingFairing;
pub use self::request::session_named;
use self::request::{Head, Sessions, with_sessions};
pub use self::route::with_route;
use crate::answer::{Answer, Header, HeaderMode, Reply};
use crate::error::Error;
use crate::manager::SessionManager;

/// Gives each request its session.
#[derive(Clone, Debug)]
pub struct SessionFairing {
    sessions: SessionManager,
}

impl SessionFairing {
    /// A fairing over these sessions.
    pub fn new(sessions: SessionManager) -> Self {
        Self { sessions }
    }
}

#[async_trait]
impl Fairing for SessionFairing {
    fn info(&self) -> Info {
        Info { name: "sessions", kind: Kind::Ignite | Kind::Request | Kind::Response }
    }

    async fn on_ignite(&self, mut rocket: Rocket<Build>) -> fairing::Result {
        if rocket.state::<Attached>().is_none() {
            rocket = rocket.manage(Attached::default());
        }
        let clashes = rocket.state::<Attached>().is_some_and(|attached| attached.add(&self.sessions));
        let is_there = |route: &rocket05::Route| route.name.as_deref() == Some(REFUSAL);
        if (clashes || self.sessions.settings().loads_early()) && !rocket.routes().any(is_there) {
            rocket = rocket.mount("/", refusals());
        }
        Ok(rocket)
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        if !with_sessions(request, |sessions| sessions.begin(&self.sessions)) {
            return;
        }
        let session = self.sessions.open(&Head::of(request));
        let refusal = match session.prepare() {
            Some(preparation) => preparation.await,
            None => None,
        };
        with_sessions(request, |sessions| match refusal {
            Some(reply) => sessions.refusal = Some(reply),
            None => sessions.put(session),
        });
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let Some(session) = with_sessions(request, |sessions| sessions.end(&self.sessions)) else {
            return;
        };
        let closing = session.close(response.status().code);
        // A guard has failed. What answers in its place, a catcher or a handler that does without, says no more of the
        // error than its status, unless it has such headers of its own.
        if let Some(error) = with_sessions(request, |sessions| sessions.failure.take())
            && error.status() == response.status().code
        {
            let (headers, _) = error.reply().into_parts();
            let missing: Vec<Header> = headers
                .filter(|header| matches!(header.name, "cache-control" | "retry-after"))
                .filter(|header| !response.headers().contains(header.name))
                .collect();
            apply(response, missing);
        }
        let headers: Vec<Header> = match closing.await {
            Answer::Keep(headers) => headers.into_fields().collect(),
            Answer::Replace(reply) => {
                let (replacement, headers) = without_headers(reply);
                *response = replacement;
                headers.chain(with_sessions(request, Sessions::lost_cookies)).collect()
            }
        };
        with_sessions(request, |sessions| sessions.remember_cookies(&headers));
        apply(response, headers);
    }
}

/// The name of the routes that answer what [`prepare`](crate::adapter::OpenSession::prepare) does.
const REFUSAL: &str = "refused by its session";

/// A fairing cannot answer a request itself. These are tried before all other routes, whatever another fairing makes of
/// the path, and pass on all requests but those that were refused.
fn refusals() -> Vec<rocket05::Route> {
    use Method::{Connect, Delete, Get, Head, Options, Patch, Post, Put, Trace};
    let route = |method| {
        let mut route = rocket05::Route::ranked(isize::MIN, method, "/<_..>", Refusal);
        route.name = Some(REFUSAL.into());
        route
    };
    [Connect, Delete, Get, Head, Options, Patch, Post, Put, Trace].map(route).into()
}

#[derive(Clone)]
struct Refusal;

#[async_trait]
impl Handler for Refusal {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        match with_sessions(request, |sessions| sessions.refusal.take()) {
            Some(reply) => Outcome::Success(respond(reply)),
            None => Outcome::Forward((data, Status::NotFound)),
        }
    }
}

impl<'r> Responder<'r, 'static> for Error {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Ok(respond(self.reply()))
    }
}

fn respond(reply: Reply) -> Response<'static> {
    let (mut response, headers) = without_headers(reply);
    apply(&mut response, headers);
    response
}

/// And the headers.
fn without_headers(reply: Reply) -> (Response<'static>, impl Iterator<Item = Header>) {
    let status = Status::new(reply.status());
    let (headers, body) = reply.into_parts();
    let response =
        Response::build().status(status).sized_body(body.len(), std::io::Cursor::new(body)).finalize();
    (response, headers)
}

fn apply(response: &mut Response<'_>, headers: impl IntoIterator<Item = Header>) {
    for Header { name, value, mode } in headers {
        match mode {
            HeaderMode::Append => response.adjoin_raw_header(name, value),
            HeaderMode::Replace => drop(response.set_raw_header(name, value)),
            HeaderMode::IfAbsent if response.headers().contains(name) => {}
            HeaderMode::IfAbsent => drop(response.set_raw_header(name, value)),
        }
    }
}
