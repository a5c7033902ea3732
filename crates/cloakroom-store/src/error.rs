use std::error::Error as StdError;
use std::{fmt, result};

/// The result of a store call.
pub type Result<T, E = Error> = result::Result<T, E>;

/// Why a store call failed.
///
/// The type is opaque: [`kind`](Error::kind) returns the kind of failure, [`source`](StdError::source) the error of the
/// backend. Messages never contain record data.
pub struct Error {
    kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kind of an [`Error`]. More kinds may be added; treat those that you do not know like [`Other`](Self::Other).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `create` found a record under that key.
    Exists,
    /// The record is there, but its revision is not the expected one.
    Conflict,
    /// There is no record under that key.
    Missing,
    /// What is stored is not a record of this key: it is damaged, or foreign, or the reply belongs to another call.
    Corrupt,
    /// A later version of the format wrote what is stored. It is intact, but this version cannot read it. It is never treated
    /// as missing or as damaged.
    UnknownVersion,
    /// The record is larger than the backend accepts.
    TooLarge,
    /// The store has no room for another record, or for a larger one. The call had no effect.
    Full,
    /// The backend did not respond, or refused for a reason that passes, such as a failover.
    Unavailable(Applied),
    /// The backend fails every call like this one until an administrator changes something: rights, a missing table or command, the
    /// topology. The call had no effect. The source says what to change.
    Refused,
    /// Anything else. The call had no effect.
    Other,
}

/// Whether a write without a clear result may have been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Applied {
    /// It was certainly not applied, and never will be.
    No,
    /// It may have been applied, or may still be.
    Maybe,
}

impl Error {
    /// An error of this kind without a source.
    pub const fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An [`Exists`](ErrorKind::Exists) error.
    pub const fn exists() -> Self {
        Self::new(ErrorKind::Exists)
    }

    /// A [`Conflict`](ErrorKind::Conflict) error.
    pub const fn conflict() -> Self {
        Self::new(ErrorKind::Conflict)
    }

    /// A [`Missing`](ErrorKind::Missing) error.
    pub const fn missing() -> Self {
        Self::new(ErrorKind::Missing)
    }

    /// A [`Corrupt`](ErrorKind::Corrupt) error; `source` says how what is stored is damaged.
    pub fn corrupt(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Corrupt).because(source)
    }

    /// An [`UnknownVersion`](ErrorKind::UnknownVersion) error; `source` says what has which version.
    pub fn unknown_version(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::UnknownVersion).because(source)
    }

    /// A [`Full`](ErrorKind::Full) error; `source` says what is full.
    pub fn full(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Full).because(source)
    }

    /// A [`Refused`](ErrorKind::Refused) error; `source` says what to change.
    pub fn refused(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Refused).because(source)
    }

    /// An [`Unavailable`](ErrorKind::Unavailable) error of a call that certainly had no effect.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable(Applied::No)).because(source)
    }

    /// An [`Unavailable`](ErrorKind::Unavailable) error of a write that may have been applied, or may still be.
    pub fn maybe_applied(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable(Applied::Maybe)).because(source)
    }

    /// Adds the error of the backend.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind of this error.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Exists => "a record with this key exists",
            ErrorKind::Conflict => "the record was changed by another caller",
            ErrorKind::Missing => "no record with this key",
            ErrorKind::Corrupt => "what is stored under this key is not a record of it",
            ErrorKind::UnknownVersion => "the record was written by a later version",
            ErrorKind::TooLarge => "the record is too large",
            ErrorKind::Full => "the store is full",
            ErrorKind::Unavailable(Applied::No) => "the store is unavailable; nothing was changed",
            ErrorKind::Unavailable(Applied::Maybe) => {
                "the store did not respond; the change may have been made"
            }
            ErrorKind::Refused => "the store refused; nothing was changed",
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
