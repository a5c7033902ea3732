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

use std::net::IpAddr;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

pub use self::future::ResponseFuture;
pub use self::route::{RouteLayer, RouteService};
use crate::manager::{RequestHead, SessionManager};
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
        if Hidden::show(request.extensions_mut(), &self.sessions.settings().cookie_name) {
            return ResponseFuture::shared(self.inner.call(request));
        }
        let session = self.sessions.open(&request);
        Hidden::hide_behind(request.extensions_mut(), Session::clone(&session));
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

/// Sessions of layers further out that are not the one in the extensions, because another layer put its own there. Made
/// where layers with different cookie names are inside each other, and only there.
#[derive(Clone, Default)]
struct Hidden(Vec<Session>);

impl Hidden {
    /// Makes the session of a layer further out with this cookie name the one in the extensions; false if there is none.
    fn show(extensions: &mut Extensions, cookie_name: &str) -> bool {
        let is_wanted = |session: &Session| session.cookie_name() == cookie_name;
        match extensions.get::<Session>() {
            None => return false,
            Some(shown) if is_wanted(shown) => return true,
            Some(_) => {}
        }
        let Some(Self(hidden)) = extensions.get_mut() else { return false };
        let Some(place) = hidden.iter().position(is_wanted) else { return false };
        let session = hidden.swap_remove(place);
        Self::hide_behind(extensions, session);
        true
    }

    /// Puts `session` into the extensions, and remembers the one that was there.
    fn hide_behind(extensions: &mut Extensions, session: Session) {
        if let Some(outer) = extensions.insert(session) {
            let Self(hidden) = extensions.get_or_insert_default();
            hidden.push(outer);
        }
    }
}

/// The address of the connection's other end, in a request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

impl<B> RequestHead for Request<B> {
    fn method(&self) -> &str {
        Request::method(self).as_str()
    }

    fn peer(&self) -> Option<IpAddr> {
        let peer = self.extensions().get::<PeerAddress>().map(|peer| peer.0);
        #[cfg(feature = "axum_v0_8")]
        let peer = peer.or_else(|| super::axum_v0_8::peer(self.extensions()));
        peer
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        for value in self.headers().get_all(name) {
            visit(value.as_bytes());
        }
    }
}
