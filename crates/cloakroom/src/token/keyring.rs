use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use cloakroom_store::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::parts::{
    KEYED_LEN, LOCATOR_LEN, MAC_LEN, NUMBER_LEN, PLAIN_LEN, SECRET_LEN, Secret, Token, Verifier, printed_len,
};
use super::secret_key::SecretKey;
use crate::error::ConfigError;
use crate::random::{Random, RandomError};

/// Makes tokens, reads them back, and derives from them what the store sees.
///
/// With secret keys the first signs new tokens and all of them verify; the number inside a token
/// selects exactly one of them, none is ever tried on speculation. A session stays with the key it
/// was made under, so removing a key ends the sessions made under it.
pub(crate) struct Keyring {
    /// Empty: tokens carry no MAC and hashes are unkeyed.
    keys: Vec<DerivedKeys>,
    /// What the unkeyed hash of every locator begins with.
    plain_key: Sha256,
}

impl Keyring {
    /// The ring for cookies of this name.
    ///
    /// # Errors
    ///
    /// When a key appears twice, when two keys happen to have the same number, or when there are
    /// previous keys and no current one.
    pub(crate) fn new(
        cookie_name: &str,
        secret_key: Option<&SecretKey>,
        previous: &[SecretKey],
    ) -> Result<Self, ConfigError> {
        let plain_key = Sha256::new_with_prefix(bound_to_name(KEY_LABEL, cookie_name));
        let Some(secret_key) = secret_key else {
            return match previous {
                [] => Ok(Self { keys: Vec::new(), plain_key }),
                _ => Err(ConfigError::hidden(
                    PREVIOUS,
                    "previous keys verify tokens and cannot sign new ones: set secret_key as well",
                )),
            };
        };
        let mut keys = vec![DerivedKeys::new(secret_key, cookie_name)];
        for (index, key) in previous.iter().enumerate() {
            if key == secret_key || previous[..index].contains(key) {
                return Err(ConfigError::hidden(
                    PREVIOUS,
                    "the same key is listed twice: remove one of the two",
                ));
            }
            let derived = DerivedKeys::new(key, cookie_name);
            if keys.iter().any(|other| other.number == derived.number) {
                return Err(ConfigError::hidden(
                    PREVIOUS,
                    "two different keys share one key number, as happens to one pair in 65536: generate \
                     another secret_key",
                ));
            }
            keys.push(derived);
        }
        Ok(Self { keys, plain_key })
    }

    /// A new token for a new session.
    pub(crate) fn mint(&self, random: &Random) -> Result<Token, RandomError> {
        let mut bytes = Zeroizing::new([0; PLAIN_LEN]);
        random.fill(bytes.as_mut_slice())?;
        Ok(token_of(&bytes, self.keys.first().map(|keys| keys.number)))
    }

    /// A token for the same record with a new secret: the old one stops opening it.
    pub(crate) fn renew(&self, token: &Token, random: &Random) -> Result<Token, RandomError> {
        let mut secret = Secret([0; SECRET_LEN]);
        random.fill(&mut secret.0)?;
        Ok(Token { secret, ..token.clone() })
    }

    /// Reads the value of a cookie; `None` unless this ring would have printed exactly that value.
    pub(crate) fn parse(&self, value: &[u8]) -> Option<Token> {
        if self.keys.is_empty() {
            return Some(token_of(&*decode::<PLAIN_LEN>(value)?, None));
        }
        let bytes = decode::<KEYED_LEN>(value)?;
        let (number, rest) = bytes.split_first_chunk()?;
        let (halves, mac) = rest.split_first_chunk()?;
        let number = u16::from_be_bytes(*number);
        let keys = self.numbered(number)?;
        let token = token_of(halves, Some(number));
        keys.mac(&token).verify_truncated_left(mac).ok()?;
        Some(token)
    }

