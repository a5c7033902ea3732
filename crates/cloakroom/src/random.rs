//! Randomness from the operating system: the one file that asks for it.

use std::fmt;

/// A source of random bytes for tokens and revisions.
///
/// It fails closed: when the operating system gives no randomness there is an error, never a weaker
/// generator.
#[derive(Clone, Copy)]
pub(crate) struct Random {
    source: fn(&mut [u8]) -> Result<(), getrandom::Error>,
}

impl Random {
    /// The operating system's generator.
    #[expect(clippy::disallowed_methods, reason = "this is the file that asks")]
    pub(crate) const fn os() -> Self {
        Self { source: getrandom::fill }
    }

    /// A generator that always fails, to see what the rest does then.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) const fn failing() -> Self {
        Self { source: |_| Err(getrandom::Error::UNEXPECTED) }
    }

    /// Fills the buffer; on an error its contents mean nothing.
    pub(crate) fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        (self.source)(bytes).map_err(RandomError)
    }

    /// A number, every value equally likely.
    pub(crate) fn u64(&self) -> Result<u64, RandomError> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RandomError(getrandom::Error);

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no randomness from the operating system: {}", self.0)
    }
}

impl std::error::Error for RandomError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_from_the_operating_system_differ() {
        assert_ne!(Random::os().u64().unwrap(), Random::os().u64().unwrap());
    }

    #[test]
    fn a_failing_generator_gives_an_error_and_no_bytes() {
        let mut bytes = [7; 4];
        Random::failing().fill(&mut bytes).unwrap_err();
        assert_eq!(bytes, [7; 4]);
        Random::failing().u64().unwrap_err();
    }
}
