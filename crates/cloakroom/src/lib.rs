//! Server-side HTTP sessions.

#[allow(dead_code, unused_imports, reason = "the engine that uses it is not there yet")]
mod cookie;
#[allow(dead_code, reason = "the engine that uses it is not there yet")]
mod error;
#[allow(dead_code, reason = "the engine that uses it is not there yet")]
mod random;
pub mod stores;
#[allow(dead_code, reason = "the engine that uses it is not there yet")]
mod token;

pub use cookie::SameSite;
pub use error::ConfigError;
pub use token::SecretKey;
