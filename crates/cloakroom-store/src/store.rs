//! The traits that a store implements: [`Store`], and the optional [`Leases`], [`Subjects`], [`Scan`] and [`Notices`].

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::facets::Facets;
use crate::key::Key;
use crate::lease::{Acquired, Claim, LeaseId};
use crate::notice::Notice;
use crate::page::{Cursor, Page, SubjectEntry};
use crate::record::{Record, Revision, Subject};
use crate::timestamp::Timestamp;

/// A place that keeps records.
///
/// Implementations write plain `async fn`s. No method has a default body: a wrapper that forgets a method does not compile.
///
/// # What every implementation guarantees
///
/// - Each call is atomic: other callers see all of its effect or none.
/// - The effect of a call that returned `Ok` is visible to every later call from every caller.
/// - A record is served until it is deleted or purged, whatever its `expires_at` says. The engine decides what has expired.
/// - A backend that removes expired records by itself (Redis, memcached) goes by its own clock, on which it counts the life
///   that [`create`](Self::create) describes, at least [`Record::NATIVE_EXPIRY_MARGIN`] longer than the record's. Such a backend has nothing to purge.
/// - A record that a later version of this contract wrote is
///   [`UnknownVersion`](crate::ErrorKind::UnknownVersion): it is neither missing nor damaged, and no call overwrites it.
/// - The future of a call may be polled once and then continued on another task. A future that is dropped leaves no broken
///   connection behind.
///
/// # Errors
/// Besides the errors that a method names, every call may fail with
/// [`Unavailable`](crate::ErrorKind::Unavailable), which says whether a write may have been applied, with
/// [`Refused`](crate::ErrorKind::Refused), if the backend fails until an administrator changes something, and with
/// [`Other`](crate::ErrorKind::Other).
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Inserts a record under a key that holds none.
    ///
    /// `now` is the time on the caller's clock. A backend that removes expired records by itself keeps the record for
    /// `expires_at` − `now` + [`NATIVE_EXPIRY_MARGIN`](Record::NATIVE_EXPIRY_MARGIN), counted from now on its own clock: a
    /// caller whose clock is slow loses nothing that it just stored. Other stores do not need it.
    ///
    /// # Errors
    /// - [`Exists`](crate::ErrorKind::Exists) if there is a record under `key`, expired or not, or anything else, such as a
    ///   damaged record. What is stored stays unchanged.
    /// - [`TooLarge`](crate::ErrorKind::TooLarge) if the backend does not accept records of this size. Every backend accepts
    ///   128 KiB of data.
    /// - [`Full`](crate::ErrorKind::Full) if the store has no room.
    fn create(&self, key: &Key, record: &Record, now: Timestamp) -> impl Future<Output = Result<()>> + Send;

    /// Returns the record under `key`, or `None` if there is none.
    ///
    /// A stored record carries its own key in some form. The store compares that key before it returns the record, so that a
    /// mixed-up reply is an error and never another user's session.
    ///
    /// # Errors
    /// - [`Corrupt`](crate::ErrorKind::Corrupt) if what is stored is not a record of this key.
    /// - [`UnknownVersion`](crate::ErrorKind::UnknownVersion) if a later version wrote it.
    fn load(&self, key: &Key) -> impl Future<Output = Result<Option<Record>>> + Send;

    /// Replaces the record if its revision is still `expected`. `now` is as in [`create`](Self::create), and the life that the
    /// backend gave to the old record ends: it may become longer or shorter.
    ///
    /// # Errors
    /// - [`Conflict`](crate::ErrorKind::Conflict) if the record has another revision.
    /// - [`Missing`](crate::ErrorKind::Missing) if there is no record.
    /// - [`Corrupt`](crate::ErrorKind::Corrupt) or `Conflict` if what is stored is not a record of this key.
    /// - [`UnknownVersion`](crate::ErrorKind::UnknownVersion) or `Conflict` if a later version wrote it.
    /// - [`TooLarge`](crate::ErrorKind::TooLarge) and [`Full`](crate::ErrorKind::Full) as in [`create`](Self::create).
    ///
    /// What is stored stays unchanged in all of these cases.
    fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Moves the expiry forward to `expires_at` if the stored expiry is after `now`. Changes nothing else, not even the
    /// revision, and never moves the expiry back. A backend that removes expired records by itself counts the new life from
    /// `now`, as in [`create`](Self::create).
    ///
    /// Returns whether the record is alive: false if there is none, or if it expired at or before `now`.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if what is stored is not a record of this key; a store may return false
    /// instead. [`UnknownVersion`](crate::ErrorKind::UnknownVersion) if a later version wrote it and the store has to
    /// decode a record to change its expiry.
    fn touch(
        &self,
        key: &Key,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Removes the record and returns whether there was one. A record that a later version wrote is removed like any other.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if what is stored is not a record of this key, and stays. A store may also
    /// remove it (true) or leave it (false).
    fn delete(&self, key: &Key) -> impl Future<Output = Result<bool>> + Send;

    /// Removes at most `limit` records that expired before `cutoff` and returns how many. A record qualifies if
    /// `expires_at < cutoff`, checked atomically with its removal. A backend whose server has a clock may keep what has not
    /// expired [`NATIVE_EXPIRY_MARGIN`](Record::NATIVE_EXPIRY_MARGIN) ago by that clock, whatever the cutoff: a caller whose
    /// clock is fast must not remove the sessions of all others.
    ///
    /// Fewer than `limit` means that none are left that may be removed now. Records that cannot be read, damaged or of a later version, may stay and
    /// fail nothing. Where the backend removes expired records by itself, this returns zero and does nothing.
    fn purge(&self, cutoff: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;

    /// Returns the optional parts of the contract that this store implements. See [`Facets`].
    ///
    /// Each facet is the same at every call. A store that belongs to a single process needs no [`Leases`]: the engine
    /// itself orders the requests of one process.
    fn facets(&self) -> Facets<'_>;
}

/// Exclusive use of a record across processes.
///
/// A lease is advisory: it orders the writers that ask for it, and stops no [`replace`](Store::replace) of others. Safety
/// comes from revisions. A caller that takes over an expired lease gives the record a new revision, so a holder that slept
/// through its lease cannot overwrite anything.
///
/// Replacing and touching a record leave its lease unchanged. Deleting the record ends the lease: a later record under the
/// same key is free.
pub trait Leases: Store {
    /// Takes the lease on the record under `key` and returns the record, in one step.
    ///
    /// | the lease | the result |
    /// | --- | --- |
    /// | is free, or was released | held; the record is unchanged |
    /// | is held by this claim's lease | renewed; the record is unchanged |
    /// | has expired | taken over; the record gets the revision [`claim.takeover`](Claim::takeover) and is returned with it |
    /// | is held by another | [`Acquired::Busy`] |
    ///
    /// Three things change that:
    ///
    /// - A lease whose end is further ahead than [`claim.ttl`](Claim::ttl) and [`Claim::TOLERANCE`] was written by a clock that
    ///   ran ahead. It counts as expired.
    /// - So does the lease [`claim.overrule`](Claim::overrule), if it is still exactly that one.
    /// - With a [`claim.guard`](Claim::guard), a record whose data does not have those bytes at [`Claim::GUARD`], or that expires
    ///   at or before `claim.now`, is [`Acquired::Mismatch`], also if the caller holds its lease. Nothing is
    ///   written: record, expiry, revision and lease stay as they are, and no waiter is woken.
    ///
    /// The expiry of a record is on the clock of callers, so the guard goes by `claim.now` in every store, also where leases go by
    /// the server's clock. Guard and lease are decided in the same step.
    ///
    /// A wrapper that changes data hands on a guard for the bytes that the store inside keeps. If it cannot, it acquires without
    /// one, compares after that, and releases the lease: then callers without the secret can hold it for a moment.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) and [`UnknownVersion`](crate::ErrorKind::UnknownVersion) as in
    /// [`Store::load`].
    fn acquire(&self, key: &Key, claim: &Claim) -> impl Future<Output = Result<Acquired>> + Send;

    /// Extends a lease that `claim.lease` still holds to `claim.now + claim.ttl`.
    ///
    /// Returns false if the lease was released, was taken over, or expired at or before now. It is then never taken back.
    fn renew(&self, key: &Key, claim: &Claim) -> impl Future<Output = Result<bool>> + Send;

    /// Releases the lease and wakes a waiter. Returns false and does nothing if `lease` does not hold it.
    fn release(&self, key: &Key, lease: LeaseId) -> impl Future<Output = Result<bool>> + Send;

    /// [`Store::replace`] and [`release`](Leases::release) in one step. If `lease` does not hold the lease, the record is
    /// replaced all the same, and the lease stays with its holder.
    ///
    /// # Errors
    /// As [`Store::replace`]. The lease is then still held, if it was.
    fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Waits until the lease on `key` may be free, for at most `at_most`. Returns immediately if the lease is free or there is
    /// no record, so that no release between [`Acquired::Busy`] and this call is missed.
    ///
    /// The backend notifies the waiter where it can; otherwise this polls with [jittered](crate::codec::jitter) pauses. It may
    /// return early without a reason: callers acquire again.
    fn wait(&self, key: &Key, at_most: Duration) -> impl Future<Output = Result<()>> + Send;
}

/// The records of one user.
///
/// The index of a store may contain more than the truth: an entry may outlive its record, or name a record that belongs to
/// another user now. Each method checks the records themselves.
pub trait Subjects: Store {
    /// Adds `key` to the index of `subject`, at least until `until`, the record's absolute limit; `now` is the time of the
    /// caller's clock. Returns how many entries the index has for the subject now, this one included, each key once.
    ///
    /// The number is an upper bound: entries of expired, deleted and passed on records may count. It is never less than the
    /// number of stored records that name the subject, with this key, but for those that others write at the same time. A store
    /// may stop counting at 10,000.
    ///
    /// The engine calls this, and waits for the result, before it writes a record under `key` that names the subject. It
    /// changes no record and creates none. Where the index follows from the records themselves, it only counts.
    fn enroll(
        &self,
        subject: &Subject,
        key: &Key,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<usize>> + Send;

    /// Returns the next page of a walk over the records that name `subject`; the walk begins with `None`. A page has about
    /// `limit` entries, at least one of which is asked for.
    ///
    /// Entries are keys and expiries, without data, in no particular order. Expired records that are still stored are
    /// included. A record that names the subject throughout the walk is returned at least once. A page may be short or empty
    /// before the end of the walk. Records that cannot be read may be left out.
    ///
    /// The store holds no more than a page in memory.
    fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<SubjectEntry>>> + Send;

    /// Deletes every record that names `subject` except the one under `except`, and returns how many.
    ///
    /// The store checks each record atomically with its removal: a record that now names another subject stays.
    ///
    /// The memory that this needs does not grow with the number of the user's records or their size: the store holds one page
    /// of keys at a time, and no data.
    fn end_all(&self, subject: &Subject, except: Option<&Key>) -> impl Future<Output = Result<usize>> + Send;
}

/// Messages between processes that share the store: a session has ended, or its secret was replaced.
///
/// A message is a hint. It may get lost, arrive twice, or arrive late, and a listener reads the record before it acts. It
/// names a key and contains nothing else.
pub trait Notices: Store {
    /// Sends [`Notice::Changed`] with `key` to all listeners of this store in every process. Changes no record.
    ///
    /// The engine calls this after a write, in the background. A failure loses the message and nothing else.
    fn publish(&self, key: &Key) -> impl Future<Output = Result<()>> + Send;

    /// Connects, and calls `receive` with [`Notice::Listening`] when messages arrive from now on, and then with each message.
    ///
    /// Runs until the connection is lost or the future is dropped, which ends the connection. The caller calls this again
    /// after a pause, so an implementation does not connect again itself. A connection that is silent is checked at least
    /// every 10 seconds.
    ///
    /// `receive` does not block.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the connection cannot be made, or was lost.
    fn listen(&self, receive: &(dyn Fn(Notice) + Send + Sync)) -> impl Future<Output = Result<()>> + Send;
}

/// A walk over all records, for tools. No request needs it.
pub trait Scan: Store {
    /// Returns the next page of a walk over all records; the walk begins with `None`. A page has about `limit` records, at
    /// least one of which is asked for.
    ///
    /// A record that exists throughout the walk is returned at least once. A record that is created or deleted during the
    /// walk may be returned or not. Records that cannot be read, damaged or of a later version, are left out.
    fn page(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<(Key, Record)>>> + Send;

    /// Returns the number of live records: those that expire after `now`.
    ///
    /// Expired records that are still stored do not count, nor do the tombstones of ended sessions, which the engine writes
    /// as expired.
    fn count(&self, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;
}

impl<S: Store> Store for Arc<S> {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        (**self).create(key, record, now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        (**self).load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        (**self).replace(key, record, expected, now).await
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

    fn facets(&self) -> Facets<'_> {
        (**self).facets()
    }
}
