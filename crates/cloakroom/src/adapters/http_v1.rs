//! Sessions for [hyper](https://docs.rs/hyper) 1 alone, and for whatever else speaks the types of the [`http`] crate:
//! [`serve`] around a handler, and [`Error`] as a response.
//!
//! ```toml
//! [dependencies]
//! hyper = { version = "1", features = ["http1", "server"] }
//! hyper-util = { version = "0.1", features = ["tokio"] }
//! http-body-util = "0.1"
//! cloakroom = { path = "../cloakroom/crates/cloakroom", features = ["http_v1"] }
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
//! ```
//!
//! ```no_run
//! use cloakroom::http_v1::{self, PeerAddress};
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::{RouteOptions, Session, SessionKey, SessionManager, Settings};
//! use http_body_util::{BodyExt, Full, Limited};
//! use hyper::body::{Bytes, Incoming};
//! use hyper::server::conn::http1;
//! use hyper::service::service_fn;
//! use hyper::{Method, Request, Response, StatusCode};
//! use hyper_util::rt::TokioIo;
//!
//! type Page = Response<Full<Bytes>>;
//!
//! const VISITS: SessionKey<u64> = SessionKey::new("visits");
//!
//! async fn hello(session: Session) -> cloakroom::Result<Page> {
//!     let visits = session.update(VISITS, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await?;
//!     Ok(page(format!("This is visit number {visits}.")))
//! }
//!
//! async fn sign_in(session: Session, name: Incoming) -> cloakroom::Result<Page> {
//!     let Ok(name) = Limited::new(name, 1024).collect().await else {
//!         let mut refusal = page("Say that again.");
//!         *refusal.status_mut() = StatusCode::BAD_REQUEST;
//!         return Ok(refusal);
//!     };
//!     session.sign_in(String::from_utf8_lossy(&name.to_bytes())).await?; // after the password has been checked
//!     Ok(page("Welcome!"))
//! }
//!
//! async fn account(session: Session) -> cloakroom::Result<Page> {
//!     let user = session.require_subject().await?; // or a 401
//!     Ok(page(format!("This is {}'s account.", user.as_str())))
//! }
//!
//! async fn poll(session: Session) -> cloakroom::Result<Page> {
//!     session.configure(RouteOptions::new().touch(false)); // keeps no session alive
//!     Ok(page(format!("{:?}", session.get(VISITS).await?)))
//! }
//!
//! async fn site(request: Request<Incoming>, session: Session) -> cloakroom::Result<Page> {
//!     match (request.method(), request.uri().path()) {
//!         (&Method::POST, "/sign-in") => sign_in(session, request.into_body()).await,
//!         (_, "/account") => account(session).await,
//!         (_, "/poll") => poll(session).await,
//!         _ => hello(session).await,
//!     }
//! }
//!
//! fn page(text: impl Into<Bytes>) -> Page {
//!     Response::new(Full::new(text.into()))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     println!("http://localhost:3000");
//!     loop {
//!         let Ok((stream, peer)) = listener.accept().await else { continue }; // the next may come through
//!         let sessions = sessions.clone();
//!         let service = service_fn(move |mut request: Request<Incoming>| {
//!             request.extensions_mut().insert(PeerAddress(peer.ip()));
//!             http_v1::serve(sessions.clone(), request, site)
//!         });
//!         tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
//!     }
//! }
//! ```
//!
//! ```sh
//! curl -c jar -b jar http://localhost:3000/
//! curl -c jar -b jar -d ann http://localhost:3000/sign-in
//! ```
//!
//! - **Where to put it:** around everything that answers a request. A [`SessionLayer`](crate::tower::SessionLayer) or
//!   another `serve` inside it shares its session if it has a clone of the same manager, and has its own with another
//!   cookie name, of which [tower's documentation](crate::tower) says more; the session is in the request's extensions, too, so that axum's
//!   extractors find it. [`PeerAddress`] is for `ignore_change_ip = false`, and not needed without. HTTP/2 works the same
//!   way.
//! - **Settings of a route:** [`Session::configure`], before the session is first used.
//! - **Errors:** `?` is all a handler needs. Errors of your own say what response they are by
//!   `impl From<YourError> for Response<Full<Bytes>>`. A handler that cannot fail has to name an error type nevertheless:
//!   it answers `Ok::<_, cloakroom::Error>(response)`.
//! - **Bodies:** any that is made `From` a `String`, for where the response has to be replaced, as `Full<Bytes>` is. A boxed
//!   body is none by itself: wrap it in a type of your own.
//! - **Panics:** nothing is saved but the end of a session. The panic is not caught: hyper closes the connection.
//! - **Clients that leave** before the handler has answered: it is dropped, and nothing is saved. Once it has answered, the
//!   session is saved whoever is still there.
//! - **Streams** (server-sent events, a WebSocket after hyper's upgrade) may keep the [`Session`]. The head leaves when it is
//!   saved, and takes its lock with it; later changes are saved with [`save`](Session::save), and
//!   [`reload`](Session::reload) answers false when the session was ended, has expired, or has a new secret. The cookie
//!   cannot change any more.
//! - **Stopping:** when no connection is served any more, [`SessionManager::shutdown`] waits until what requests began to
//!   save is saved.
//! - **What hyper cannot give:** extractors. The session is an argument, and a required user is a call,
//!   [`Session::require_subject`].
//!
//! A test needs neither a port nor a server: requests, a clock to move, and a jar that keeps cookies as a browser does.
//! Clock and jar come with cloakroom's feature `testing`, under `[dev-dependencies]`, and the requests are of the crate
//! `http`, version 1.
//!
//! ```
//! use cloakroom::http_v1;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::testing::{self, Jar, TestClock};
//! use cloakroom::{Session, SessionManager, Settings};
//! use http::{Request, Response};
//!
//! // The application; its bodies need not be hyper's.
//! async fn site<B>(request: Request<B>, session: Session) -> cloakroom::Result<Response<String>> {
//!     if request.uri().path() == "/sign-in" {
//!         session.sign_in("ann").await?;
//!     }
//!     Ok(Response::new(session.require_subject().await?.as_str().to_owned()))
//! }
//!
//! async fn get(sessions: &SessionManager, jar: &mut Jar, path: &str) -> Response<String> {
//!     let mut request = Request::get(path).body(()).unwrap();
//!     jar.add_to(&mut request);
//!     let Ok(response) = http_v1::serve(sessions.clone(), request, site).await;
//!     jar.keep_from(&response);
//!     response
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (clock, mut jar) = (TestClock::new(), Jar::new("localhost"));
//! let sessions = testing::manager(MemoryStore::new(), Settings::default(), &clock).unwrap();
//! assert_eq!(get(&sessions, &mut jar, "/account").await.status(), 401);
//! assert_eq!(get(&sessions, &mut jar, "/sign-in").await.status(), 200);
//! assert_eq!(get(&sessions, &mut jar, "/account").await.body(), "ann");
//! clock.advance(sessions.settings().idle_timeout);
//! assert_eq!(get(&sessions, &mut jar, "/account").await.status(), 401);
//! # }
//! ```

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;

