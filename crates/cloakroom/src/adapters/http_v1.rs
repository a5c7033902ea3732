//! Sessions for whatever speaks the types of the [`http`] crate, version 1: hyper alone, say.
//!
//! TUTORIAL

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;

use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Request, Response, StatusCode};

use crate::answer::{Answer, Header, Reply};
use crate::error::Error;
use crate::manager::{RequestHead, SessionManager};
use crate::session::Session;

/// Answers a request with its session: opens it, runs `handler`, and saves it before the response goes on.
///
/// Where the session cannot be saved, or has to be loaded before the handler and cannot be, the answer is another one.
/// If the future is dropped, or the handler panics, before there is a response, nothing is saved.
pub async fn serve<B, R, F>(
    sessions: &SessionManager,
    request: Request<B>,
    handler: impl FnOnce(Request<B>, Session) -> F,
) -> Response<R>
where
    R: From<String>,
    F: Future<Output = Response<R>>,
{
    let session = sessions.open(&request);
    if let Some(preparation) = session.prepare()
        && let Some(reply) = preparation.await
    {
        return reply.into();
    }
    let response = handler(request, session.clone()).await;
    let answer = session.close(response.status().as_u16()).await;
    concluded(response, answer)
}

/// The address of the connection's other end, in a request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

impl<B> RequestHead for Request<B> {
    fn method(&self) -> &str {
        Request::method(self).as_str()
    }

    fn peer(&self) -> Option<IpAddr> {
        let peer = self.extensions().get::<PeerAddress>().map(|peer| peer.0);
        #[cfg(feature = "axum_v0_8")]
        let peer = peer.or_else(|| super::axum_v0_8::peer(self.extensions()));
        peer
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        visit_fields(self.headers(), name, visit);
    }
}

/// Visits the value of each field of this name.
pub(super) fn visit_fields<'a>(headers: &'a HeaderMap, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
    for value in headers.get_all(name) {
        visit(value.as_bytes());
    }
}

/// The response as it goes out.
pub(super) fn concluded<R: From<String>>(mut response: Response<R>, answer: Answer) -> Response<R> {
    match answer {
        Answer::Keep(headers) => {
            apply(response.headers_mut(), headers.into_fields());
            response
        }
        Answer::Replace(reply) => reply.into(),
    }
}

impl<R: From<String>> From<Reply> for Response<R> {
    fn from(reply: Reply) -> Self {
        let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let (headers, body) = reply.into_parts();
        let mut response = Response::new(R::from(body));
        *response.status_mut() = status;
        apply(response.headers_mut(), headers);
        response
    }
}

impl<R: From<String>> From<Error> for Response<R> {
    fn from(error: Error) -> Self {
        error.reply().into()
    }
}

/// Adds these headers.
pub(super) fn apply(map: &mut HeaderMap, headers: impl Iterator<Item = Header>) {
    for Header { name, value, replaces } in headers {
        let name = HeaderName::from_static(name);
        let value = match value {
            Cow::Borrowed(text) => Ok(HeaderValue::from_static(text)),
            Cow::Owned(text) => HeaderValue::try_from(text),
        };
        // The engine writes visible ASCII only.
        let Ok(mut value) = value else { continue };
        // A token: not to be printed, nor to be kept in the compression state of HTTP/2 (RFC 7541 §7.1.3).
        value.set_sensitive(name == SET_COOKIE);
        if replaces {
            map.insert(name, value);
        } else {
            map.append(name, value);
        }
    }
}

#[cfg(any(feature = "tower", feature = "poem_v3", feature = "salvo_v1"))]
impl super::nested::Extensions for http::Extensions {
    fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.get()
    }

    fn get_mut<T: Clone + Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        self.get_mut()
    }

    fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        self.insert(value)
    }
}
