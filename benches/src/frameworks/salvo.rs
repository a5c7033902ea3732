use std::fmt;

use cloakroom::salvo_v1::SessionHoop;
use cloakroom::{Result, Session, SessionManager};
use salvo::http::header::{COOKIE, SET_COOKIE};
use salvo::prelude::*;

use super::application::{self, Application};

/// A Salvo application.
pub struct Salvo(Service);

impl Application for Salvo {
    async fn new(sessions: Option<SessionManager>) -> Self {
        let routes = Router::new()
            .push(Router::with_path("plain").get(plain))
            .push(Router::with_path("read").get(read))
            .push(Router::with_path("write").get(write));
        Self(Service::new(match sessions {
            None => routes,
            Some(sessions) => routes.hoop(SessionHoop::new(sessions)),
        }))
    }

    async fn get(&self, path: &'static str, cookie: &str) -> Option<String> {
        let request = salvo::http::Request::from_hyper(
            salvo::hyper::Request::get(path)
                .header(COOKIE, cookie)
                .body(salvo::http::ReqBody::None)
                .expect("a request"),
            salvo::http::uri::Scheme::HTTP,
        );
        let response = self.0.handle(request).await;
        assert!(response.status_code.is_none_or(|status| status == 200));
        response.headers().get(SET_COOKIE).map(|cookie| cookie.to_str().expect("ASCII").to_owned())
    }
}

#[handler]
async fn plain() -> &'static str {
    "1"
}

#[handler]
async fn read(session: Session) -> Result<String> {
    application::read(&session).await
}

#[handler]
async fn write(session: Session) -> Result<String> {
    application::write(&session).await
}

impl fmt::Debug for Salvo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salvo").finish_non_exhaustive()
    }
}
