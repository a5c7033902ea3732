//! Sessions for [Poem](https://docs.rs/poem) 3: the [`SessionMiddleware`], [`Session`] and [`SignedIn`] as extractors,
//! and [`Error`] as an error of handlers.
//!
//! ```toml
//! [dependencies]
//! poem = "3"
//! cloakroom = { path = "../cloakroom/crates/cloakroom", features = ["poem_v3"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! ```no_run
//! # extern crate poem3 as poem;
//! use cloakroom::poem_v3::{RouteMiddleware, SessionMiddleware};
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::{Session, SessionKey, SessionManager, Settings, SignedIn};
//! use poem::listener::TcpListener;
//! use poem::web::Redirect;
//! use poem::{EndpointExt, Route, Server, get, handler, post};
//!
//! const VISITS: SessionKey<u64> = SessionKey::new("visits");
//!
//! #[handler]
//! async fn hello(session: Session) -> Result<String, cloakroom::Error> {
//!     let visits = session.update(VISITS, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await?;
//!     let name = session.get::<String>("name").await?.unwrap_or_else(|| "stranger".into());
//!     Ok(format!("Hello, {name}! This is visit {visits}."))
//! }
//!
//! #[handler]
//! async fn sign_in(session: Session, name: String) -> Result<Redirect, cloakroom::Error> {
//!     session.sign_in(&name).await?; // after the password has been checked; an empty name is an error
//!     session.insert("name", &name).await?;
//!     Ok(Redirect::see_other("/"))
//! }
//!
//! #[handler]
//! async fn sign_out(session: Session) -> Result<Redirect, cloakroom::Error> {
//!     session.sign_out().await?;
//!     Ok(Redirect::see_other("/"))
//! }
//!
//! #[handler]
//! async fn account(SignedIn(user): SignedIn) -> String {
//!     format!("You are {}.", user.as_str()) // nobody signed in: 401, and this does not run
//! }
//!
//! #[handler]
//! async fn news(session: Session) -> Result<String, cloakroom::Error> {
//!     Ok(session.get("news").await?.unwrap_or_default())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//!     // A page asks for news every minute: that shall not keep a session alive.
//!     let poll = RouteMiddleware::new(cloakroom::RouteOptions::new().touch(false));
//!     let app = Route::new()
//!         .at("/", get(hello))
//!         .at("/sign-in", post(sign_in))
//!         .at("/sign-out", post(sign_out))
//!         .at("/account", get(account))
//!         .at("/news", get(news).with(poll))
//!         .with(SessionMiddleware::new(sessions.clone()));
//!     println!("http://localhost:3000");
//!     Server::new(TcpListener::bind("127.0.0.1:3000")).run(app).await?;
//!     sessions.shutdown().await; // what requests began to save is saved
//!     Ok(())
//! }
//! ```
//!
//! ```sh
//! curl -c jar -b jar http://localhost:3000/
//! curl -c jar -b jar -L -d ann http://localhost:3000/sign-in
//! ```
//!
//! - **Where to put it**: around the whole `Route`, so that all of its endpoints have a session; those that do not ask for
//!   theirs pay nothing. It goes around any endpoint, so parts of an application can be inside and others not. One inside
//!   another with a clone of the same manager shares its session; with another cookie name it has its own; with the same
//!   cookie name and another manager it responds with 500, and the event `clash` says why. Where the outer session cannot be
//!   saved, the answer to that takes the place of the whole response, the inner one's cookie included.
//! - **Errors**: an endpoint's `Err` counts by its status, as a response does: a 4xx saves, a 5xx saves nothing but the end
//!   of a session. Put `catch_error` and `catch_all_error` inside, before `.with(SessionMiddleware::new(sessions))`: an
//!   error of a request that used its session gets headers, and is a response from there on. Others stay errors.
//! - **A session that cannot be saved**: the endpoint's response is replaced as a whole, its headers and cookies included.
//!   Put Poem's `CookieJarManager` inside too: from outside, it adds the endpoint's cookies to the replacement.
//! - **Panics**: a handler that panics saves nothing but the end of a session. The panic is not caught; if Poem's `CatchPanic`
//!   inside this middleware makes a response of it, whatever its status, nothing is saved either.
//! - **Clients that leave** before there is a response: over HTTP/1, Poem lets the handler run on, and what it does is
//!   saved; over HTTP/2 it is dropped, and nothing is saved but what was saved explicitly.
//! - **Streams**: a body, `SSE` or `WebSocket` may hold the [`Session`], which was saved with the head and has no lock any
//!   more. What it changes then, it saves with [`save`](Session::save) or [`update`](Session::update), and
//!   [`reload`](Session::reload) answers false when the session is over. A new session cannot begin there.
//! - **The peer's address**, for `ignore_change_ip = false`, is the connection's `remote_addr()`; a Unix socket has none.
//!
//! What Poem cannot give: to keep an error an error *and* send a cookie with it (see above); to notice over HTTP/1 that
//! the client of a silent stream has left. Such a stream ends when it sends next: give an `SSE` its `keep_alive`.
//!
//! # Tests
//!
//! With cloakroom's feature `testing`, and Poem's own client, which is its feature `test`, both under
//! `[dev-dependencies]`:
//!
//! ```
//! # extern crate poem3 as poem;
//! use std::time::Duration;
//!
//! use cloakroom::poem_v3::SessionMiddleware;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::testing::{self, Jar, TestClock};
//! use cloakroom::{Session, SessionManager, Settings, SignedIn};
//! use poem::http::StatusCode;
//! use poem::test::TestClient;
//! use poem::{Endpoint, EndpointExt, Route, get, handler, post};
//!
//! #[handler]
//! async fn sign_in(session: Session, name: String) -> Result<(), cloakroom::Error> {
//!     session.sign_in(&name).await
//! }
//!
//! #[handler]
//! async fn account(SignedIn(user): SignedIn) -> String {
//!     format!("You are {}.", user.as_str())
//! }
//!
//! // The application, which is given its sessions.
//! fn app(sessions: SessionManager) -> impl Endpoint {
//!     Route::new()
//!         .at("/sign-in", post(sign_in))
//!         .at("/account", get(account))
//!         .with(SessionMiddleware::new(sessions))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let clock = TestClock::new();
//! let settings = Settings::new().idle_timeout(Duration::from_secs(600));
//! let client = TestClient::new(app(testing::manager(MemoryStore::new(), settings, &clock).unwrap()));
//! let mut jar = Jar::new("example.org");
//!
//! client.get("/account").send().await.assert_status(StatusCode::UNAUTHORIZED);
//!
//! let response = client.post("/sign-in").body("ann").send().await;
//! let cookie = response.0.header("set-cookie").expect("a session begins");
//! jar.receive(cookie, "/sign-in", true).unwrap();
//!
//! let cookies = jar.cookie_header("/account", true).unwrap();
//! let response = client.get("/account").header("cookie", &cookies).send().await;
//! response.assert_text("You are ann.").await;
//!
//! clock.advance(Duration::from_secs(600));
//! let response = client.get("/account").header("cookie", &cookies).send().await;
//! response.assert_status(StatusCode::UNAUTHORIZED);
//! # }
//! ```

