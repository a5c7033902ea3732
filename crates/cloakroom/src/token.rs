//! The token: what the cookie carries, and what the store sees of it.
//!
//! A token is `locator ‖ secret`, 16 random bytes each. The locator finds the record and the secret
//! opens it, so a rotation replaces the secret in the same record. Stores hold hashes of both and
//! nothing else: whoever reads a store finds no usable cookie.
//!
//! ```text
//! without a secret key   base64url(locator ‖ secret)                         43 characters
//! with one               base64url(key number ‖ locator ‖ secret ‖ MAC)      67 characters
//! ```
//!
//! The hashes are made by a [`Keyring`]. `docs/format.md` holds the recipe byte for byte.

mod keyring;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod secret_key;
#[cfg(test)]
mod tests;

pub(crate) use keyring::Keyring;
pub use secret_key::SecretKey;

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

/// A token that is ours: freshly minted, or read and checked by [`Keyring::parse`].
#[derive(Clone)]
pub(crate) struct Token {
    locator: [u8; LOCATOR_LEN],
    secret: Secret,
    /// The number of the secret key that signs it, kept for the life of the session because the
    /// store key depends on it.
    key_number: Option<u16>,
}

impl Token {
    /// The longest printed form, in bytes.
    pub(crate) const MAX_PRINTED_LEN: usize = keyring::KEYED_TEXT_LEN;
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        let same = self.locator.ct_eq(&other.locator) & self.secret.ct_eq(&other.secret);
        same.into() && self.key_number == other.key_number
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

/// The half of a token that opens the record.
#[derive(Clone)]
pub(crate) struct Secret([u8; SECRET_LEN]);

impl ConstantTimeEq for Secret {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Secret {}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What the record keeps of the secret: a hash, compared in constant time.
#[derive(Clone, Copy)]
pub(crate) struct Verifier([u8; Verifier::LEN]);

impl Verifier {
    /// Length in bytes.
    pub(crate) const LEN: usize = 16;

    /// The verifier made of these bytes, as read from a record.
    pub(crate) const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes, as written to a record.
    pub(crate) const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl PartialEq for Verifier {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Verifier {}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

const LOCATOR_LEN: usize = 16;
const SECRET_LEN: usize = 16;
