use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::error::Result;
use crate::key::Key;
use crate::lease::{Acquired, Claim, LeaseId};
use crate::notice::Notice;
use crate::page::{Cursor, Page, SubjectEntry};
use crate::record::{Record, Revision, Subject};
use crate::timestamp::Timestamp;

/// The optional parts of the contract that a store implements: what [`Store::facets`](crate::Store::facets) returns.
///
/// A facet is `None` until the store lists it. A store that implements [`Leases`](crate::Leases) and
/// [`Subjects`](crate::Subjects) writes:
///
/// ```
/// # use cloakroom_store::{Facets, Leases, Subjects};
/// # trait MyStore: Leases + Subjects + Sized {
/// fn facets(&self) -> Facets<'_> {
///     Facets::none().leases(self).subjects(self)
/// }
/// # }
/// ```
///
/// # Wrappers
///
/// A store that wraps another one and changes its records or its errors starts from [`Facets::none`] and lists the facets
/// that it implements itself. It never returns the facets of the inner store: calls to those would go around the wrapper,
/// and so would calls to facets that are added to the contract later.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct Facets<'a> {
    /// Exclusive use of a record across processes.
    pub leases: Option<&'a dyn DynLeases>,
    /// The records of one user.
    pub subjects: Option<&'a dyn DynSubjects>,
    /// A walk over all records.
    pub scan: Option<&'a dyn DynScan>,
    /// Messages between processes.
    pub notices: Option<&'a dyn DynNotices>,
}

impl Facets<'_> {
    /// No facet at all.
    pub const fn none() -> Self {
        Self { leases: None, subjects: None, scan: None, notices: None }
    }
}

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Leases`](crate::Leases) behind a reference. Sealed: every `Leases` implements it.
#[allow(missing_docs, reason = "each method is the one of the same name in `Leases`")]
pub trait DynLeases: SealedLeases + fmt::Debug + Send + Sync {
    fn acquire(&self, key: Key, claim: Claim) -> BoxFuture<'_, Result<Acquired>>;
    fn renew(&self, key: Key, claim: Claim) -> BoxFuture<'_, Result<bool>>;
    fn release(&self, key: Key, lease: LeaseId) -> BoxFuture<'_, Result<bool>>;
    fn replace_and_release(
        &self,
        key: Key,
        record: Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<()>>;
    fn wait(&self, key: Key, at_most: Duration) -> BoxFuture<'_, Result<()>>;
}

/// [`Subjects`](crate::Subjects) behind a reference. Sealed: every `Subjects` implements it.
#[allow(missing_docs, reason = "each method is the one of the same name in `Subjects`")]
pub trait DynSubjects: SealedSubjects + fmt::Debug + Send + Sync {
    fn enroll(
        &self,
        subject: Subject,
        key: Key,
        now: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<usize>>;
    fn list(
        &self,
        subject: Subject,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<SubjectEntry>>>;
    fn end_all(&self, subject: Subject, except: Option<Key>) -> BoxFuture<'_, Result<usize>>;
}

/// [`Scan`](crate::Scan) behind a reference. Sealed: every `Scan` implements it.
#[allow(missing_docs, reason = "each method is the one of the same name in `Scan`")]
pub trait DynScan: SealedScan + fmt::Debug + Send + Sync {
    fn page(&self, cursor: Option<Cursor>, limit: usize) -> BoxFuture<'_, Result<Page<(Key, Record)>>>;
    fn count(&self, now: Timestamp) -> BoxFuture<'_, Result<u64>>;
}

/// [`Notices`](crate::Notices) behind a reference. Sealed: every `Notices` implements it.
#[allow(missing_docs, reason = "each method is the one of the same name in `Notices`")]
pub trait DynNotices: SealedNotices + fmt::Debug + Send + Sync {
    fn publish(&self, key: Key) -> BoxFuture<'_, Result<()>>;
    fn listen<'a>(&'a self, receive: &'a (dyn Fn(Notice) + Send + Sync)) -> BoxFuture<'a, Result<()>>;
}

// The type-erased traits cannot be implemented outside of this crate, so that they can get more methods: these are public in
// a private module, where other crates cannot name them.
pub trait SealedStore {}
pub trait SealedLeases {}
pub trait SealedSubjects {}
pub trait SealedScan {}
pub trait SealedNotices {}
