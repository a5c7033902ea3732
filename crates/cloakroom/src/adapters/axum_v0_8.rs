//! Sessions for [axum](https://docs.rs/axum) 0.8: the [`SessionLayer`], [`Session`] and [`SignedIn`] as extractors, and
//! [`Error`] as a response.
//!
//! ```toml
//! [dependencies]
//! axum = "0.8"
//! cloakroom = { path = "../cloakroom/crates/cloakroom", features = ["axum_v0_8"] }
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
//! ```
//!
//! ```no_run
//! # extern crate axum08 as axum;
//! use std::net::SocketAddr;
//!
//! use axum::Router;
//! use axum::response::Redirect;
//! use axum::routing::{get, post};
//! use cloakroom::axum_v0_8::{RouteLayer, SessionLayer};
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::{RouteOptions, Session, SessionKey, SessionManager, Settings, SignedIn};
//!
//! const VISITS: SessionKey<u64> = SessionKey::new("visits");
//!
//! async fn hello(session: Session) -> cloakroom::Result<String> {
//!     let visits = session.update(VISITS, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await?;
//!     Ok(format!("This is visit number {visits}."))
//! }
//!
//! async fn sign_in(session: Session, name: String) -> cloakroom::Result<Redirect> {
//!     session.sign_in(&name).await?; // after the password has been checked; an empty name is an error
//!     Ok(Redirect::to("/account"))
//! }
//!
//! async fn account(SignedIn(user): SignedIn) -> String {
//!     format!("This is {}'s account.", user.as_str()) // nobody else comes here: a 401
//! }
//!
//! async fn poll(session: Session) -> cloakroom::Result<String> {
//!     Ok(format!("{:?}", session.get(VISITS).await?))
//! }
//!
//! fn app(sessions: SessionManager) -> Router {
//!     let untouched = RouteLayer::new(RouteOptions::new().touch(false)); // keeps no session alive
//!     Router::new()
//!         .route("/", get(hello))
//!         .route("/sign-in", post(sign_in))
//!         .route("/account", get(account))
//!         .route("/poll", get(poll).layer(untouched))
//!         .layer(SessionLayer::new(sessions))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     let app = app(sessions.clone()).into_make_service_with_connect_info::<SocketAddr>();
//!     println!("http://localhost:3000");
//!     axum::serve(listener, app).await?;
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
//! - **Where to put it:** after the routes that need it, for `layer` covers what was added before. A layer inside another
//!   with a clone of the same manager shares its session; with another cookie name it has its own. [tower's
//!   documentation](crate::tower) says more of that, and of layers that add cookies. Connect info is for
//!   `ignore_change_ip = false`, and not needed without. HTTP/2 works the same way.
//! - **Settings of a route:** a [`RouteLayer`], inside the [`SessionLayer`].
//! - **Errors:** `?` is all a handler needs. Of an error of the application's own the status counts: what is below 500 saves.
//! - **Panics:** nothing is saved but the end of a session. The panic is not caught: the connection is closed. If a layer
//!   inside this one makes a response of it, whatever its status, nothing is saved either.
//! - **Clients that leave** before the handler has answered: it is dropped, and nothing is saved. Once it has answered, the
//!   session is saved whoever is still there.
//! - **Streams** (server-sent events, WebSockets) may keep the [`Session`]. The head leaves when it is saved, and takes its
//!   lock with it; later changes are saved with [`save`](Session::save), and [`reload`](Session::reload) answers false when
//!   the session was ended, has expired, or has a new secret. The cookie cannot change any more.
//! - **What axum cannot give:** a word before the route is known. With `locking = early`, `ignore_expiry = false` or
//!   `ignore_change_ip = false` the session is loaded before a [`RouteLayer`] has its say. There is no `Option<SignedIn>`: a
//!   page for everybody asks [`Session::subject`], whose error is not "nobody".
//!
//! A test needs neither a port nor a server: a clock to move, and a client that keeps cookies as a browser does. They come
//! with cloakroom's feature `testing`, under `[dev-dependencies]`.
//!
//! ```
//! # extern crate axum08 as axum;
//! use axum::Router;
//! use axum::body::Body;
//! use axum::http::Request;
//! use axum::routing::{get, post};
//! use cloakroom::axum_v0_8::SessionLayer;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::testing::{self, Client, TestClock};
//! use cloakroom::{Session, SessionManager, Settings, SignedIn};
//!
//! // The application, which is given its sessions.
//! fn app(sessions: SessionManager) -> Router {
//!     Router::new()
//!         .route("/sign-in", post(async |session: Session| session.sign_in("ann").await))
//!         .route("/account", get(async |SignedIn(user): SignedIn| user.as_str().to_owned()))
//!         .layer(SessionLayer::new(sessions))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let clock = TestClock::new();
//! let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock).unwrap();
//! let mut browser = Client::new(app(sessions.clone()));
//! let account = || Request::get("/account").body(Body::empty()).unwrap();
//! let sign_in = Request::post("/sign-in").body(Body::empty()).unwrap();
//!
//! assert_eq!(browser.send(account()).await.unwrap().status(), 401);
//! assert_eq!(browser.send(sign_in).await.unwrap().status(), 200);
//! assert_eq!(browser.send(account()).await.unwrap().status(), 200);
//! clock.advance(sessions.settings().idle_timeout);
//! assert_eq!(browser.send(account()).await.unwrap().status(), 401);
//! # }
//! ```
//!
//! [`Error`]: crate::Error

use axum08::extract::FromRequestParts;
use axum08::http::StatusCode;
use axum08::http::request::Parts;
use axum08::response::{IntoResponse, Response};

use super::missing::missing;
pub use super::tower::{RouteLayer, SessionLayer};
use crate::error::Error;
use crate::session::{Session, SignedIn};

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingLayer> {
        parts.extensions.get::<Self>().cloned().ok_or(MissingLayer)
    }
}

missing! {
    /// A handler asks for a [`Session`], and there is no [`SessionLayer`] around its route. Answers 500.
    pub struct MissingLayer =
        "no session: add `.layer(SessionLayer::new(sessions))` to the router, after this route";
}

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = Session::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        session.require_subject().await.map(Self).map_err(IntoResponse::into_response)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.into()
    }
}
