//! Sessions for [Salvo](https://docs.rs/salvo) 1: the [`SessionHoop`], [`Session`] and [`SignedIn`] as arguments of
//! handlers, and [`Error`] as what they fail with.
//!
//! ```toml
//! [dependencies]
//! salvo = "1"
//! cloakroom = { path = "../cloakroom/crates/cloakroom", features = ["salvo_v1"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! ```no_run
//! use cloakroom::salvo_v1::{RouteHoop, SessionHoop};
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::{Locking, Result, RouteOptions, Session, SessionKey, SessionManager, Settings, SignedIn};
//! use salvo::prelude::*;
//!
//! const VISITS: SessionKey<u64> = SessionKey::new("visits");
//!
//! #[handler]
//! async fn hello(session: Session) -> Result<String> {
//!     let visits = session.update(VISITS, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await?;
//!     let name = session.get::<String>("name").await?.unwrap_or_else(|| "stranger".into());
//!     Ok(format!("Hello, {name}! This is visit {visits}."))
//! }
//!
//! #[handler]
//! async fn sign_in(session: Session, req: &mut Request) -> Result<Redirect> {
//!     let name: String = req.form("name").await.unwrap_or_default();
//!     session.sign_in(&name).await?; // after the password has been checked; an empty name is an error
//!     session.insert("name", &name).await?;
//!     Ok(Redirect::other("/account"))
//! }
//!
//! #[handler]
//! async fn account(user: SignedIn) -> String {
//!     format!("This is the account of {}.", user.as_str())
//! }
//!
//! fn routes() -> Router {
//!     // One request of a session at a time here.
//!     let one_by_one = RouteOptions::new().locking(Locking::Implicit);
//!     Router::new()
//!         .get(hello)
//!         .push(Router::with_path("sign-in").post(sign_in))
//!         .push(Router::with_path("account").hoop(RouteHoop::new(one_by_one)).get(account))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//!     let service = Service::new(routes()).hoop(SessionHoop::new(sessions.clone()));
//!     println!("http://localhost:3000");
//!     Server::new(TcpListener::new("127.0.0.1:3000").bind().await).serve(service).await;
//!     sessions.shutdown().await; // what requests began to save is saved
//!     Ok(())
//! }
//! ```
//!
//! ```sh
//! curl -c jar -b jar http://localhost:3000/
//! curl -c jar -b jar -L -d name=ann http://localhost:3000/sign-in
//! ```
//!
//! - **Where to put it.** On the [`Service`], before all other hoops: there it also runs where no route matches. A hoop
//!   of a router does not. A hoop inside another with a clone of the same manager shares its session; with another cookie
//!   name it has its own; with the same cookie name and another manager it responds with 500, and the event `clash` says
//!   why. Where the outer session cannot be saved, the answer to that takes the place of the whole response, the
//!   inner one's cookie included. Hoops and handlers that have no arguments find the [`Session`] in the request's
//!   [`extensions`](Request::extensions), or call `Session::extract(req, depot)`; the [`Depot`] does not have it.
//! - **Errors.** A response counts by the status that it has when it comes back to the hoop, and one that has none yet as
//!   a 200: with a 4xx the session is saved, with a 5xx nothing is but the end of a session. An [`Error`] replaces the
//!   body; headers and cookies that the handler set before stay, as with all errors in Salvo, but those that describe a
//!   body. Where the session cannot be saved, they all go, and so do cookies that hoops further out put into
//!   `res.cookies` before; headers of theirs stay.
//! - **Panics** save nothing but the end of a session. Salvo closes the connection, under HTTP/2 the stream. If
//!   Salvo's `CatchPanic` further in makes a 500 of it, nothing is saved either.
//! - **Clients that leave.** Salvo drops their handlers, and nothing is saved.
//! - **Streams.** The session is saved, and its lock let go, before the head is sent. A body, server-sent events or a
//!   WebSocket may keep the [`Session`], and saves with [`save`](Session::save) what it changes;
//!   [`reload`](Session::reload) answers false when the session is over.
//! - **The peer's address** is the connection's: no further set-up for `ignore_change_ip = false`.
//! - **What Salvo cannot give:** a session to its catchers. They run when the session has been saved: what one changes in
//!   it, it saves with [`save`](Session::save), and the status it sets does not count. What it writes into a response
//!   without a body keeps the session's cookie. And `#[endpoint]`s of Salvo's `oapi` describe each argument and each error,
//!   which these are not made for: take the [`Request`] there, and its extensions.
//!
//! To test an application with Salvo's `TestClient`, make its sessions with
//! [`testing::manager`](crate::testing::manager), and keep the cookies in a [`Jar`](crate::testing::Jar). (A cookie that
//! a handler adds to `res.cookies` hides all others from that client, but from no browser.) They need the features `testing`
//! of cloakroom and `test` of salvo, under `[dev-dependencies]`.
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use cloakroom::salvo_v1::SessionHoop;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::testing::{self, Jar, TestClock};
//! use cloakroom::{Session, Settings};
//! use salvo::prelude::*;
//! use salvo::test::{ResponseExt, TestClient};
//!
//! # #[handler]
//! # async fn hello(session: Session) -> cloakroom::Result<String> {
//! #     let visits = session.update("visits", |visits: &mut Option<u64>| {
//! #         *visits.insert(visits.unwrap_or(0) + 1)
//! #     }).await?;
//! #     Ok(format!("Hello, stranger! This is visit {visits}."))
//! # }
//! # fn routes() -> Router {
//! #     Router::new().get(hello)
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let clock = TestClock::new();
//! let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock).unwrap();
//! let service = Service::new(routes()).hoop(SessionHoop::new(sessions));
//! let mut jar = Jar::new("localhost");
//!
//! for expected in [1, 2, 1] {
//!     let cookies = jar.cookie_header("/", true).unwrap_or_default();
//!     let request = TestClient::get("https://localhost/").add_header("cookie", cookies, true);
//!     let mut response = request.send(&service).await;
//!     for cookie in response.headers().get_all("set-cookie") {
//!         jar.receive(cookie.to_str().unwrap(), "/", true).unwrap();
//!     }
//!     let page = response.take_string().await.unwrap();
//!     assert_eq!(page, format!("Hello, stranger! This is visit {expected}."));
//!     if expected == 2 {
//!         clock.advance(Duration::from_secs(30 * 24 * 60 * 60)); // and the session is over
//!     }
//! }
//! # }
//! ```
//!
//! [`Service`]: salvo_core1::Service

