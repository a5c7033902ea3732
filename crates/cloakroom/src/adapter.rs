//! For authors of adapters: what connects a framework to sessions. Applications use an adapter instead.
//!
//! An adapter opens a session for each request, puts it where handlers find it, and closes it before the response head
//! is sent. It decides nothing by itself:
//!
//! ```
//! use std::net::IpAddr;
//!
//! use cloakroom::adapter::{Answer, Header, HeaderMode, Reply, RequestHead};
//! use cloakroom::{Session, SessionManager};
//! # use cloakroom::{Settings, stores::MemoryStore};
//!
//! // The framework's own types.
//! #[derive(Default)]
//! struct Request { method: String, peer: Option<IpAddr>, headers: Vec<(String, Vec<u8>)> }
//! struct Response { status: u16, headers: Vec<(String, String)>, body: String }
//!
//! impl RequestHead for Request {
//!     fn method(&self) -> &str {
//!         &self.method
//!     }
//!
//!     fn peer(&self) -> Option<IpAddr> {
//!         self.peer
//!     }
//!
//!     fn fields<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
//!         let fields = self.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
//!         fields.for_each(|(_, value)| visit(value));
//!     }
//! }
//!
//! async fn serve(
//!     sessions: &SessionManager,
//!     request: Request,
//!     handler: impl AsyncFnOnce(Request, Session) -> Response,
//! ) -> Response {
//!     let open = sessions.open(&request);
//!     if let Some(preparation) = open.prepare()
//!         && let Some(reply) = preparation.await
//!     {
//!         return respond(reply); // the handler does not run
//!     }
//!     // If the handler panics or the client leaves, `open` is dropped here, and nothing is saved.
//!     let mut response = handler(request, Session::clone(&open)).await;
//!     match open.close(response.status).await {
//!         Answer::Keep(headers) => apply(&mut response, headers.into_fields()),
//!         Answer::Replace(reply) => response = respond(reply),
//!     }
//!     response
//! }
//!
//! fn respond(reply: Reply) -> Response {
//!     let status = reply.status();
//!     let (headers, body) = reply.into_parts();
//!     let mut response = Response { status, headers: Vec::new(), body };
//!     apply(&mut response, headers);
//!     response
//! }
//!
//! fn apply(response: &mut Response, headers: impl Iterator<Item = Header>) {
//!     for header in headers {
//!         let is_same = |(name, _): &(String, String)| name.eq_ignore_ascii_case(header.name);
//!         match header.mode {
//!             HeaderMode::Append => {}
//!             HeaderMode::Replace => response.headers.retain(|field| !is_same(field)),
//!             HeaderMode::IfAbsent if response.headers.iter().any(is_same) => continue,
//!             HeaderMode::IfAbsent => {}
//!         }
//!         response.headers.push((header.name.into(), header.value.into()));
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let sessions = SessionManager::new(MemoryStore::new(), Settings::default()).unwrap();
//! # let response = serve(&sessions, Request::default(), async |_, session| {
//! #     session.insert("visited", &true).await.unwrap();
//! #     Response { status: 200, headers: Vec::new(), body: "Hello".into() }
//! # }).await;
//! # assert!(response.headers.iter().any(|(name, value)| name == "set-cookie" && value.starts_with("__Host-id=")));
//! # assert_eq!((response.status, &*response.body), (200, "Hello"));
//! # }
//! ```
//!
//! A handler's [`Error`](crate::Error) becomes a response by its [`reply`](crate::Error::reply).

pub use crate::answer::{Answer, Closing, Header, HeaderMode, Headers, Reply};
pub use crate::manager::RequestHead;
pub use crate::session::open::OpenSession;