use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Request, Response, StatusCode, Version};

use super::nested::{self, Outer};
use super::peer;
pub use super::peer::PeerAddress;
use crate::answer::{Answer, Header, HeaderMode, Reply};
use crate::error::Error;
use crate::manager::{RequestHead, SessionManager, has_body};
use crate::session::Session;

/// Answers a request: opens its session, runs `handler`, and saves the session before the response goes on.
///
/// The error of a handler is whatever can be made a response: an [`Error`], or one of the application's own. Where the
/// session cannot be saved, or has to be loaded before the handler and cannot be, the response is another one. If the
/// future is dropped, or the handler panics, before there is a response, nothing is saved but, after a panic, the end of
/// a session.
///
/// # Errors
/// Never: it is what [hyper](https://docs.rs/hyper) wants of a service. Elsewhere,
/// `let Ok(response) = serve(sessions, request, handler).await;` is all there is to it.
pub async fn serve<B, R, E, F>(
    sessions: SessionManager,
    mut request: Request<B>,
    handler: impl FnOnce(Request<B>, Session) -> F,
) -> Result<Response<R>, Infallible>
where
    R: From<String>,
    E: Into<Response<R>>,
    F: Future<Output = Result<Response<R>, E>>,
{
    match nested::find(request.extensions_mut(), &sessions) {
        Outer::Clash(reply) => return Ok(reply.into()),
        Outer::Shared => {
            if let Some(shared) = request.extensions().get::<Session>().cloned() {
                return Ok(handler(request, shared).await.unwrap_or_else(Into::into));
            }
        }
        Outer::Nothing => {}
    }
    let session = sessions.open(&request);
    nested::put(request.extensions_mut(), session.clone());
    if let Some(preparation) = session.prepare()
        && let Some(reply) = preparation.await
    {
        return Ok(reply.into());
    }
    let response = handler(request, session.clone()).await.unwrap_or_else(Into::into);
    let answer = session.close(response.status().as_u16()).await;
    Ok(concluded(response, answer))
}

impl<B> RequestHead for Request<B> {
    fn method(&self) -> &str {
        Request::method(self).as_str()
    }

    fn peer(&self) -> Option<IpAddr> {
        peer::address(self.extensions())
    }

    fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        visit_fields(self.headers(), name, visit);
    }

    fn has_body(&self) -> bool {
        has_body(self, self.version() >= Version::HTTP_2)
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
    for Header { name, value, mode } in headers {
        let name = HeaderName::from_static(name);
        let value = match value {
            Cow::Borrowed(text) => Ok(HeaderValue::from_static(text)),
            Cow::Owned(text) => HeaderValue::try_from(text),
        };
        // The engine writes visible ASCII only.
        let Ok(mut value) = value else { continue };
        // A token: not to be printed, nor to be kept in the compression state of HTTP/2 (RFC 7541 §7.1.3).
        value.set_sensitive(name == SET_COOKIE);
        match mode {
            HeaderMode::Append => drop(map.append(name, value)),
            HeaderMode::Replace => drop(map.insert(name, value)),
            HeaderMode::IfAbsent if map.contains_key(&name) => {}
            HeaderMode::IfAbsent => drop(map.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests;
