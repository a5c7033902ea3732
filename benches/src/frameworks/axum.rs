use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::routing::get;
use cloakroom::axum_v0_8::SessionLayer;
use cloakroom::{Session, SessionManager};
use tower::ServiceExt;

use super::application::{Application, read, write};

/// An axum router.
#[derive(Debug)]
pub struct Axum(Router);

impl Application for Axum {
    async fn new(sessions: Option<SessionManager>) -> Self {
        let routes = Router::new()
            .route("/plain", get(async || "1".to_owned()))
            .route("/read", get(async |session: Session| read(&session).await))
            .route("/write", get(async |session: Session| write(&session).await));
        Self(match sessions {
            None => routes,
            Some(sessions) => routes.layer(SessionLayer::new(sessions)),
        })
    }

    async fn get(&self, path: &'static str, cookie: &str) -> Option<String> {
        let request = Request::get(path).header(COOKIE, cookie).body(Body::empty()).expect("a request");
        let Ok(response) = self.0.clone().oneshot(request).await;
        assert_eq!(response.status(), 200);
        response.headers().get(SET_COOKIE).map(|cookie| cookie.to_str().expect("ASCII").to_owned())
    }
}
