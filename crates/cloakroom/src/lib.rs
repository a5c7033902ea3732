//! Server-side HTTP sessions.

#[allow(dead_code, reason = "the engine that uses it is not there yet")]
mod client_address;
#[allow(dead_code, unused_imports, reason = "the engine that uses it is not there yet")]
mod cookie;
#[allow(dead_code, reason = "the engine that uses it is not there yet")]
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[allow(missing_docs, reason = "no part of the public API: exists for cargo-fuzz only")]
pub mod fuzzing;
#[allow(dead_code, reason = "the engine that uses it is not there yet")]
mod random;
pub mod stores;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[allow(dead_code, reason = "the engine that uses it is not there yet")]
mod token;

pub use client_address::TrustedProxy;
pub use cookie::SameSite;
pub use error::ConfigError;
pub use token::SecretKey;
