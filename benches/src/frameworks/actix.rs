use std::fmt;
use std::future::Future;
use std::pin::Pin;

use actix_web::App;
use actix_web::dev::Service;
use actix_web::http::header::{COOKIE, SET_COOKIE};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::get;
use cloakroom::actix_v4::SessionMiddleware;
use cloakroom::{Session, SessionManager};

use super::application::{Application, read, write};

type Call = Pin<Box<dyn Future<Output = Option<String>>>>;

/// An actix-web application.
pub struct Actix(Box<dyn Fn(TestRequest) -> Call>);

/// The type of an application depends on what it is wrapped in.
macro_rules! application {
    ($app:expr) => {{
        let app = $app
            .route("/plain", get().to(async || "1"))
            .route("/read", get().to(async |session: Session| read(&session).await))
            .route("/write", get().to(async |session: Session| write(&session).await));
        let service = std::rc::Rc::new(init_service(app).await);
        Self(Box::new(move |request| {
            let response = service.call(request.to_request());
            Box::pin(async move {
                let response = response.await.expect("a response");
                assert_eq!(response.status(), 200);
                let cookie = response.headers().get(SET_COOKIE);
                cookie.map(|cookie| cookie.to_str().expect("ASCII").to_owned())
            })
        }))
    }};
}

impl Application for Actix {
    async fn new(sessions: Option<SessionManager>) -> Self {
        match sessions {
            None => application!(App::new()),
            Some(sessions) => application!(App::new().wrap(SessionMiddleware::new(sessions))),
        }
    }

    async fn get(&self, path: &'static str, cookie: &str) -> Option<String> {
        (self.0)(TestRequest::get().uri(path).insert_header((COOKIE, cookie))).await
    }
}

impl fmt::Debug for Actix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actix").finish_non_exhaustive()
    }
}
