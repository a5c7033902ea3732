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
        _ = super::scan(field, name.as_bytes(), &mut |value| match keyring.parse(value) {
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
