//! Sessions for [actix-web](https://docs.rs/actix-web) 4: the [`SessionMiddleware`], [`Session`] and [`SignedIn`] as
//! extractors, and [`Error`] as a response.
//!
//! ```no_run
//! use actix_web::web::{self, Redirect};
//! use actix_web::{App, HttpServer, Responder};
//! use cloakroom::actix_v4::{RouteMiddleware, SessionMiddleware};
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::{Locking, Result, Route, Session, SessionManager, Settings, SignedIn};
//!
//! async fn hello(session: Session) -> Result<String> {
//!     let visits = session.update("visits", |visits: &mut Option<u64>| {
//!         *visits.insert(visits.unwrap_or(0) + 1)
//!     }).await?;
//!     let name = session.get::<String>("name").await?.unwrap_or_else(|| "stranger".into());
//!     Ok(format!("Hello, {name}! This is visit {visits}."))
//! }
//!
//! async fn sign_in(session: Session, name: String) -> Result<impl Responder> {
//!     session.sign_in(&name).await?; // after the password has been checked
//!     session.insert("name", &name).await?;
//!     Ok(Redirect::to("/account").see_other())
//! }
//!
//! async fn account(SignedIn(user): SignedIn) -> String {
//!     format!("This is the account of {}.", user.as_str())
//! }
//!
//! fn routes(routes: &mut web::ServiceConfig) {
//!     // One request of a session at a time here.
//!     let one_by_one = Route { locking: Some(Locking::Implicit), ..Route::default() };
//!     routes
//!         .route("/", web::get().to(hello))
//!         .route("/sign-in", web::post().to(sign_in))
//!         .service(web::resource("/account").wrap(RouteMiddleware::new(one_by_one)).get(account));
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//!     let middleware = SessionMiddleware::new(sessions.clone());
//!     HttpServer::new(move || App::new().configure(routes).wrap(middleware.clone()))
//!         .bind(("127.0.0.1", 8080))?
//!         .run()
//!         .await?;
//!     sessions.shutdown().await; // what requests began to save is saved
//!     Ok(())
//! }
//! ```
//!
//! - **Where to put it.** Around the whole `App`, a scope or a resource; what is wrapped last is outermost. The
//!   `SessionManager` is made once, outside the closure that makes an `App` for each worker: all workers share it. A
//!   middleware inside another with the same cookie name shares its session; with another cookie name it has its own.
//! - **Handlers** need not be `Send`. A [`Session`] is, and may go to other threads.
//! - **Errors.** An error that a handler or a middleware further in returns counts by the status of its response: with a
//!   4xx the session is saved, with a 5xx nothing is but the end of a session. What middleware further out gets of an inner
//!   middleware's error still prints the same, but is an
//!   [`InternalError`] with that response, not the type it was.
//! - **Panics** save nothing but the end of a session. actix-web closes the connection, under HTTP/2 the stream.
//! - **Clients that leave.** actix-web lets a handler whose client has gone run on, and then what it did is saved. It
//!   drops the handler, and nothing is saved, when an HTTP/1 connection is reset, or closed in any way with
//!   [`h1_allow_half_closed(false)`](actix_web::HttpServer::h1_allow_half_closed).
//! - **Streams.** The session is saved, and its lock let go, before the head is sent. A body or a WebSocket may keep the
//!   [`Session`], and saves with [`save`](Session::save) what it changes; [`reload`](Session::reload) answers false when
//!   the session is over. A client that has gone is only noticed when something is sent to it: send a heartbeat.
//! - **The peer's address** is the connection's: no further set-up for `ignore_change_ip = false`.
//! - **What actix-web cannot give:** nothing is missing but that a handler hears of its client's leaving, as above.
//!
//! To test an application with [`actix_web::test`], make its sessions with [`testing::manager`](crate::testing::manager),
//! and keep the cookies in a [`Jar`](crate::testing::Jar):
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use actix_web::test::{TestRequest, call_service, init_service, read_body};
//! use actix_web::{App, web};
//! use cloakroom::actix_v4::SessionMiddleware;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::testing::{self, Jar, TestClock};
//! use cloakroom::{Session, Settings};
//!
//! # async fn hello(session: Session) -> cloakroom::Result<String> {
//! #     let visits = session.update("visits", |visits: &mut Option<u64>| {
//! #         *visits.insert(visits.unwrap_or(0) + 1)
//! #     }).await?;
//! #     Ok(format!("Hello, stranger! This is visit {visits}."))
//! # }
//! # fn routes(routes: &mut web::ServiceConfig) {
//! #     routes.route("/", web::get().to(hello));
//! # }
//! # #[actix_web::main]
//! # async fn main() {
//! let clock = TestClock::new();
//! let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock).unwrap();
//! let app = init_service(App::new().configure(routes).wrap(SessionMiddleware::new(sessions))).await;
//! let mut jar = Jar::new("localhost");
//!
//! for expected in [1, 2, 1] {
//!     let cookies = jar.cookie_header("/", true).unwrap_or_default();
//!     let request = TestRequest::get().uri("/").insert_header(("cookie", cookies));
//!     let response = call_service(&app, request.to_request()).await;
//!     for cookie in response.headers().get_all("set-cookie") {
//!         jar.receive(cookie.to_str().unwrap(), "/", true).unwrap();
//!     }
//!     assert_eq!(read_body(response).await, format!("Hello, stranger! This is visit {expected}."));
//!     if expected == 2 {
//!         clock.advance(Duration::from_secs(30 * 24 * 60 * 60)); // and the session is over
//!     }
//! }
//! # }
//! ```
//!
//! [`Error`]: crate::Error
//! [`SignedIn`]: crate::SignedIn
//! [`InternalError`]: actix_web::error::InternalError

mod extract;
mod reply;
mod route;

use std::future::{Future, Ready, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{self, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::{Error, HttpMessage, HttpResponse};

pub use self::extract::MissingMiddleware;
use self::reply::apply;
pub use self::route::{RouteMiddleware, RouteService};
use super::nested;
use crate::answer::Answer;
use crate::manager::{RequestHead, SessionManager};
use crate::session::{OpenSession, Session};

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
        if nested::show(&mut *request.extensions_mut(), &self.sessions.settings().cookie_name) {
            let response = self.inner.call(request);
            return Box::pin(async { Ok(response.await?.map_into_left_body()) });
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
        return Ok(request.into_response(HttpResponse::from(reply)).map_into_right_body());
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
}

impl nested::Extensions for dev::Extensions {
    fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.get()
    }

    fn get_mut<T: Clone + Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        self.get_mut()
    }

    fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        self.insert(value)
    }
}

#[cfg(test)]
mod tests;
