//! Server-side HTTP sessions: what a visitor leaves with you stays on the server, and a cookie fetches it back.
//!
//! A [`SessionManager`] joins a store to [`Settings`]; an adapter's layer gives each request its [`Session`]:
//!
//! ```
//! # extern crate axum08 as axum;
//! # #[cfg(feature = "axum_v0_8")] {
//! use axum::{Router, routing::get};
//! use cloakroom::axum_v0_8::SessionLayer;
//! use cloakroom::stores::MemoryStore;
//! use cloakroom::{Session, SessionKey, SessionManager, Settings};
//!
//! const VISITS: SessionKey<u64> = SessionKey::new("visits");
//!
//! async fn hello(session: Session) -> cloakroom::Result<String> {
//!     let visits = session.update(VISITS, |visits| {
//!         let visits = visits.get_or_insert_default();
//!         *visits += 1;
//!         *visits
//!     }).await?;
//!     Ok(format!("This is visit number {visits}."))
//! }
//!
//! fn app() -> Result<Router, cloakroom::ConfigError> {
//!     let sessions = SessionManager::new(MemoryStore::new(), Settings::default())?;
//!     Ok(Router::new().route("/", get(hello)).layer(SessionLayer::new(sessions)))
//! }
//! # app().unwrap();
//! # }
//! ```
//!
//! # What holds
//!
//! - Every change is one conditional write on one record. No acknowledged change gets lost, however many requests run at
//!   once, and no request that is still running brings back a session that was ended.
//! - A response leaves when its session is saved. If that fails, the response says so instead.
//! - A store that does not answer is an error, never an empty session.
//! - A request that does not use its session causes no store call and sets no cookie. A session that holds nothing is not
//!   stored.
//! - Stores hold hashes of tokens, so a copy of a store opens no session.
//!
//! # Where things are
//!
//! | | |
//! | --- | --- |
//! | [`Session`] | what handlers use: read, write, sign in and out |
//! | [`SessionKey`] | names a value and its type |
//! | [`SessionManager`] | a user's sessions, for pages and background jobs; starting and stopping |
//! | [`Settings`] | every setting with its default; [`RouteOptions`] has those for single routes |
//! | [`Error`], [`ErrorKind`] | what can go wrong with a session, and the status that says so |
//! | [`SignedIn`] | what handlers take that are for signed-in users |
#![cfg_attr(feature = "axum_v0_8", doc = "| [`axum_v0_8`] | adapter for axum 0.8, and a tutorial |")]
#![cfg_attr(feature = "actix_v4", doc = "| [`actix_v4`] | adapter for actix-web 4, and a tutorial |")]
#![cfg_attr(feature = "rocket_v0_5", doc = "| [`rocket_v0_5`] | adapter for Rocket 0.5, and a tutorial |")]
#![cfg_attr(feature = "poem_v3", doc = "| [`poem_v3`] | adapter for Poem 3, and a tutorial |")]
#![cfg_attr(feature = "salvo_v1", doc = "| [`salvo_v1`] | adapter for Salvo 1, and a tutorial |")]
#![cfg_attr(feature = "tower", doc = "| [`tower`] | adapter for any tower service, and a tutorial |")]
#![cfg_attr(feature = "http_v1", doc = "| [`http_v1`] | adapter for hyper 1 alone, and a tutorial |")]
//! | [`stores`] | the store in memory; others are crates of their own, such as `cloakroom-redb` |
#![cfg_attr(feature = "testing", doc = "| [`testing`] | for an application's own tests |")]
//!
//! An adapter for another framework uses the module [`adapter`]. A store implements [`Store`]; the crate
//! `cloakroom-store` has all that goes with it.
//!
//! # Features
//!
//! None is on by default, and each pulls in only what it names.
//!
//! | | |
//! | --- | --- |
//! | `axum_v0_8` | the adapter for axum 0.8; implies `tower` |
//! | `actix_v4` | the adapter for actix-web 4 |
//! | `rocket_v0_5` | the adapter for Rocket 0.5 |
//! | `poem_v3` | the adapter for Poem 3; implies `http_v1` |
//! | `salvo_v1` | the adapter for Salvo 1; implies `http_v1` |
//! | `tower` | the adapter for tower services over `http` types; implies `http_v1` |
//! | `http_v1` | the adapter for hyper 1 alone, or whatever has the types of `http` |
//! | `metrics` | counters and a histogram through the `metrics` facade |
//! | `testing` | sessions made by hand, a clock to move, a client that keeps cookies, a store that fails on command |
//!
//! The guide, `docs/guide.md` in the repository, goes from the first session to settings, recipes, tests, and what a
//! visitor gets when something fails.

#![cfg_attr(docsrs, feature(doc_cfg))]

// The tests, and the frameworks' macros in them, name the frameworks as applications do.
#[cfg(all(test, feature = "actix_v4"))]
extern crate actix_web4 as actix_web;
#[cfg(all(test, feature = "poem_v3"))]
extern crate poem3 as poem;
#[cfg(all(test, feature = "rocket_v0_5"))]
extern crate rocket05 as rocket;

pub mod adapter;
mod adapters;
mod answer;
mod calls;
mod client;
mod client_address;
mod clock;
mod config;
mod cookie;
mod engine;
mod envelope;
mod error;
mod events;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[allow(missing_docs, reason = "no part of the public API: exists for cargo-fuzz only")]
pub mod fuzzing;
mod info;
mod join;
mod keys;
mod lease;
mod lifecycle;
mod manager;
mod oplog;
mod options;
mod queues;
mod random;
mod rate;
mod request;
mod request_start;
mod route_options;
mod rules;
mod seen_leases;
mod session;
mod sign_ins;
pub mod stores;
mod subjects;
mod sweeper;
mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod value;
mod watch;
mod watcher;
mod write;

#[cfg(feature = "actix_v4")]
pub use adapters::actix_v4;
#[cfg(feature = "axum_v0_8")]
pub use adapters::axum_v0_8;
#[cfg(feature = "http_v1")]
pub use adapters::http_v1;
#[cfg(feature = "poem_v3")]
pub use adapters::poem_v3;
#[cfg(feature = "rocket_v0_5")]
pub use adapters::rocket_v0_5;
#[cfg(feature = "salvo_v1")]
pub use adapters::salvo_v1;
#[cfg(feature = "tower")]
pub use adapters::tower;
pub use client_address::TrustedProxy;
pub use cloakroom_store::{BoxFuture, DynStore, InvalidSubject, ParseKeyError, Store, Subject};
pub use config::{Initializer, Locking, OnConflict, OnReuse, OnSubjectLimit, Settings, SubjectLimit};
pub use cookie::SameSite;
pub use error::{ConfigError, Error, ErrorKind, Result};
pub use info::{EndReason, RecentSessions, SessionHandle, SessionInfo, SessionStatus, SessionTimes};
pub use keys::{AnyKey, ReadKey, SessionKey, WriteKey};
pub use manager::SessionManager;
pub use route_options::RouteOptions;
pub use session::{Session, SignedIn};
pub use token::SecretKey;
pub use watch::SessionEnd;
