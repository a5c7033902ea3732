//! Cookies: reads `Cookie` fields, writes `Set-Cookie`.
//!
//! Reading is a byte scanner of our own. Parsers that decode names, trim Unicode white space or follow
//! quotes and `$Version` see cookies that the browser never meant, and let a sibling subdomain plant a
//! `__Host-` cookie.

#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod template;
#[cfg(test)]
mod tests;

pub use template::SameSite;
pub(crate) use template::{CookieAttributes, CookieTemplate};

use std::ops::ControlFlow;

use crate::token::{Keyring, Token};

/// The tokens a request presents: distinct, well formed, at most four.
///
/// One browser sends one. More can come from cookies of the same name with another path or domain; the
/// engine looks each of them up, and the single valid one wins whatever its place. So many that the work
/// would not be bounded are ambiguous, and then none is used.
#[derive(Debug, Default)]
pub(crate) struct Presented {
    tokens: [Option<Token>; Presented::MAX],
    ambiguous: bool,
}

impl Presented {
    /// The most tokens that are looked up.
    pub(crate) const MAX: usize = 4;

    /// Adds the tokens in one of a request's `Cookie` fields.
    pub(crate) fn read(&mut self, field: &[u8], name: &str, keyring: &Keyring) {
        if self.ambiguous {
            return;
        }
        _ = scan(field, name.as_bytes(), &mut |value| match keyring.parse(value) {
            Some(token) => self.add(token),
            None => ControlFlow::Continue(()),
        });
    }

    /// The tokens, in the order they came; none when there were too many.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().flatten()
    }

    /// Whether nothing was presented that could be looked up.
    pub(crate) fn is_empty(&self) -> bool {
        self.tokens[0].is_none()
    }

    /// Whether there were more than four distinct tokens.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    fn add(&mut self, token: Token) -> ControlFlow<()> {
        for place in &mut self.tokens {
            match place {
                Some(known) if *known == token => return ControlFlow::Continue(()),
                Some(_) => {}
                None => {
                    *place = Some(token);
                    return ControlFlow::Continue(());
                }
            }
        }
        *self = Self { ambiguous: true, ..Self::default() };
        ControlFlow::Break(())
    }
}

/// Visits the value of every cookie called exactly `name` in one `Cookie` field.
///
/// The grammar is the one browsers write (RFC 6265bis §5.8.3): pairs between semicolons, a name up to
/// the first `=`. Names are compared byte for byte and never decoded; only space and tab are trimmed; a
/// value is handed on as it stands, quotes and all. Neighbouring bytes may be anything. One pass, no
/// allocation.
fn scan(field: &[u8], name: &[u8], visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
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
