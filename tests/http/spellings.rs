//! How a secret would look where it should not be.

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use cloakroom_store::codec::hex;

use crate::routes::decoded;

/// Finds traces of secrets in what was written somewhere.
#[derive(Default)]
pub(crate) struct Secrets {
    traces: Vec<(String, String)>,
}

impl Secrets {
    /// Looks for these bytes as they are, in hexadecimal, in base64 at every alignment, and as `Debug` prints them.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) {
        let digits = hex(bytes).to_string();
        let list = format!("{bytes:?}");
        let mut spellings =
            vec![text(bytes), digits.to_uppercase(), digits, list.trim_matches(['[', ']']).to_owned()];
        for alignment in 0..3 {
            let shifted = [&[0; 3][..alignment], bytes].concat();
            // Characters that neighbouring bytes have a part in are left out.
            let whole = (alignment * 8).div_ceil(6)..shifted.len() * 8 / 6;
            spellings.push(Base64UrlUnpadded::encode_string(&shifted)[whole.clone()].to_owned());
            spellings.push(Base64Unpadded::encode_string(&shifted)[whole].to_owned());
        }
        self.traces.extend(spellings.into_iter().map(|spelling| (name.to_owned(), spelling)));
    }

    /// Looks for a token, its locator and its secret; of each of those, for any half.
    pub(crate) fn add_token(&mut self, token: &str) {
        self.traces.push(("a token".to_owned(), token.to_owned()));
        let bytes = decoded(token);
        let start = if bytes.len() == 32 { 0 } else { 2 };
        for (part, at) in [("a locator", start), ("a secret", start + 16)] {
            for window in bytes[at..at + 16].chunks(8) {
                self.add(part, window);
            }
        }
    }

    /// Fails if there is a trace of any of them in `written`.
    pub(crate) fn assert_absent_from(&self, place: &str, written: &[u8]) {
        let written = text(written);
        for (name, spelling) in &self.traces {
            assert!(!written.contains(spelling), "{name} is in {place}");
        }
    }
}

/// Each byte as a character, so that any bytes can be searched as text.
fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// A search that finds nothing proves nothing, unless it finds what is there.
#[test]
fn a_trace_in_any_spelling_is_found() {
    let token = "1AAECAwQFBgcICQoLDA0OD_Dx8vP09fb3-Pn6-_z9_v8";
    let mut secrets = Secrets::default();
    secrets.add_token(token);
    let bytes = decoded(token);
    let places = [
        format!("Cookie: id={token}").into_bytes(),
        [b"\x01\x02", &bytes[..16], b"..."].concat(),
        [b"\xff", &bytes[24..], b"..."].concat(),
        hex(&bytes[16..]).to_string().to_uppercase().into_bytes(),
        format!("key: {:?}", &bytes[..16]).into_bytes(),
        Base64Unpadded::encode_string(&[b"x", &bytes[16..], b"yz"].concat()).into_bytes(),
        Base64UrlUnpadded::encode_string(&[b"xy", &bytes[..16], b"z"].concat()).into_bytes(),
    ];
    for place in places {
        let found = std::panic::catch_unwind(|| secrets.assert_absent_from("here", &place));
        assert!(found.is_err(), "{}", place.escape_ascii());
    }
    secrets.assert_absent_from("here", b"nothing of that kind");
}