use std::net::IpAddr;

use poem3::error::ResponseError;
use poem3::http::{StatusCode, Version};
use poem3::{Endpoint, FromRequest, IntoResponse, Middleware, Request, RequestBody, Response, Result};

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
pub struct SessionMiddleware {
    sessions: SessionManager,
}

impl SessionMiddleware {
    /// A middleware over these sessions.
    pub fn new(sessions: SessionManager) -> Self {
        Self { sessions }
    }
}

impl<E: Endpoint> Middleware<E> for SessionMiddleware {
    type Output = SessionEndpoint<E>;

    fn transform(&self, inner: E) -> SessionEndpoint<E> {
        SessionEndpoint { inner, sessions: self.sessions.clone() }
    }
}

/// The endpoint that [`SessionMiddleware`] makes.
#[derive(Clone, Debug)]
pub struct SessionEndpoint<E> {
    inner: E,
    sessions: SessionManager,
}

impl<E: Endpoint> Endpoint for SessionEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        match nested::find(request.extensions_mut(), &self.sessions) {
            Outer::Nothing => {}
            Outer::Shared => return self.inner.call(request).await.map(IntoResponse::into_response),
            Outer::Clash(reply) => return Ok(respond(reply)),
        }
        let session = self.sessions.open(&request);
        nested::put(request.extensions_mut(), Session::clone(&session));
        if let Some(preparation) = session.prepare()
            && let Some(reply) = preparation.await
        {
            return Ok(respond(reply));
        }
        let result = self.inner.call(request).await.map(IntoResponse::into_response);
        let status = result.as_ref().map_or_else(poem3::Error::status, Response::status);
        match session.close(status.as_u16()).await {
            Answer::Keep(headers) => {
                let mut fields = headers.into_fields().peekable();
                if fields.peek().is_none() {
                    return result;
                }
                // An error has no room for headers, and whoever catches one makes another response of it.
                let mut response = result.unwrap_or_else(poem3::Error::into_response);
                apply(response.headers_mut(), fields);
                Ok(response)
            }
            Answer::Replace(reply) => Ok(respond(reply)),
        }
    }
}

