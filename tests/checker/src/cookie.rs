use base64ct::{Base64UrlUnpadded, Encoding};
use cloakroom_store::codec::hex;
use sha2::{Digest, Sha256};

/// The name of the session cookie.
pub const COOKIE: &str = "__Host-id";

/// The value of a session cookie.
pub type Cookie = String;

/// The public name of a session, as [`cloakroom::SessionHandle`] prints it.
pub type Handle = String;

/// The name of the session that a cookie belongs to, whatever its secret: `docs/format.md` has the recipe. `None` if the
/// value is no token that was made without a secret key.
pub fn handle_of(cookie: &str) -> Option<Handle> {
    let text = cookie.strip_prefix(VERSION)?;
    let token = Base64UrlUnpadded::decode_vec(text).ok().filter(|token| token.len() == 32)?;
    let hash = Sha256::new()
        .chain_update(b"cloakroom/key/1")
        .chain_update((COOKIE.len() as u64).to_be_bytes())
        .chain_update(COOKIE)
        .chain_update(&token[..16])
        .finalize();
    Some(hex(&hash).to_string())
}

/// A well-formed cookie that no server issued.
pub(crate) fn forged(bytes: [u8; 32]) -> Cookie {
    format!("{VERSION}{}", Base64UrlUnpadded::encode_string(&bytes))
}

/// What a token begins with.
const VERSION: char = '1';
