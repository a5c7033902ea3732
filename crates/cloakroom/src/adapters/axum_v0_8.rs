//! Sessions for [axum](https://docs.rs/axum) 0.8: the [`SessionLayer`], [`Session`] as an extractor, and [`Error`] as a
//! response.
//!
//! ```
//! use axum::Router;
//! use axum::response::Redirect;
//! use axum::routing::{get, post};
//! use cloakroom::axum_v0_8::SessionLayer;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::{Session, SessionManager, Settings};
//!
//! async fn hello(session: Session) -> Result<String, cloakroom::Error> {
//!     let visits = session.update("visits", |visits: &mut Option<u64>| {
//!         *visits.insert(visits.unwrap_or(0) + 1)
//!     }).await?;
//!     let name = session.get::<String>("name").await?.unwrap_or_else(|| "stranger".into());
//!     Ok(format!("Hello, {name}! This is visit {visits}."))
//! }
//!
//! async fn sign_in(session: Session, name: String) -> Result<Redirect, cloakroom::Error> {
//!     session.sign_in(&name).await?; // after the password has been checked
//!     session.insert("name", &name).await?;
//!     Ok(Redirect::to("/"))
//! }
//!
//! # fn main() -> Result<(), cloakroom::ConfigError> {
//! let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//! let app: Router = Router::new()
//!     .route("/", get(hello))
//!     .route("/sign-in", post(sign_in))
//!     .layer(SessionLayer::new(sessions));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! What [`tower`](crate::tower) says of the layer holds here. For `ignore_change_ip = false`, serve the application with
//! `into_make_service_with_connect_info::<SocketAddr>()`.
//!
//! [`Error`]: crate::Error

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Response};

pub use super::tower::{RouteLayer, SessionLayer};
use crate::error::Error;
use crate::session::{Session, SignedIn};

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingLayer> {
        parts.extensions.get::<Self>().cloned().ok_or(MissingLayer)
    }
}

/// A handler asks for a [`Session`], and there is no [`SessionLayer`] around its route. Answers 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingLayer;

impl std::fmt::Display for MissingLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no session: add `.layer(SessionLayer::new(sessions))` to the router, after this route")
    }
}

impl std::error::Error for MissingLayer {}

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

pub(super) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}
