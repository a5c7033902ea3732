//! Server-side HTTP sessions.

mod error;
pub mod stores;

pub use error::ConfigError;
