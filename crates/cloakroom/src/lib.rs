//! Server-side HTTP sessions.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapters;
mod answer;
mod calls;
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
mod keys;
mod lifecycle;
mod lock;
mod manager;
mod oplog;
mod random;
mod session;
pub mod stores;
mod sweep;
mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod value;

#[cfg(feature = "axum_v0_8")]
pub use adapters::axum_v0_8;
#[cfg(feature = "tower")]
pub use adapters::tower;
pub use answer::{Answer, Closing, Header, Headers, Reply};
pub use client_address::TrustedProxy;
pub use cloakroom_store::Subject;
pub use config::{Initializer, Locking, OnConflict, OnReuse, OnSubjectLimit, Settings};
pub use cookie::SameSite;
pub use error::{ConfigError, Error, ErrorKind, Result};
pub use keys::{AnyKey, Key, SessionKey, WriteKey};
pub use manager::{Handle, RequestHead, SessionInfo, SessionManager, Times};
pub use session::{Origin, Route, Session};
pub use token::SecretKey;

/// The code in the README and in the guide, compiled and run as documentation tests.
#[cfg(all(doctest, feature = "axum_v0_8", feature = "testing"))]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/guide.md")]
    struct Guide;
}