use std::net::IpAddr;

use http::{StatusCode, Version};
use salvo_core1::extract::{Extractible, Metadata};
use salvo_core1::http::StatusError;
use salvo_core1::{Depot, FlowCtrl, Handler, Request, Response, Scribe, async_trait};

use super::http_v1::{apply, visit_fields};
use super::missing::missing;
use super::nested::{self, Outer};
use crate::answer::{Answer, Reply};
use crate::error::Error;
use crate::manager::{RequestHead, SessionManager, has_body};
use crate::route_options::RouteOptions;
use crate::session::{Session, SignedIn};

/// Gives each request its session.
#[derive(Clone, Debug)]
pub struct SessionHoop {
    sessions: SessionManager,
}

impl SessionHoop {
    /// A hoop over these sessions.
    pub fn new(sessions: SessionManager) -> Self {
        Self { sessions }
    }
}

#[async_trait]
impl Handler for SessionHoop {
    async fn handle(&self, req: &mut Request, depot: &mut Depot, res: &mut Response, ctrl: &mut FlowCtrl) {
        match nested::find(req.extensions_mut(), &self.sessions) {
            Outer::Nothing => {}
            Outer::Shared => return,
            Outer::Clash(reply) => {
                ctrl.skip_rest();
                return reply.render(res);
            }
        }
        let session = self.sessions.open(req);
        nested::put(req.extensions_mut(), Session::clone(&session));
        if let Some(preparation) = session.prepare()
            && let Some(reply) = preparation.await
        {
            ctrl.skip_rest();
            return reply.render(res);
        }
        let headers_before = res.headers().clone();
        ctrl.call_next(req, depot, res).await;
        // Salvo makes a 200 of a route's response that has none.
        let status = res.status_code.unwrap_or_default();
        match session.close(status.as_u16()).await {
            Answer::Keep(headers) => apply(res.headers_mut(), headers.into_fields()),
            Answer::Replace(reply) => {
                // A new one has no cookies in its jar either.
                *res = Response::new();
                res.set_headers(headers_before);
                reply.render(res);
            }
        }
    }
}

