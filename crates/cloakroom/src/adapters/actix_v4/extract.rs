use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web4::dev::Payload;
use actix_web4::{Error, FromRequest, HttpMessage, HttpRequest, ResponseError};

use crate::adapters::missing::missing;
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

missing! {
    /// A handler asks for a [`Session`], and there is no [`SessionMiddleware`](super::SessionMiddleware) around its route.
    /// Answers 500.
    pub struct MissingMiddleware =
        "no session: add `.wrap(SessionMiddleware::new(sessions))` to the App, or around this route";
}

/// Status 500 and the message in plain text.
impl ResponseError for MissingMiddleware {}
