use std::error::Error as StdError;
use std::{fmt, result};

/// The result of a store call.
pub type Result<T, E = Error> = result::Result<T, E>;

/// Why a store call failed.
///
/// Opaque: ask for its [`kind`](Error::kind), and for what the backend said with
/// [`source`](StdError::source). Messages never contain record data.
pub struct Error {
    kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `create` found a record under that key.
    Exists,
    /// The record is there, but its revision is not the expected one.
    Conflict,
    /// There is no record under that key.
    Missing,
    /// What is stored is not a record of this key: damaged, foreign, or an answer to another question.
    Corrupt,
    /// The record is larger than the backend takes.
    TooLarge,
    /// The store has no room for another record, or for a larger one. Nothing is changed.
    Full,
    /// The backend did not answer, or refused for now.
    Unavailable(Applied),
    /// Anything else; the call had no effect.
    Other,
}

/// Whether a write that got no clear answer may have had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It certainly had none.
    No,
    /// It may have been applied, or may still be.
    Maybe,
}

impl Error {
    /// An error of this kind with nothing to add.
    pub const fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// `create` found a record under that key.
    pub const fn exists() -> Self {
        Self::new(ErrorKind::Exists)
    }

    /// The record's revision is not the expected one.
    pub const fn conflict() -> Self {
        Self::new(ErrorKind::Conflict)
    }

    /// There is no record under that key.
    pub const fn missing() -> Self {
        Self::new(ErrorKind::Missing)
    }

    /// What is stored under the key is not a record of it.
    pub fn corrupt(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Corrupt).because(source)
    }

    /// The backend is not there, and the call certainly had no effect.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable(Applied::No)).because(source)
    }

    /// The backend gave no clear answer to a write that may have been applied, now or later.
    pub fn maybe_applied(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable(Applied::Maybe)).because(source)
    }

    /// Adds what the backend said.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure this is.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Exists => "a record with this key exists",
            ErrorKind::Conflict => "the record was changed by somebody else",
            ErrorKind::Missing => "no record with this key",
            ErrorKind::Corrupt => "what is stored under this key is not a record of it",
            ErrorKind::TooLarge => "the record is too large",
            ErrorKind::Full => "the store is full",
            ErrorKind::Unavailable(Applied::No) => "the store is unavailable; nothing was changed",
            ErrorKind::Unavailable(Applied::Maybe) => {
                "the store gave no answer; the change may have been made"
            }
            ErrorKind::Other => "the store failed",
        })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.kind).field("source", &self.source).finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
