use std::error::Error as StdError;
use std::fmt;

/// Why a store cannot be opened: the one error type of all stores for that.
///
/// The message says what to change. `Debug` prints the message and then its sources, because that is what the user sees of an
/// error that `main` returns.
pub struct OpenError {
    kind: OpenErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kind of an [`OpenError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// A setting has a value that cannot work.
    Config,
    /// Opening fails until an administrator changes something: rights, another path, another version of the server or of this
    /// program.
    Refused,
    /// The backend cannot be reached now; opening may succeed later.
    Unavailable,
    /// Anything else, such as a damaged file.
    Other,
}

impl OpenError {
    /// A setting has a value that cannot work.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(OpenErrorKind::Config, message)
    }

    /// Opening fails until an administrator changes something; `message` says what.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(OpenErrorKind::Refused, message)
    }

    /// The backend cannot be reached now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(OpenErrorKind::Unavailable, message)
    }

    /// Anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(OpenErrorKind::Other, message)
    }

    /// Adds the error of the driver or of the operating system. `message` does not repeat it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind of this error.
    pub const fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    fn new(kind: OpenErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut next = self.source();
        while let Some(source) = next {
            write!(f, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}

impl StdError for OpenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn debug_is_the_message_and_its_sources() {
        let error = OpenError::refused("the file /s is in use; close it").because(Error::corrupt("byte 7"));
        assert_eq!(error.kind(), OpenErrorKind::Refused);
        assert_eq!(error.to_string(), "the file /s is in use; close it");
        assert_eq!(
            format!("{error:?}"),
            "the file /s is in use; close it: what is stored under this key is not a record of it: byte 7"
        );
    }
}
