use std::fmt;
use std::str::FromStr;

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Deserializer, de};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::ConfigError;
use crate::random::Random;

/// A key that signs tokens, at least 32 bytes, shared by all instances of a site.
///
/// Make one with `openssl rand -base64 32` and keep it where the site keeps its passwords. It is read
/// from text in hexadecimal, base64 or base64url. Keys that nobody drew at random are refused: zeroes,
/// a repeated pattern, counting bytes, few different bytes.
///
/// It is never printed or serialized, compares in constant time and is wiped from memory when dropped.
///
/// ```
/// # use cloakroom::SecretKey;
/// let key: SecretKey = "RuT5k/RmKdS8rOShDxJ7vlnMmWkO8JtyjlR7EOHS6pg=".parse()?;
/// assert_eq!(format!("{key:?}"), "SecretKey(..)");
/// assert!("correct horse battery staple".parse::<SecretKey>().is_err());
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SecretKey(Zeroizing<Vec<u8>>);

impl SecretKey {
    /// The shortest key accepted, in bytes.
    pub const MIN_LEN: usize = 32;

    /// The key made of these bytes, which a random generator must have drawn.
    ///
    /// # Errors
    ///
    /// When it is shorter than 32 bytes or visibly not random.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        Self::checked(Zeroizing::new(bytes.to_vec()))
    }

    /// A new key of 32 bytes from the operating system.
    ///
    /// Good for tests and for a single process whose sessions end with it: it cannot be written down, and
    /// tokens signed with it are refused by everything else.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut bytes = Zeroizing::new(vec![0; Self::MIN_LEN]);
        Random::os().fill(&mut bytes).map_err(|error| ConfigError::hidden(SETTING, error.to_string()))?;
        Self::checked(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn checked(bytes: Zeroizing<Vec<u8>>) -> Result<Self, ConfigError> {
        if bytes.len() < Self::MIN_LEN {
            return Err(refused("it is shorter than 32 bytes"));
        }
        if repeats(&bytes) {
            return Err(refused("it repeats one pattern"));
        }
        let steps = bytes.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        if distinct(bytes.iter().copied()) < MIN_DISTINCT || distinct(steps) < MIN_DISTINCT {
            return Err(refused("its bytes are not random"));
        }
        Ok(Self(bytes))
    }
}

impl FromStr for SecretKey {
    type Err = ConfigError;

    /// Reads hexadecimal, base64 or base64url, with or without padding; white space around it is ignored.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let text = text.trim_ascii();
        let bytes = decode_hex(text).or_else(|| decode_base64(text));
        Self::checked(bytes.ok_or_else(|| refused("it is neither hexadecimal nor base64"))?)
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl<'de> Deserialize<'de> for SecretKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(de::Error::custom)
    }
}

fn refused(why: &'static str) -> ConfigError {
    ConfigError::hidden(SETTING, format!("{why}: make a key with `openssl rand -base64 32`"))
}

fn decode_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: u8| Some(char::from(byte).to_digit(16)? as u8);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for &[high, low] in pairs {
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    Some(bytes)
}

fn decode_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim_end_matches('=');
    let url_safe = text.contains(['-', '_']);
    let bytes = if url_safe { Base64UrlUnpadded::decode_vec(text) } else { Base64Unpadded::decode_vec(text) };
    bytes.ok().map(Zeroizing::new)
}

/// Whether the bytes are one shorter pattern, at least twice (the last time maybe cut off).
fn repeats(bytes: &[u8]) -> bool {
    (1..=bytes.len() / 2).any(|period| bytes[period..] == bytes[..bytes.len() - period])
}

fn distinct(bytes: impl Iterator<Item = u8>) -> usize {
    let mut seen = [false; 256];
    bytes.for_each(|byte| seen[usize::from(byte)] = true);
    seen.iter().filter(|seen| **seen).count()
}

const SETTING: &str = "secret_key";

/// Of 32 random bytes about 30 are different; fewer than this does not happen, not even when the bytes
/// are 64 hexadecimal digits taken as they are.
const MIN_DISTINCT: usize = 12;
