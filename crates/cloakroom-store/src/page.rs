use crate::key::Key;
use crate::timestamp::Timestamp;

/// One step of a walk: [`Scan::page`](crate::Scan::page) returns records, [`Subjects::list`](crate::Subjects::list)
/// entries of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// What was found. May be empty before the end of the walk.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end of the walk.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page of these items; the walk continues at `next`.
    pub const fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self { items, next }
    }
}

impl<T> Default for Page<T> {
    /// An empty page at the end of a walk.
    fn default() -> Self {
        Self::new(Vec::new(), None)
    }
}

/// The position of a walk. Only the store that made the bytes can interpret them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// A cursor of these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// One of a user's records, without its data: what [`Subjects::list`](crate::Subjects::list) returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SubjectEntry {
    /// The key of the record.
    pub key: Key,
    /// The record's [`expires_at`](crate::Record::expires_at).
    pub expires_at: Timestamp,
}

impl SubjectEntry {
    /// The entry of the record under `key`.
    pub const fn new(key: Key, expires_at: Timestamp) -> Self {
        Self { key, expires_at }
    }
}
