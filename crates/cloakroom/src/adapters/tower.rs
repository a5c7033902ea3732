//! Sessions for any [tower](https://docs.rs/tower) service over [`http`] types.
//!
//! [`SessionLayer`] opens a session for each request and puts it into the request's extensions as a
//! [`Session`](crate::Session); when the inner service has answered, it saves the session before the response goes on.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::tower::SessionLayer;
//! use cloakroom::{Session, SessionManager, Settings};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, service_fn};
//!
//! # fn main() -> Result<(), cloakroom::ConfigError> {
//! let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//! let service = ServiceBuilder::new().layer(SessionLayer::new(sessions)).service(service_fn(
//!     async |request: Request<String>| {
//!         let session = request.extensions().get::<Session>().expect("the layer puts it there");
//!         let greeting = match session.get::<String>("name").await {
//!             Ok(name) => format!("Hello, {}!", name.unwrap_or_else(|| "stranger".into())),
//!             Err(error) => error.to_string(),
//!         };
//!         Ok::<_, Infallible>(Response::new(greeting))
//!     },
//! ));
//! # let _ = service;
//! # Ok(())
//! # }
//! ```
//!
//! - A layer inside another with the same cookie name shares its session; with another cookie name it has its own.
//! - A streaming body goes on after the session was saved with the head. What it changes, it saves with
//!   [`Session::save`](crate::Session::save).
//! - Where the session cannot be saved, the inner service's response is replaced: its body type must be made `From` a
//!   `String`.
//! - A handler that panics saves nothing but the end of a session, and a client that goes away before its handler has
//!   answered saves nothing. The panic is not caught; one that a layer inside this one has made a response counts by that
//!   response's status.
//! - The peer's address, for `ignore_change_ip = false`, is taken from a [`PeerAddress`] in the extensions.

mod future;
mod route;

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

pub use self::future::ResponseFuture;
pub use self::route::{RouteLayer, RouteService};
pub use super::http_v1::PeerAddress;
use super::nested;
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
        if nested::show(request.extensions_mut(), &self.sessions.settings().cookie_name) {
            return ResponseFuture::shared(self.inner.call(request));
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
