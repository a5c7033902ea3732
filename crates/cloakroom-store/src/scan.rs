use std::future::Future;

use crate::{Key, Record, Result, Store};

/// A walk over all records, for tools; never part of a request.
pub trait Scan: Store {
    /// The next records of a walk that begins with `None`, about `limit` of them.
    ///
    /// A record that exists throughout the walk is seen at least once; one that is created or deleted
    /// meanwhile may be seen or not. Damaged records are skipped.
    fn page(&self, cursor: Option<&Cursor>, limit: usize) -> impl Future<Output = Result<Page>> + Send;

    /// How many records are stored, expired ones that are not purged yet included.
    fn count(&self) -> impl Future<Output = Result<u64>> + Send;
}

/// One step of a walk.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What was found.
    pub records: Vec<(Key, Record)>,
    /// Where to go on; `None` at the end of the walk. A page may be empty before the end.
    pub next: Option<Cursor>,
}

/// Where a walk stands. The bytes mean something to the store that made them only.
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
