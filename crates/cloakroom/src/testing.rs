//! What an application's own tests need: a session made by hand, a clock to move, a cookie jar, a store that fails on
//! command. Feature `testing`, for `[dev-dependencies]`.
//!
//! A handler alone, with a [`session`] made for it:
//!
//! ```
//! # async fn greet(session: cloakroom::Session) -> Result<String, cloakroom::Error> {
//! #     Ok(format!("Hello, {}!", session.get::<String>("name").await?.unwrap_or_default()))
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom::Error> {
//! let session = cloakroom::testing::session().with("name", "Ann").signed_in("ann").build();
//! assert_eq!(greet(session).await?, "Hello, Ann!");
//! # Ok(())
//! # }
//! ```
//!
//! A whole application without a server, on a clock and a store of the test's, for a client that keeps
//! cookies as a browser does:
//!
//! ```
//! # extern crate axum08 as axum;
//! # #[cfg(feature = "axum_v0_8")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::time::Duration;
//!
//! use axum::Router;
//! use axum::body::Body;
//! use axum::http::{Request, StatusCode};
//! use axum::routing::{get, post};
//! use cloakroom::axum_v0_8::SessionLayer;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::testing::{self, Client, Fault, FaultyStore, TestClock};
//! use cloakroom::{Error, Session, SessionManager, Settings};
//!
//! // The application, which is given its sessions.
//! fn app(sessions: SessionManager) -> Router {
//!     let sign_in = async |session: Session| session.sign_in("ann").await;
//!     let account = async |session: Session| {
//!         let signed_in = session.subject().await?.is_some();
//!         Ok::<_, Error>(if signed_in { StatusCode::OK } else { StatusCode::UNAUTHORIZED })
//!     };
//!     Router::new()
//!         .route("/sign-in", post(sign_in))
//!         .route("/account", get(account))
//!         .layer(SessionLayer::new(sessions))
//! }
//!
//! let (clock, store) = (TestClock::new(), FaultyStore::new(MemoryStore::new()));
//! let settings = Settings::new().idle_timeout(Duration::from_secs(600));
//! let app = app(testing::manager(store.clone(), settings, &clock).unwrap());
//! let mut browser = Client::new(app);
//! let account = || Request::get("/account").body(Body::empty()).unwrap();
//!
//! browser.send(Request::post("/sign-in").body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(browser.send(account()).await.unwrap().status(), 200);
//!
//! store.fail(Fault::Unavailable);
//! assert_eq!(browser.send(account()).await.unwrap().status(), 503);
//! store.heal();
//! assert_eq!(browser.send(account()).await.unwrap().status(), 200, "an outage signs nobody out");
//!
//! clock.advance(Duration::from_secs(600));
//! assert_eq!(browser.send(account()).await.unwrap().status(), 401);
//! # }
//! # #[cfg(not(feature = "axum_v0_8"))]
//! # fn main() {}
//! ```

#[cfg(feature = "tower")]
mod client;
mod faulty;
mod jar;
mod session;

use cloakroom_store::Store;
use std::sync::Arc;

#[cfg(feature = "tower")]
pub use self::client::Client;
pub use self::faulty::{Call, Fault, FaultyStore};
pub use self::jar::Jar;
pub use self::session::{SessionBuilder, session};
use crate::clock::Clock;
pub use crate::clock::TestClock;
use crate::config::Settings;
use crate::error::ConfigError;
use crate::manager::SessionManager;
use crate::random::Random;

/// [`SessionManager::new`] on a clock that the test moves.
///
/// # Errors
/// As [`SessionManager::new`].
pub fn manager(
    store: impl Store,
    settings: Settings,
    clock: &TestClock,
) -> Result<SessionManager, ConfigError> {
    SessionManager::assemble(Arc::new(store), settings, Clock::Test(clock.clone()), Random::os())
}

/// [`SessionManager::new`] on an operating system that gives no random bytes.
///
/// # Errors
/// As [`SessionManager::new`].
pub fn manager_without_randomness(
    store: impl Store,
    settings: Settings,
) -> Result<SessionManager, ConfigError> {
    SessionManager::assemble(Arc::new(store), settings, Clock::System, Random::failing())
}
