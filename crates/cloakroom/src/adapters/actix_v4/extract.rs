use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, ResponseError};

use crate::session::{Session, SignedIn};

impl FromRequest for Session {
    type Error = MissingMiddleware;
    type Future = Ready<Result<Self, MissingMiddleware>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get().cloned().ok_or(MissingMiddleware))
    }
}

impl FromRequest for SignedIn {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = Session::extract(request);
        Box::pin(async { Ok(Self(session.await?.require_subject().await?)) })
    }
}

/// A handler asks for a [`Session`], and there is no [`SessionMiddleware`](super::SessionMiddleware) around its route.
/// Answers 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingMiddleware;

impl fmt::Display for MissingMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no session: add `.wrap(SessionMiddleware::new(sessions))` to the App, or around this route",
        )
    }
}

impl std::error::Error for MissingMiddleware {}

/// Status 500 and the message in plain text.
impl ResponseError for MissingMiddleware {}
