//! Sessions for any [tower](https://docs.rs/tower) service over [`http`] types: the [`SessionLayer`], [`Session`] in the
//! request's extensions, and [`Error`] as a response.
//!
//! ```toml
//! [dependencies]
//! tower = { version = "0.5", features = ["util"] }
//! http = "1"
//! cloakroom = { path = "../cloakroom/crates/cloakroom", features = ["tower"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! ```
//! use std::convert::Infallible;
//!
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::tower::SessionLayer;
//! use cloakroom::{Session, SessionKey, SessionManager, Settings};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! type Page = Response<String>;
//!
//! const VISITS: SessionKey<u64> = SessionKey::new("visits");
//!
//! async fn hello(session: Session) -> cloakroom::Result<Page> {
//!     let visits = session.update(VISITS, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await?;
//!     Ok(Response::new(format!("This is visit number {visits}.")))
//! }
//!
//! async fn sign_in(session: Session, name: String) -> cloakroom::Result<Page> {
//!     session.sign_in(&name).await?; // after the password has been checked; an empty name is an error
//!     Ok(Response::new("Welcome!".into()))
//! }
//!
//! async fn account(session: Session) -> cloakroom::Result<Page> {
//!     let user = session.require_subject().await?; // or a 401
//!     Ok(Response::new(format!("This is {}'s account.", user.as_str())))
//! }
//!
//! async fn site(request: Request<String>) -> Result<Page, Infallible> {
//!     let session = request.extensions().get::<Session>().cloned();
//!     let session = session.expect("no session: wrap this service in SessionLayer::new(sessions)");
//!     let page = match request.uri().path() {
//!         "/sign-in" => sign_in(session, request.into_body()).await,
//!         "/account" => account(session).await,
//!         _ => hello(session).await,
//!     };
//!     Ok(page.unwrap_or_else(Response::from)) // the layer saves before this goes on
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//! let service = ServiceBuilder::new().layer(SessionLayer::new(sessions)).service(service_fn(site));
//! let response = service.oneshot(Request::get("/").body(String::new())?).await?;
//! assert_eq!(response.body(), "This is visit number 1.");
//! # Ok(())
//! # }
//! ```
//!
//! To serve it with hyper, have `site` take a `Request<Incoming>`, and read a body where it needs one. Add tokio's feature
//! `net`, and:
//!
//! ```toml
//! [dependencies]
//! hyper = { version = "1", features = ["http1", "server"] }
//! hyper-util = { version = "0.1", features = ["service", "tokio"] }
//! http-body-util = "0.1"
//! ```
//!
//! ```no_run
//! use std::convert::Infallible;
//!
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::tower::SessionLayer;
//! use cloakroom::{Session, SessionManager, Settings};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Limited};
//! use hyper::body::Incoming;
//! use hyper::server::conn::http1;
//! use hyper_util::rt::TokioIo;
//! use hyper_util::service::TowerToHyperService;
//! use tower::{ServiceBuilder, service_fn};
//! # async fn hello(session: Session) -> cloakroom::Result<Response<String>> {
//! #     Ok(Response::new(format!("{:?}", session.subject().await?)))
//! # }
//! # async fn sign_in(session: Session, name: String) -> cloakroom::Result<Response<String>> {
//! #     session.sign_in(&name).await?;
//! #     Ok(Response::new("Welcome!".into()))
//! # }
//!
//! async fn site(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     let session = request.extensions().get::<Session>().cloned();
//!     let session = session.expect("no session: wrap this service in SessionLayer::new(sessions)");
//!     let page = match request.uri().path() {
//!         "/sign-in" => match Limited::new(request.into_body(), 1024).collect().await {
//!             Ok(name) => sign_in(session, String::from_utf8_lossy(&name.to_bytes()).into_owned()).await,
//!             Err(_) => Ok(Response::new("Say that again.".into())),
//!         },
//!         _ => hello(session).await,
//!     };
//!     Ok(page.unwrap_or_else(Response::from))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//!     let service = ServiceBuilder::new().layer(SessionLayer::new(sessions)).service(service_fn(site));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     println!("http://localhost:3000");
//!     loop {
//!         let Ok((stream, _)) = listener.accept().await else { continue };
//!         let service = TowerToHyperService::new(service.clone());
//!         tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
//!     }
//! }
//! ```
//!
//! ```sh
//! curl -c jar -b jar http://localhost:3000/
//! curl -c jar -b jar -d ann http://localhost:3000/sign-in
//! ```
//!
//! - **Where to put it:** around every service that uses a session. A layer inside another with a clone of the same manager
//!   shares its session; with another cookie name it has its own; with the same cookie name and another manager it responds
//!   with 500, and the event `clash` says why: each of the two would overwrite the cookie of the other. Where the outer session cannot be saved, the answer to that
//!   takes the place of the whole response, the inner one's cookie included. A layer that adds a handler's cookies to
//!   whatever response there is, as tower-cookies' `CookieManagerLayer` does, belongs inside: from outside it adds them to
//!   that answer. A [`PeerAddress`] in the extensions of a request that reaches the layer is for
//!   `ignore_change_ip = false`, and not needed without. HTTP/2 works the same way.
//! - **Settings of a route:** a [`RouteLayer`] around the service of that route, inside the [`SessionLayer`]:
//!   `RouteLayer::new(RouteOptions::new().touch(false)).layer(service_fn(poll))`. Around everything it would hold
//!   for everything.
//! - **Errors:** an [`Error`] becomes a response `From` it. What a service answers as its own error is no response: it
//!   passes, and counts as a 500, with which nothing is saved but the end of a session.
//! - **Bodies:** any that is made `From` a `String`, for where the response has to be replaced.
//! - **Panics:** nothing is saved but the end of a session. The panic is not caught. If a layer inside this one makes a
//!   response of it, whatever its status, nothing is saved either.
//! - **Clients that leave** before the service has answered: it is dropped, and nothing is saved. Once it has answered, the
//!   session is saved whoever is still there.
//! - **Streams** (server-sent events, WebSockets) may keep the [`Session`]. The head leaves when it is saved, and takes its
//!   lock with it; later changes are saved with [`save`](Session::save), and [`reload`](Session::reload) answers false when
//!   the session was ended, has expired, or has a new secret. The cookie cannot change any more.
//! - **Stopping:** when the server has stopped, [`SessionManager::shutdown`] waits until what requests began to save is
//!   saved.
//! - **What tower cannot give:** extractors. The session is in the extensions, and is not where the layer is missing; a
//!   required user is a call, [`Session::require_subject`].
//!
//! A test needs neither a port nor a server: a clock to move, and a client that keeps cookies as a browser does. They come
//! with cloakroom's feature `testing`, under `[dev-dependencies]`.
//!
//! ```
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::testing::{self, Client, TestClock};
//! use cloakroom::tower::SessionLayer;
//! use cloakroom::{Error, Session, Settings};
//! use http::{Request, Response};
//! use tower::{Layer, service_fn};
//!
//! // The application.
//! async fn site(request: Request<()>) -> Result<Response<String>, Error> {
//!     let session = request.extensions().get::<Session>().cloned();
//!     let session = session.expect("no session: wrap this service in SessionLayer::new(sessions)");
//!     if request.uri().path() == "/sign-in" {
//!         session.sign_in("ann").await?;
//!     }
//!     let user = session.subject().await?;
//!     Ok(Response::new(user.map_or_else(|| "nobody".into(), |user| user.as_str().to_owned())))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let clock = TestClock::new();
//! let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock).unwrap();
//! let mut browser = Client::new(SessionLayer::new(sessions.clone()).layer(service_fn(site)));
//! let get = |path| Request::get(path).body(()).unwrap();
//!
//! assert_eq!(browser.send(get("/")).await.unwrap().body(), "nobody");
//! assert_eq!(browser.send(get("/sign-in")).await.unwrap().body(), "ann");
//! assert_eq!(browser.send(get("/")).await.unwrap().body(), "ann");
//! clock.advance(sessions.settings().idle_timeout);
//! assert_eq!(browser.send(get("/")).await.unwrap().body(), "nobody");
//! # }
//! ```
//!
//! [`Error`]: crate::Error

mod future;
mod route;

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

pub use self::future::ResponseFuture;
pub use self::route::{RouteLayer, RouteService};
use super::nested::{self, Outer};
pub use super::peer::PeerAddress;
use crate::manager::SessionManager;
use crate::session::Session;

/// Gives each request its session.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    sessions: SessionManager,
}

impl SessionLayer {
    /// A layer over these sessions.
    pub fn new(sessions: SessionManager) -> Self {
        Self { sessions }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { inner, sessions: self.sessions.clone() }
    }
}

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    sessions: SessionManager,
}

impl<S, B, R> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture<S, B> {
        match nested::find(request.extensions_mut(), &self.sessions) {
            Outer::Nothing => {}
            Outer::Shared => return ResponseFuture::shared(self.inner.call(request)),
            Outer::Clash(reply) => return ResponseFuture::refused(reply),
        }
        let session = self.sessions.open(&request);
        nested::put(request.extensions_mut(), Session::clone(&session));
        match session.prepare() {
            None => ResponseFuture::handling(self.inner.call(request), session),
            Some(preparation) => {
                // The service that was polled ready is the one to be called.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::preparing(preparation, ready, request, session)
            }
        }
    }
}