/// Settings for some routes, to be put inside a [`SessionHoop`].
///
/// ```
/// use cloakroom::salvo_v1::RouteHoop;
/// use cloakroom::{Locking, RouteOptions};
///
/// let uploads = RouteHoop::new(RouteOptions::new().locking(Locking::Explicit));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteHoop {
    options: RouteOptions,
}

impl RouteHoop {
    /// A hoop that gives these settings to the requests that pass through it.
    pub fn new(options: RouteOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Handler for RouteHoop {
    async fn handle(&self, req: &mut Request, _: &mut Depot, _: &mut Response, _: &mut FlowCtrl) {
        if let Some(session) = req.extensions().get::<Session>() {
            session.configure(self.options);
        }
    }
}

impl RequestHead for Request {
    fn method(&self) -> &str {
        self.method().as_str()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.remote_addr().ip()
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        visit_fields(self.headers(), name, visit);
    }

    fn has_body(&self) -> bool {
        has_body(self, self.version() >= Version::HTTP_2 && !self.body().is_none())
    }
}

impl<'ex> Extractible<'ex> for Session {
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("Session");
        &METADATA
    }

    #[expect(refining_impl_trait, reason = "a hoop that extracts it may want to know what is wrong")]
    async fn extract(req: &'ex mut Request, _: &'ex mut Depot) -> Result<Self, MissingHoop> {
        req.extensions().get::<Self>().cloned().ok_or(MissingHoop)
    }
}

impl<'ex> Extractible<'ex> for SignedIn {
    fn metadata() -> &'static Metadata {
        static METADATA: Metadata = Metadata::new("SignedIn");
        &METADATA
    }

    /// Fails with either of two errors; a `Result` is what Salvo writes either variant of.
    #[expect(refining_impl_trait, reason = "a hoop that extracts it may want to know what is wrong")]
    async fn extract(
        req: &'ex mut Request,
        depot: &'ex mut Depot,
    ) -> Result<Self, Result<Error, MissingHoop>> {
        let session = Session::extract(req, depot).await.map_err(Err)?;
        session.require_subject().await.map(Self).map_err(Ok)
    }
}

missing! {
    /// A handler asks for a [`Session`], and there is no [`SessionHoop`] around its route. Answers 500.
    pub struct MissingHoop =
        "no session: add `.hoop(SessionHoop::new(sessions))` to the service, or to a router around this route";
}

impl Scribe for MissingHoop {
    fn render(self, res: &mut Response) {
        res.status_code(StatusCode::INTERNAL_SERVER_ERROR).render(self.to_string());
    }
}

impl Scribe for Error {
    fn render(self, res: &mut Response) {
        self.reply().render(res);
    }
}

impl Scribe for Reply {
    fn render(self, res: &mut Response) {
        // Removes the headers that describe a body which was there before.
        StatusError::internal_server_error().render(res);
        res.status_code = StatusCode::from_u16(self.status()).ok();
        let (headers, body) = self.into_parts();
        apply(res.headers_mut(), headers);
        res.body(body);
    }
}

#[cfg(test)]
mod tests;
