//! What a token consists of, and what the record keeps of it. None of it can be seen in a `Debug` output.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

/// A token that is ours: freshly minted, or read and checked by [`Keyring::parse`].
#[derive(Clone)]
pub(crate) struct Token {
    pub(super) locator: [u8; LOCATOR_LEN],
    pub(super) secret: Secret,
    /// The number of the secret key that signs it, kept for the life of the session because the
    /// store key depends on it.
    pub(super) key_number: Option<u16>,
}

impl Token {
    /// The longest printed form, in bytes.
    pub(crate) const MAX_PRINTED_LEN: usize = printed_len(KEYED_LEN);
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
pub(crate) struct Secret(pub(super) [u8; SECRET_LEN]);

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

/// The length of a printed token that carries `len` bytes: a version, and base64 without padding.
pub(super) const fn printed_len(len: usize) -> usize {
    1 + (len * 4).div_ceil(3)
}

pub(super) const LOCATOR_LEN: usize = 16;
pub(super) const SECRET_LEN: usize = 16;
pub(super) const NUMBER_LEN: usize = 2;
pub(super) const MAC_LEN: usize = 16;
/// What a token carries without a secret key.
pub(super) const PLAIN_LEN: usize = LOCATOR_LEN + SECRET_LEN;
/// What it carries with one.
pub(super) const KEYED_LEN: usize = NUMBER_LEN + PLAIN_LEN + MAC_LEN;
