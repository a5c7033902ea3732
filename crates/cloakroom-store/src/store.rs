use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::{DynLeases, DynScan, DynSubjects, Key, Record, Result, Revision, Timestamp};

/// A place that keeps records.
///
/// Implementations write plain `async fn`s. No method has a default body: a wrapper that forgets one
/// does not compile.
///
/// # What every implementation promises
///
/// - Each call is atomic: other callers see all of it or nothing.
/// - A call that answered `Ok` is visible to every later call, from every caller.
/// - Expiry is told, not known: a record is served until it is deleted or purged, whatever its
///   `expires_at` says. The engine decides what has expired.
/// - A backend that removes expired records by itself (Redis, memcached) goes by its own clock, and keeps each for at least
///   [`Record::NATIVE_EXPIRY_MARGIN`] after its `expires_at`. Then there is nothing to purge.
/// - Any of these may be polled once and then continued on another task, and a future that is dropped
///   leaves no broken connection behind.
///
/// # Errors
/// Beside what each method names, every call may fail with [`Unavailable`](crate::ErrorKind::Unavailable), which says
/// whether a write may have been applied, or with [`Other`](crate::ErrorKind::Other).
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Inserts a record under a key that holds none.
    ///
    /// # Errors
    /// [`Exists`](crate::ErrorKind::Exists) if there is a record under `key`, expired or not, or anything else, such as
    /// a damaged record; it then is unchanged. [`TooLarge`](crate::ErrorKind::TooLarge) if the backend does not take
    /// that much; at least 128 KiB of data are taken.
    fn create(&self, key: &Key, record: &Record) -> impl Future<Output = Result<()>> + Send;

    /// The record under `key`.
    ///
    /// A stored record carries its own key in some form; that key is compared before the record is handed out, so
    /// that a mixed-up answer is an error and never somebody else's session.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if what is stored is not a record of this key.
    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<Record>>> + Send;

    /// Replaces the record if its revision is still `expected`.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) if it has another revision,
    /// [`Missing`](crate::ErrorKind::Missing) if there is none, [`Corrupt`](crate::ErrorKind::Corrupt) (or `Conflict`) if
    /// what is stored is not a record of this key, [`TooLarge`](crate::ErrorKind::TooLarge) as in `create`. Nothing is
    /// changed in any of these cases.
    fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Moves the expiry forward to `expires_at` if the stored one is still after `now`; changes
    /// nothing else, not even the revision, and never moves it back.
    ///
    /// Answers whether the record is alive: false if there is none, or if it expired at or before `now`. What is not a
    /// record of this key is not alive, or [`Corrupt`](crate::ErrorKind::Corrupt).
    fn touch(
        &self,
        key: &Key,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Removes the record; answers whether there was one. What is not a record of this key may be removed (true) or left
    /// where it is (false, or [`Corrupt`](crate::ErrorKind::Corrupt)).
    fn delete(&self, key: &Key) -> impl Future<Output = Result<bool>> + Send;

    /// Removes at most `limit` records that expired before `cutoff` (`expires_at < cutoff`, checked
    /// atomically with the removal); answers how many. Fewer than `limit` means that none are left. Damaged and foreign
    /// records are passed over and fail nothing. Zero, without a look, where the backend removes them by itself.
    fn purge(&self, cutoff: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;

    /// Exclusive use across processes: `Some(self)` where [`Leases`](crate::Leases) is implemented.
    ///
    /// `None` for a store that belongs to a single process: the engine orders requests itself.
    fn leases(&self) -> Option<&dyn DynLeases>;

    /// The records of one user: `Some(self)` where [`Subjects`](crate::Subjects) is implemented.
    fn subjects(&self) -> Option<&dyn DynSubjects>;

    /// A walk over all records: `Some(self)` where [`Scan`](crate::Scan) is implemented.
    fn scan(&self) -> Option<&dyn DynScan>;
}

impl<S: Store> Store for Arc<S> {
    async fn create(&self, key: &Key, record: &Record) -> Result<()> {
        (**self).create(key, record).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        (**self).load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        (**self).replace(key, record, expected).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        (**self).touch(key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        (**self).delete(key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        (**self).purge(cutoff, limit).await
    }

    fn leases(&self) -> Option<&dyn DynLeases> {
        (**self).leases()
    }

    fn subjects(&self) -> Option<&dyn DynSubjects> {
        (**self).subjects()
    }

    fn scan(&self) -> Option<&dyn DynScan> {
        (**self).scan()
    }
}
