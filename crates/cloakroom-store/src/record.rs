use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::timestamp::Timestamp;

/// All that is stored of one session.
///
/// Cloning is cheap: the bytes are shared.
///
/// ```
/// use cloakroom_store::{Record, Revision, Subject, Timestamp};
///
/// # fn main() -> Result<(), cloakroom_store::InvalidSubject> {
/// let expires_at = Timestamp::from_millis(1_800_000_000_000);
/// let record = Record::new(Revision::new(1), expires_at, b"opaque".as_slice()).with_subject(Subject::new("alice")?);
/// let anonymous = record.with_subject(None);
/// # assert_eq!(anonymous.subject, None);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Identifies one content of this record.
    pub revision: Revision,
    /// When the record may be purged, unless it is touched before. Reading never depends on it: an
    /// expired record that has not been purged yet is loaded like any other.
    pub expires_at: Timestamp,
    /// The user whose session this is, if it has one.
    pub subject: Option<Subject>,
    /// The session itself, opaque to stores.
    pub data: Arc<[u8]>,
}

impl Record {
    /// A record without a subject.
    pub fn new(revision: Revision, expires_at: Timestamp, data: impl Into<Arc<[u8]>>) -> Self {
        Self { revision, expires_at, subject: None, data: data.into() }
    }

    /// The same record with this subject, or with none.
    #[must_use]
    pub fn with_subject(self, subject: impl Into<Option<Subject>>) -> Self {
        Self { subject: subject.into(), ..self }
    }

    /// The minimum time that a backend which removes expired records by itself keeps them after
    /// [`expires_at`](Self::expires_at): ten minutes. During that time the engine can tell an expired session from an
    /// unknown one, and clocks may differ by that much.
    pub const NATIVE_EXPIRY_MARGIN: Duration = Duration::from_secs(600);
}

impl fmt::Debug for Record {
    /// Shows neither the data nor the subject.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("revision", &self.revision)
            .field("expires_at", &self.expires_at)
            .field("has_subject", &self.subject.is_some())
            .field("data_len", &self.data.len())
            .finish()
    }
}

/// The version of a record: a number chosen by the writer, never used twice.
///
/// Revisions have no order; stores compare them for equality only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Revision(u64);

impl Revision {
    /// The revision with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number. Stores keep all 64 bits.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The user whom a session belongs to: the application's own identifier of a user, 1 to 255 bytes of any UTF-8.
///
/// Two subjects are equal only if their bytes are equal. `Debug` does not show the identifier, so that it does not get into
/// logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Length limit in bytes.
    pub const MAX_LEN: usize = 255;

    /// Makes a subject of the application's identifier.
    ///
    /// # Errors
    /// [`InvalidSubject`] if it is empty or longer than [`Subject::MAX_LEN`] bytes.
    pub fn new(id: impl AsRef<str>) -> Result<Self, InvalidSubject> {
        let id = id.as_ref();
        if id.is_empty() || id.len() > Self::MAX_LEN {
            return Err(InvalidSubject { len: id.len() });
        }
        Ok(Self(id.into()))
    }

    /// The identifier as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Subject {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(..)")
    }
}

/// An identifier that cannot be a [`Subject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSubject {
    len: usize,
}

impl fmt::Display for InvalidSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a subject has 1 to {} bytes, this one has {}", Subject::MAX_LEN, self.len)
    }
}

impl std::error::Error for InvalidSubject {}
