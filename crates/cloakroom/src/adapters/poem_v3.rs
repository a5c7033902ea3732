//! Sessions for Poem.

use std::fmt;
use std::net::IpAddr;

use poem::error::ResponseError;
use poem::http::StatusCode;
use poem::{Endpoint, FromRequest, IntoResponse, Middleware, Request, RequestBody, Response, Result};

use super::http_v1::{apply, visit_fields};
use super::nested;
use crate::answer::{Answer, Reply};
use crate::error::Error;
use crate::manager::{RequestHead, SessionManager};
use crate::session::{Route, Session, SignedIn};

/// Gives each request its session.
#[derive(Clone, Debug)]
pub struct SessionMiddleware {
    sessions: SessionManager,
}

impl SessionMiddleware {
    /// A middleware over these sessions.
    pub fn new(sessions: SessionManager) -> Self {
        Self { sessions }
    }
}

impl<E: Endpoint> Middleware<E> for SessionMiddleware {
    type Output = SessionEndpoint<E>;

    fn transform(&self, inner: E) -> SessionEndpoint<E> {
        SessionEndpoint { inner, sessions: self.sessions.clone() }
    }
}

/// The endpoint that [`SessionMiddleware`] makes.
#[derive(Clone, Debug)]
pub struct SessionEndpoint<E> {
    inner: E,
    sessions: SessionManager,
}

impl<E: Endpoint> Endpoint for SessionEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if nested::show(request.extensions_mut(), &self.sessions.settings().cookie_name) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let session = self.sessions.open(&request);
        nested::put(request.extensions_mut(), Session::clone(&session));
        if let Some(preparation) = session.prepare()
            && let Some(reply) = preparation.await
        {
            return Ok(respond(reply));
        }
        let result = self.inner.call(request).await.map(IntoResponse::into_response);
        let status = result.as_ref().map_or_else(poem::Error::status, Response::status);
        match session.close(status.as_u16()).await {
            Answer::Keep(headers) => {
                let mut fields = headers.into_fields().peekable();
                if fields.peek().is_none() {
                    return result;
                }
                // An error has no room for headers, and whoever catches one makes another response of it.
                let mut response = result.unwrap_or_else(poem::Error::into_response);
                apply(response.headers_mut(), fields);
                Ok(response)
            }
            Answer::Replace(reply) => Ok(respond(reply)),
        }
    }
}

impl RequestHead for Request {
    fn method(&self) -> &str {
        Request::method(self).as_str()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.remote_addr().as_socket_addr().map(|address| address.ip())
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        visit_fields(self.headers(), name, visit);
    }
}

fn respond(reply: Reply) -> Response {
    let (head, body) = http::Response::<String>::from(reply).into_parts();
    let mut response = Response::from((head.status, body));
    *response.headers_mut() = head.headers;
    response
}

/// Settings for some routes, to be put inside a [`SessionMiddleware`].
///
/// ```
/// use cloakroom::poem_v3::RouteMiddleware;
/// use cloakroom::{Locking, Route};
/// use poem::{EndpointExt, get, handler};
///
/// #[handler]
/// async fn upload() {}
///
/// let explicit = Route { locking: Some(Locking::Explicit), ..Route::default() };
/// let uploads = get(upload).with(RouteMiddleware::new(explicit));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteMiddleware {
    route: Route,
}

impl RouteMiddleware {
    /// A middleware that gives these settings to the requests that pass through it.
    pub fn new(route: Route) -> Self {
        Self { route }
    }
}

impl<E: Endpoint> Middleware<E> for RouteMiddleware {
    type Output = RouteEndpoint<E>;

    fn transform(&self, inner: E) -> RouteEndpoint<E> {
        RouteEndpoint { inner, route: self.route }
    }
}

/// The endpoint that [`RouteMiddleware`] makes.
#[derive(Clone, Copy, Debug)]
pub struct RouteEndpoint<E> {
    inner: E,
    route: Route,
}

impl<E: Endpoint> Endpoint for RouteEndpoint<E> {
    type Output = E::Output;

    async fn call(&self, request: Request) -> Result<E::Output> {
        if let Some(session) = request.data::<Session>() {
            session.configure(self.route);
        }
        self.inner.call(request).await
    }
}

impl<'a> FromRequest<'a> for Session {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(request.data::<Self>().cloned().ok_or(MissingMiddleware)?)
    }
}

/// A handler asks for a [`Session`], and there is no [`SessionMiddleware`] around its route. Answers 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingMiddleware;

impl fmt::Display for MissingMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no session: add `.with(SessionMiddleware::new(sessions))` to the `Route` that this route is in")
    }
}

impl std::error::Error for MissingMiddleware {}

impl ResponseError for MissingMiddleware {
    fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl<'a> FromRequest<'a> for SignedIn {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let session = Session::from_request(request, body).await?;
        Ok(Self(session.require_subject().await?))
    }
}

impl ResponseError for Error {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(Error::status(self)).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    fn as_response(&self) -> Response {
        respond(self.reply())
    }
}
