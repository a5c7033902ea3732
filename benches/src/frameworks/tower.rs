use std::convert::Infallible;

use cloakroom::tower::SessionLayer;
use cloakroom::{Session, SessionManager};
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::application::{Application, read, write};

/// A service over `http` types, under the tower layer.
#[derive(Debug)]
pub struct Tower(BoxCloneSyncService<Request<String>, Response<String>, Infallible>);

impl Application for Tower {
    async fn new(sessions: Option<SessionManager>) -> Self {
        let service = service_fn(answer);
        Self(match sessions {
            None => BoxCloneSyncService::new(service),
            Some(sessions) => BoxCloneSyncService::new(
                ServiceBuilder::new().layer(SessionLayer::new(sessions)).service(service),
            ),
        })
    }

    async fn get(&self, path: &'static str, cookie: &str) -> Option<String> {
        let request = Request::get(path).header(COOKIE, cookie).body(String::new()).expect("a request");
        let Ok(response) = self.0.clone().oneshot(request).await;
        assert_eq!(response.status(), 200);
        response.headers().get(SET_COOKIE).map(|cookie| cookie.to_str().expect("ASCII").to_owned())
    }
}

async fn answer(request: Request<String>) -> Result<Response<String>, Infallible> {
    let body = match request.uri().path() {
        "/plain" => Ok("1".to_owned()),
        path => {
            let session = request.extensions().get::<Session>().expect("the layer puts it there");
            if path == "/read" { read(session).await } else { write(session).await }
        }
    };
    Ok(body.map_or_else(Response::from, Response::new))
}
