use std::fmt;

use cloakroom::poem_v3::SessionMiddleware;
use cloakroom::{Session, SessionManager};
use poem::endpoint::BoxEndpoint;
use poem::http::header::{COOKIE, SET_COOKIE};
use poem::{Endpoint, EndpointExt, Request, Response, Route, get, handler};

use super::application::{self, Application};

/// A Poem application.
pub struct Poem(BoxEndpoint<'static, Response>);

impl Application for Poem {
    async fn new(sessions: Option<SessionManager>) -> Self {
        let routes = Route::new().at("/plain", get(plain)).at("/read", get(read)).at("/write", get(write));
        Self(match sessions {
            None => routes.map_to_response().boxed(),
            Some(sessions) => routes.with(SessionMiddleware::new(sessions)).map_to_response().boxed(),
        })
    }

    async fn get(&self, path: &'static str, cookie: &str) -> Option<String> {
        let request = Request::builder().uri_str(path).header(COOKIE, cookie).finish();
        let response = self.0.get_response(request).await;
        assert_eq!(response.status(), 200);
        response.headers().get(SET_COOKIE).map(|cookie| cookie.to_str().expect("ASCII").to_owned())
    }
}

#[handler]
async fn plain() -> &'static str {
    "1"
}

#[handler]
async fn read(session: Session) -> poem::Result<String> {
    Ok(application::read(&session).await?)
}

#[handler]
async fn write(session: Session) -> poem::Result<String> {
    Ok(application::write(&session).await?)
}

impl fmt::Debug for Poem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poem").finish_non_exhaustive()
    }
}
