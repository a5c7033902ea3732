//! Sessions for [actix-web](https://docs.rs/actix-web) 4: the [`SessionMiddleware`], [`Session`] and [`SignedIn`] as
//! extractors, and [`Error`] as a response.
//!
//! ```toml
//! [dependencies]
//! actix-web = "4"
//! cloakroom = { path = "../cloakroom/crates/cloakroom", features = ["actix_v4"] }
//! ```
//!
//! ```no_run
//! # extern crate actix_web4 as actix_web;
//! use actix_web::web::{self, Redirect};
//! use actix_web::{App, HttpServer, Responder};
//! use cloakroom::actix_v4::{RouteMiddleware, SessionMiddleware};
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::{Result, RouteOptions, Session, SessionKey, SessionManager, Settings, SignedIn};
//!
//! const VISITS: SessionKey<u64> = SessionKey::new("visits");
//!
//! async fn hello(session: Session) -> Result<String> {
//!     let visits = session.update(VISITS, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await?;
//!     Ok(format!("This is visit number {visits}."))
//! }
//!
//! async fn sign_in(session: Session, name: String) -> Result<impl Responder> {
//!     session.sign_in(&name).await?; // after the password has been checked; an empty name is an error
//!     Ok(Redirect::to("/account").see_other())
//! }
//!
//! async fn account(SignedIn(user): SignedIn) -> String {
//!     format!("This is {}'s account.", user.as_str()) // nobody else comes here: a 401
//! }
//!
//! async fn poll(session: Session) -> Result<String> {
//!     Ok(format!("{:?}", session.get(VISITS).await?))
//! }
//!
//! fn routes(routes: &mut web::ServiceConfig) {
//!     let untouched = RouteMiddleware::new(RouteOptions::new().touch(false)); // keeps no session alive
//!     routes
//!         .route("/", web::get().to(hello))
//!         .route("/sign-in", web::post().to(sign_in))
//!         .route("/account", web::get().to(account))
//!         .route("/poll", web::get().to(poll).wrap(untouched));
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?; // one for all workers
//!     let shared = sessions.clone();
//!     let app = move || App::new().configure(routes).wrap(SessionMiddleware::new(shared.clone()));
//!     println!("http://localhost:3000");
//!     HttpServer::new(app).bind(("127.0.0.1", 3000))?.run().await?;
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
//! - **Where to put it:** around the `App`, a scope, a resource or a route; what is wrapped last is outermost. A middleware
//!   inside another with a clone of the same manager shares its session; with another cookie name it has its own; with the
//!   same cookie name and another manager it responds with 500, and the event `clash` says why. The
//!   [`SessionManager`] is made outside the closure that makes an `App` for each worker. The peer's address, for
//!   `ignore_change_ip = false`, is the connection's. Handlers need not be `Send`. HTTP/2 works the same way.
//! - **Settings of a route:** a [`RouteMiddleware`], inside the [`SessionMiddleware`]. On the same resource, wrap it first;
//!   further out it has no effect.
//! - **Errors:** `?` is all a handler needs. Of an error of the application's own the status counts: what is below 500 saves.
//!   That holds for a middleware's error as well. It stays an error for the middleware around this one, which can print it,
//!   but finds an [`InternalError`] instead of its type.
//! - **Panics:** nothing is saved but the end of a session. The panic is not caught: the connection, or the stream of HTTP/2,
//!   is closed. If a middleware inside this one makes a response of it, whatever its status, nothing is saved either.
//! - **Clients that leave** before the handler has answered: it runs on, and is saved. It is dropped, and nothing is saved,
//!   where the connection of HTTP/1 is reset, or its end alone counts:
//!   [`h1_allow_half_closed(false)`](actix_web4::HttpServer::h1_allow_half_closed).
//! - **The server's stop** loses nothing that was begun: [`shutdown`](SessionManager::shutdown) waits for it, after `run`. For
//!   that the [`SessionManager`] is made in `main`, inside its runtime, which outlives those of the workers.
//! - **Streams** (server-sent events, WebSockets) may keep the [`Session`]. The head leaves when it is saved, and takes its
//!   lock with it; later changes are saved with [`save`](Session::save), and [`reload`](Session::reload) answers false when
//!   the session was ended, has expired, or has a new secret. The cookie cannot change any more. That the client has left
//!   shows when the stream sends something: have it send regularly.
//! - **What actix-web cannot give:** a word before the route is known. With `locking = early`, `ignore_expiry = false` or
//!   `ignore_change_ip = false` the session is loaded before a [`RouteMiddleware`] has its say. And `Option<SignedIn>` is
//!   `None` for any reason, a store that is down included: a page for everybody asks [`Session::subject`], whose error is not
//!   "nobody".
//!
//! A test needs neither a port nor a server: a clock to move, actix-web's own test client, and a jar for the cookies. Clock
//! and jar come with cloakroom's feature `testing`, under `[dev-dependencies]`. With `ignore_change_ip = false` a request
//! needs an address, by [`TestRequest::peer_addr`](actix_web4::test::TestRequest::peer_addr).
//!
//! ```
//! # extern crate actix_web4 as actix_web;
//! use actix_web::test::{TestRequest, call_service, init_service};
//! use actix_web::{App, web};
//! use cloakroom::actix_v4::SessionMiddleware;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::testing::{self, Jar, TestClock};
//! use cloakroom::{Session, Settings, SignedIn};
//!
//! fn routes(routes: &mut web::ServiceConfig) {
//!     routes
//!         .route("/sign-in", web::post().to(async |session: Session| session.sign_in("ann").await))
//!         .route("/account", web::get().to(async |SignedIn(user): SignedIn| user.as_str().to_owned()));
//! }
//!
//! # #[actix_web::main]
//! # async fn main() {
//! let clock = TestClock::new();
//! let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock).unwrap();
//! let app = App::new().configure(routes).wrap(SessionMiddleware::new(sessions.clone()));
//! let app = init_service(app).await;
//! let mut jar = Jar::new("localhost");
//! let mut send = async |request: TestRequest| {
//!     let cookies = jar.cookie_header("/", true).unwrap_or_default();
//!     let response = call_service(&app, request.insert_header(("cookie", cookies)).to_request()).await;
//!     for cookie in response.headers().get_all("set-cookie") {
//!         jar.receive(cookie.to_str().unwrap(), "/", true).unwrap();
//!     }
//!     response.status().as_u16()
//! };
//!
//! assert_eq!(send(TestRequest::with_uri("/account")).await, 401);
//! assert_eq!(send(TestRequest::post().uri("/sign-in")).await, 204);
//! assert_eq!(send(TestRequest::with_uri("/account")).await, 200);
//! clock.advance(sessions.settings().idle_timeout);
//! assert_eq!(send(TestRequest::with_uri("/account")).await, 401);
//! # }
//! ```
//!
//! [`Error`]: crate::Error
//! [`InternalError`]: actix_web4::error::InternalError
//! [`SignedIn`]: crate::SignedIn

