//! Requests through an axum application with sessions, and through the same one without.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Extension, Router};
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::stores::MemoryStore;
use cloakroom::{Error, Session, SessionKey, SessionManager, Settings};
use cloakroom_store::DynStore;
use tower::ServiceExt;

const COUNT: SessionKey<u64> = SessionKey::new("count");

/// What a request is answered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A layer that puts one `Arc` into the request's extensions, in place of sessions.
    Bare,
    /// Sessions, none used.
    Untouched,
    /// One value read.
    Read,
    /// One value written, another one each time.
    Write,
}

/// An application, and a request of a browser that has a session there.
#[derive(Debug)]
pub struct Bench {
    app: Router,
    path: &'static str,
    cookie: String,
}

impl Bench {
    /// An application that answers requests of this kind.
    ///
    /// # Panics
    /// If the settings cannot be used.
    pub async fn new(kind: Kind, settings: Settings) -> Self {
        Self::over(Arc::new(MemoryStore::new()), kind, settings).await
    }

    /// The same over this store.
    ///
    /// # Panics
    /// If the settings cannot be used, or the store does not answer.
    pub async fn over(store: Arc<dyn DynStore>, kind: Kind, settings: Settings) -> Self {
        let sessions = SessionManager::with_store(store, settings).expect("settings that can be used");
        let routes = Router::new()
            .route("/plain", get(async || "1".to_owned()))
            .route("/read", get(async |session: Session| read(session).await))
            .route("/write", any(async |session: Session| write(session).await));
        let with_sessions = routes.clone().layer(SessionLayer::new(sessions));
        let first = Request::builder().uri("/write").body(Body::empty()).expect("a request");
        let response = answer(&with_sessions, first).await;
        let cookie = response.headers()[SET_COOKIE].to_str().expect("visible ASCII");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let (app, path) = match kind {
            Kind::Bare => (routes.layer(Extension(Arc::new(()))), "/plain"),
            Kind::Untouched => (with_sessions, "/plain"),
            Kind::Read => (with_sessions, "/read"),
            Kind::Write => (with_sessions, "/write"),
        };
        Self { app, path, cookie }
    }

    /// The request, to be sent by [`send`](Self::send).
    ///
    /// # Panics
    /// Never: it is a valid one.
    pub fn request(&self) -> Request {
        let request = Request::builder().uri(self.path).header(COOKIE, &self.cookie);
        request.body(Body::empty()).expect("a request")
    }

    /// The session's cookie, as a browser sends it.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Sends it.
    pub async fn send(&self, request: Request) -> Response {
        answer(&self.app, request).await
    }
}

async fn read(session: Session) -> Result<String, Error> {
    Ok(session.get(COUNT).await?.map_or_else(|| "none".to_owned(), |count| count.to_string()))
}

async fn write(session: Session) -> Result<String, Error> {
    let count = session.get(COUNT).await?.unwrap_or(0) + 1;
    session.insert(COUNT, &count).await?;
    Ok(count.to_string())
}

async fn answer(app: &Router, request: Request) -> Response {
    match app.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
