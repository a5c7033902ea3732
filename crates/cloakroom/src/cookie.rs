//! Cookies: reads `Cookie` fields, writes `Set-Cookie`.
//!
//! Reading is a byte scanner of our own. Parsers that decode names, trim Unicode white space or follow
//! quotes and `$Version` see cookies that the browser never meant, and let a sibling subdomain plant a
//! `__Host-` cookie.

mod presented;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod template;
#[cfg(test)]
mod tests;

pub(crate) use presented::Presented;
pub use template::SameSite;
pub(crate) use template::{CookieAttributes, CookieTemplate};

use std::ops::ControlFlow;

/// Visits the value of every cookie called exactly `name` in one `Cookie` field.
///
/// The grammar is the one browsers write (RFC 6265bis §5.8.3): pairs between semicolons, a name up to
/// the first `=`. Names are compared byte for byte and never decoded; only space and tab are trimmed; a
/// value is handed on as it stands, quotes and all. Neighbouring bytes may be anything. One pass, no
/// allocation.
pub(crate) fn scan(
    field: &[u8],
    name: &[u8],
    visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for pair in field.split(|byte| *byte == b';') {
        let pair = trim(pair);
        // Most cookies are not ours: look at the name before looking for the end of it.
        let Some(rest) = pair.strip_prefix(name) else { continue };
        if let Some(value) = trim(rest).strip_prefix(b"=") {
            visit(trim(value))?;
        }
    }
    ControlFlow::Continue(())
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