mod extract;
mod reply;
mod route;

use std::future::{Future, Ready, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;

use actix_web4::body::{EitherBody, MessageBody};
use actix_web4::dev::{self, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web4::error::InternalError;
use actix_web4::http::Version;
use actix_web4::{Error, HttpMessage, HttpResponse};

pub use self::extract::MissingMiddleware;
use self::reply::apply;
pub use self::route::{RouteMiddleware, RouteService};
use super::nested::{self, Outer};
use crate::answer::{Answer, Reply};
use crate::manager::{RequestHead, SessionManager, has_body};
use crate::session::Session;
use crate::session::open::OpenSession;

/// Gives each request its session.
#[derive(Clone, Debug)]
pub struct SessionMiddleware {
    sessions: SessionManager,
}

impl SessionMiddleware {
    /// A middleware over these sessions.
    pub fn new(sessions: SessionManager) -> Self {
        // Each worker has a runtime of its own, which ends with the server.
        sessions.pin_runtime();
        Self { sessions }
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<SessionService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(SessionService { inner: Rc::new(inner), sessions: self.sessions.clone() }))
    }
}

/// The service that [`SessionMiddleware`] makes.
#[derive(Debug)]
pub struct SessionService<S> {
    inner: Rc<S>,
    sessions: SessionManager,
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let outer = nested::find(&mut *request.extensions_mut(), &self.sessions);
        match outer {
            Outer::Nothing => {}
            Outer::Shared => {
                let response = self.inner.call(request);
                return Box::pin(async { Ok(response.await?.map_into_left_body()) });
            }
            Outer::Clash(reply) => return Box::pin(ready(Ok(refused(request, reply)))),
        }
        let session = self.sessions.open(request.head());
        nested::put(&mut *request.extensions_mut(), Session::clone(&session));
        Box::pin(serve(Rc::clone(&self.inner), request, session))
    }
}

async fn serve<S, B>(
    inner: Rc<S>,
    request: ServiceRequest,
    session: OpenSession,
) -> Result<ServiceResponse<EitherBody<B>>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    if let Some(preparation) = session.prepare()
        && let Some(reply) = preparation.await
    {
        return Ok(refused(request, reply));
    }
    match inner.call(request).await {
        Ok(mut response) => Ok(match session.close(response.status().as_u16()).await {
            Answer::Keep(headers) => {
                apply(response.headers_mut(), headers.into_fields());
                response.map_into_left_body()
            }
            Answer::Replace(reply) => response.into_response(reply.into()).map_into_right_body(),
        }),
        // An error of an inner middleware is a response as well: the request that it belongs to is gone. It can be
        // asked for that response only once.
        Err(error) => {
            let mut response = error.error_response();
            match session.close(response.status().as_u16()).await {
                Answer::Keep(headers) => apply(response.headers_mut(), headers.into_fields()),
                Answer::Replace(reply) => response = reply.into(),
            }
            Err(InternalError::from_response(error, response).into())
        }
    }
}

fn refused<B>(request: ServiceRequest, reply: Reply) -> ServiceResponse<EitherBody<B>> {
    request.into_response(HttpResponse::from(reply)).map_into_right_body()
}

impl RequestHead for dev::RequestHead {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer_addr.map(|address| address.ip())
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        for value in self.headers.get_all(name) {
            visit(value.as_bytes());
        }
    }

    fn has_body(&self) -> bool {
        has_body(self, self.version >= Version::HTTP_2)
    }
}

#[cfg(test)]
mod tests;