    /// The value of the cookie.
    pub(crate) fn print(&self, token: &Token) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; KEYED_LEN]);
        let used = match self.keys_of(token) {
            None => {
                let (locator, rest) = bytes.split_at_mut(LOCATOR_LEN);
                locator.copy_from_slice(&token.locator);
                rest[..SECRET_LEN].copy_from_slice(&token.secret.0);
                PLAIN_LEN
            }
            Some(keys) => {
                let (number, rest) = bytes.split_at_mut(NUMBER_LEN);
                let (locator, rest) = rest.split_at_mut(LOCATOR_LEN);
                let (secret, mac) = rest.split_at_mut(SECRET_LEN);
                number.copy_from_slice(&keys.number.to_be_bytes());
                locator.copy_from_slice(&token.locator);
                secret.copy_from_slice(&token.secret.0);
                mac.copy_from_slice(&keys.mac(token).finalize().as_bytes()[..MAC_LEN]);
                KEYED_LEN
            }
        };
        let mut room = Zeroizing::new([0; Token::MAX_PRINTED_LEN]);
        let text = Base64UrlUnpadded::encode(&bytes[..used], room.as_mut_slice());
        Zeroizing::new([VERSION, text.expect("room for the longest token")].concat())
    }

    /// Where the store keeps the record of this token: under another cookie name it would be elsewhere.
    pub(crate) fn key(&self, token: &Token) -> Key {
        let hash = match self.keys_of(token) {
            None => self.plain_key.clone().chain_update(token.locator).finalize(),
            Some(keys) => *keys.store_key.clone().chain_update(token.locator).finalize().as_bytes(),
        };
        Key::new(hash.into())
    }

    /// What the record keeps to recognise this token's secret.
    ///
    /// It covers the locator too, so two records never hold comparable verifiers.
    pub(crate) fn verifier(&self, token: &Token) -> Verifier {
        let (locator, secret) = (&token.locator, &token.secret.0);
        let hash = match self.keys_of(token) {
            None => Sha256::new()
                .chain_update(VERIFIER_LABEL)
                .chain_update(locator)
                .chain_update(secret)
                .finalize(),
            Some(keys) => {
                *keys.verifier.clone().chain_update(locator).chain_update(secret).finalize().as_bytes()
            }
        };
        Verifier::new(std::array::from_fn(|i| hash[i]))
    }

    /// The keys this token was signed with; `None` on a ring without keys.
    fn keys_of(&self, token: &Token) -> Option<&DerivedKeys> {
        let number = token.key_number?;
        Some(self.numbered(number).expect("a token is used with the ring that made it"))
    }

    fn numbered(&self, number: u16) -> Option<&DerivedKeys> {
        self.keys.iter().find(|keys| keys.number == number)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

/// One secret key, turned into a key for each purpose, each absorbed into a state ready to be cloned.
struct DerivedKeys {
    number: u16,
    mac: Hmac<Sha256>,
    store_key: Hmac<Sha256>,
    verifier: Hmac<Sha256>,
}

impl DerivedKeys {
    fn new(secret_key: &SecretKey, cookie_name: &str) -> Self {
        let derive = |label: &[u8]| hmac(secret_key.as_bytes()).chain_update(label).finalize();
        let number = derive(NUMBER_LABEL);
        let number = u16::from_be_bytes([number.as_bytes()[0], number.as_bytes()[1]]);
        let prefixed = |key: &[u8], label| hmac(key).chain_update(bound_to_name(label, cookie_name));
        Self {
            number,
            mac: prefixed(derive(MAC_LABEL).as_bytes(), TOKEN_LABEL).chain_update(number.to_be_bytes()),
            store_key: prefixed(derive(KEY_LABEL).as_bytes(), KEY_LABEL),
            verifier: hmac(derive(VERIFIER_LABEL).as_bytes()),
        }
    }

    /// The MAC over a token, which binds it to the cookie's name and to this key.
    fn mac(&self, token: &Token) -> Hmac<Sha256> {
        self.mac.clone().chain_update(token.locator).chain_update(token.secret.0)
    }
}

/// The token made of locator and secret, in this order.
fn token_of(bytes: &[u8; PLAIN_LEN], key_number: Option<u16>) -> Token {
    let locator = std::array::from_fn(|i| bytes[i]);
    let secret = Secret(std::array::from_fn(|i| bytes[LOCATOR_LEN + i]));
    Token { locator, secret, key_number }
}

/// What binds a hash to a purpose, which the label names with its version, and to the cookie's name. The name's length
/// goes first, so that no name can be read as another name and the beginning of what follows.
fn bound_to_name(label: &[u8], cookie_name: &str) -> Vec<u8> {
    [label, &(cookie_name.len() as u64).to_be_bytes(), cookie_name.as_bytes()].concat()
}

/// Reads the printed form of exactly `LEN` bytes: the version, and base64url without padding in its one canonical form.
/// Another version is as bad as any other character, for anybody can make one up.
fn decode<const LEN: usize>(value: &[u8]) -> Option<Zeroizing<[u8; LEN]>> {
    let text = value.strip_prefix(VERSION.as_bytes()).filter(|_| value.len() == printed_len(LEN))?;
    let mut bytes = Zeroizing::new([0; LEN]);
    Base64UrlUnpadded::decode(text, bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

/// What every printed token begins with.
const VERSION: &str = "1";

const PREVIOUS: &str = "previous_secret_keys";

// Every hash has its own label, so that no output can stand in for another.
const NUMBER_LABEL: &[u8] = b"cloakroom/number/1";
const MAC_LABEL: &[u8] = b"cloakroom/mac/1";
const KEY_LABEL: &[u8] = b"cloakroom/key/1";
const VERIFIER_LABEL: &[u8] = b"cloakroom/verifier/1";
const TOKEN_LABEL: &[u8] = b"cloakroom/token/1";
// What is hashed without a key fits into one block of SHA-256, 55 bytes beside the padding, if the cookie's name is not
// longer than 16 bytes.
const _: () = assert!(KEY_LABEL.len() + 8 + 16 + LOCATOR_LEN <= 55);
const _: () = assert!(VERIFIER_LABEL.len() + LOCATOR_LEN + SECRET_LEN <= 55);