impl RequestHead for Request {
    fn method(&self) -> &str {
        Request::method(self).as_str()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.remote_addr().as_socket_addr().map(|address| address.ip())
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        visit_fields(self.headers(), name, visit);
    }

    fn has_body(&self) -> bool {
        has_body(self, self.version() >= Version::HTTP_2)
    }
}

fn respond(reply: Reply) -> Response {
    let (head, body) = http::Response::<String>::from(reply).into_parts();
    let mut response = Response::from((head.status, body));
    *response.headers_mut() = head.headers;
    response
}

/// Settings for some routes, to be put inside a [`SessionMiddleware`].
///
/// ```
/// # extern crate poem3 as poem;
/// use cloakroom::poem_v3::RouteMiddleware;
/// use cloakroom::{Locking, RouteOptions};
/// use poem::{EndpointExt, get, handler};
///
/// #[handler]
/// async fn upload() {}
///
/// let explicit = RouteOptions::new().locking(Locking::Explicit);
/// let uploads = get(upload).with(RouteMiddleware::new(explicit));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteMiddleware {
    options: RouteOptions,
}

impl RouteMiddleware {
    /// A middleware that gives these settings to the requests that pass through it.
    pub fn new(options: RouteOptions) -> Self {
        Self { options }
    }
}

impl<E: Endpoint> Middleware<E> for RouteMiddleware {
    type Output = RouteEndpoint<E>;

    fn transform(&self, inner: E) -> RouteEndpoint<E> {
        RouteEndpoint { inner, options: self.options }
    }
}

/// The endpoint that [`RouteMiddleware`] makes.
#[derive(Clone, Copy, Debug)]
pub struct RouteEndpoint<E> {
    inner: E,
    options: RouteOptions,
}

impl<E: Endpoint> Endpoint for RouteEndpoint<E> {
    type Output = E::Output;

    async fn call(&self, request: Request) -> Result<E::Output> {
        if let Some(session) = request.data::<Session>() {
            session.configure(self.options);
        }
        self.inner.call(request).await
    }
}

impl<'a> FromRequest<'a> for Session {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(request.data::<Self>().cloned().ok_or(MissingMiddleware)?)
    }
}

missing! {
    /// A handler asks for a [`Session`], and there is no [`SessionMiddleware`] around its route. Answers 500.
    pub struct MissingMiddleware =
        "no session: add `.with(SessionMiddleware::new(sessions))` to the `Route` that this route is in";
}

impl ResponseError for MissingMiddleware {
    fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl<'a> FromRequest<'a> for SignedIn {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let session = Session::from_request(request, body).await?;
        Ok(Self(session.require_subject().await?))
    }
}

impl ResponseError for Error {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(Error::status(self)).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    fn as_response(&self) -> Response {
        respond(self.reply())
    }
}

#[cfg(test)]
mod tests;
