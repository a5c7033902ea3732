use std::fmt::Write;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

/// The value of a session cookie.
pub type Cookie = String;

/// The public name of a session, as [`cloakroom::SessionHandle`] prints it.
pub type Handle = String;

/// The name of the session that a cookie belongs to, whatever its secret: `docs/format.md` has the recipe. `None` if the
/// value is no token that was made without a secret key.
pub(crate) fn handle_of(cookie: &str) -> Option<Handle> {
    let token = Base64UrlUnpadded::decode_vec(cookie).ok().filter(|token| token.len() == 32)?;
    let hash = Sha256::new().chain_update(b"cloakroom/key/1").chain_update(&token[..16]).finalize();
    Some(hash.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    }))
}

/// A well-formed cookie that nobody issued.
pub(crate) fn forged(bytes: [u8; 32]) -> Cookie {
    Base64UrlUnpadded::encode_string(&bytes)
}
