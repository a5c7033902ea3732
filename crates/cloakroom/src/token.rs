//! The token: what the cookie carries, and what the store sees of it.
//!
//! A token is `locator ‖ secret`, 16 random bytes each. The locator finds the record and the secret
//! opens it, so a rotation replaces the secret in the same record. Stores hold hashes of both and
//! nothing else: whoever reads a store finds no usable cookie.
//!
//! ```text
//! without a secret key   1 base64url(locator ‖ secret)                        44 characters
//! with one               1 base64url(key number ‖ locator ‖ secret ‖ MAC)     68 characters
//! ```
//!
//! The hashes are made by a [`Keyring`]. `docs/format.md` holds the recipe byte for byte.

mod keyring;
mod parts;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod secret_key;
#[cfg(test)]
mod tests;

pub(crate) use keyring::Keyring;
pub(crate) use parts::{Token, Verifier};
pub use secret_key::SecretKey;
