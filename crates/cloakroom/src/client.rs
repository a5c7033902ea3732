//! Who sends a request, as far as a server can tell: an address and a `User-Agent`.

use std::net::IpAddr;
use std::sync::Arc;

/// What is known of the client of a request; nothing of it proves anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    /// By the rules for trusted proxies.
    pub(crate) address: Option<IpAddr>,
    /// As [`user_agent`] reads it.
    pub(crate) user_agent: Option<Arc<str>>,
}

/// What a `User-Agent` field says, as it is kept: without characters that a line of text does not show, and at most
/// [`MAX_USER_AGENT`] bytes of it. `None` if nothing is left.
///
/// It stays a stranger's text, to be escaped in a page.
pub(crate) fn user_agent(field: &[u8]) -> Option<Arc<str>> {
    let mut text = String::new();
    // A field may hold any bytes above 0x7f (`obs-text`, RFC 9110 §5.5).
    for chunk in field.trim_ascii().utf8_chunks() {
        let damaged = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        for char in chunk.valid().chars().chain(damaged).filter(|char| !is_control(*char)) {
            if text.len() + char.len_utf8() > MAX_USER_AGENT {
                return Some(text.into());
            }
            text.push(char);
        }
    }
    (!text.is_empty()).then(|| text.into())
}

/// Controls, line and paragraph separators, and the marks that turn the direction of the text around them (Unicode
/// Standard Annex #9).
fn is_control(char: char) -> bool {
    matches!(char, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || char.is_control()
}

/// Browsers' are shorter.
const MAX_USER_AGENT: usize = 256;

#[cfg(test)]
mod tests;
