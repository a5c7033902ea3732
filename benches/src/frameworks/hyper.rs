use cloakroom::{Error, Session, SessionManager, http_v1};
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};

use super::application::{Application, read, write};

/// A function over `http` types, inside `http_v1::serve`.
#[derive(Debug)]
pub struct Hyper(Option<SessionManager>);

impl Application for Hyper {
    async fn new(sessions: Option<SessionManager>) -> Self {
        Self(sessions)
    }

    async fn get(&self, path: &'static str, cookie: &str) -> Option<String> {
        let request = Request::get(path).header(COOKIE, cookie).body(String::new()).expect("a request");
        let response = match &self.0 {
            None => answer(&request, None).await,
            Some(sessions) => {
                let handler = async |request, session| Ok::<_, Error>(answer(&request, Some(&session)).await);
                let Ok(response) = http_v1::serve(sessions.clone(), request, handler).await;
                response
            }
        };
        assert_eq!(response.status(), 200);
        response.headers().get(SET_COOKIE).map(|cookie| cookie.to_str().expect("ASCII").to_owned())
    }
}

async fn answer(request: &Request<String>, session: Option<&Session>) -> Response<String> {
    let body = match (request.uri().path(), session) {
        ("/read", Some(session)) => read(session).await,
        ("/write", Some(session)) => write(session).await,
        _ => Ok("1".to_owned()),
    };
    body.map_or_else(Response::from, Response::new)
}
