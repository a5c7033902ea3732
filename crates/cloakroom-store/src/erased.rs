//! The type-erased form of the traits, for users of stores. Authors never implement it: every [`Store`] is a
//! [`DynStore`], every [`Leases`] a [`DynLeases`], and so on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::facets::{
    BoxFuture, DynLeases, DynNotices, DynScan, DynSubjects, Facets, SealedLeases, SealedNotices, SealedScan,
    SealedStore, SealedSubjects,
};
use crate::key::Key;
use crate::lease::{Acquired, Claim, LeaseId};
use crate::notice::Notice;
use crate::page::{Cursor, Page, SubjectEntry};
use crate::record::{Record, Revision, Subject};
use crate::store::{Leases, Notices, Scan, Store, Subjects};
use crate::timestamp::Timestamp;

/// [`Store`] behind a pointer. Its futures own what they need, so that a call can outlive its caller. Sealed: every
/// `Store` implements it.
#[allow(missing_docs, reason = "each method is the one of the same name in `Store`")]
pub trait DynStore: SealedStore + fmt::Debug + Send + Sync + 'static {
    fn create(self: Arc<Self>, key: Key, record: Record, now: Timestamp) -> BoxFuture<'static, Result<()>>;
    fn load(self: Arc<Self>, key: Key) -> BoxFuture<'static, Result<Option<Record>>>;
    fn replace(
        self: Arc<Self>,
        key: Key,
        record: Record,
        expected: Revision,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<()>>;
    fn touch(
        self: Arc<Self>,
        key: Key,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> BoxFuture<'static, Result<bool>>;
    fn delete(self: Arc<Self>, key: Key) -> BoxFuture<'static, Result<bool>>;
    fn purge(self: Arc<Self>, cutoff: Timestamp, limit: usize) -> BoxFuture<'static, Result<usize>>;
    fn facets(&self) -> Facets<'_>;
}

impl<S: Store> SealedStore for S {}
impl<S: Leases> SealedLeases for S {}
impl<S: Subjects> SealedSubjects for S {}
impl<S: Scan> SealedScan for S {}
impl<S: Notices> SealedNotices for S {}

impl<S: Store> DynStore for S {
    fn create(self: Arc<Self>, key: Key, record: Record, now: Timestamp) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { Store::create(&*self, &key, &record, now).await })
    }

    fn load(self: Arc<Self>, key: Key) -> BoxFuture<'static, Result<Option<Record>>> {
        Box::pin(async move { Store::load(&*self, &key).await })
    }

    fn replace(
        self: Arc<Self>,
        key: Key,
        record: Record,
        expected: Revision,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { Store::replace(&*self, &key, &record, expected, now).await })
    }

    fn touch(
        self: Arc<Self>,
        key: Key,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> BoxFuture<'static, Result<bool>> {
        Box::pin(async move { Store::touch(&*self, &key, now, expires_at).await })
    }

    fn delete(self: Arc<Self>, key: Key) -> BoxFuture<'static, Result<bool>> {
        Box::pin(async move { Store::delete(&*self, &key).await })
    }

    fn purge(self: Arc<Self>, cutoff: Timestamp, limit: usize) -> BoxFuture<'static, Result<usize>> {
        Box::pin(async move { Store::purge(&*self, cutoff, limit).await })
    }

    fn facets(&self) -> Facets<'_> {
        Store::facets(self)
    }
}

impl<'a> Facets<'a> {
    /// Adds the facet [`Leases`]; usually of `self`.
    pub fn leases(self, leases: &'a impl Leases) -> Self {
        Self { leases: Some(leases), ..self }
    }

    /// Adds the facet [`Subjects`]; usually of `self`.
    pub fn subjects(self, subjects: &'a impl Subjects) -> Self {
        Self { subjects: Some(subjects), ..self }
    }

    /// Adds the facet [`Scan`]; usually of `self`.
    pub fn scan(self, scan: &'a impl Scan) -> Self {
        Self { scan: Some(scan), ..self }
    }

    /// Adds the facet [`Notices`]; usually of `self`.
    pub fn notices(self, notices: &'a impl Notices) -> Self {
        Self { notices: Some(notices), ..self }
    }
}

impl<S: Leases> DynLeases for S {
    fn acquire(&self, key: Key, claim: Claim) -> BoxFuture<'_, Result<Acquired>> {
        Box::pin(async move { Leases::acquire(self, &key, &claim).await })
    }

    fn renew(&self, key: Key, claim: Claim) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move { Leases::renew(self, &key, &claim).await })
    }

    fn release(&self, key: Key, lease: LeaseId) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move { Leases::release(self, &key, lease).await })
    }

    fn replace_and_release(
        &self,
        key: Key,
        record: Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Leases::replace_and_release(self, &key, &record, expected, lease, now).await })
    }

    fn wait(&self, key: Key, at_most: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Leases::wait(self, &key, at_most).await })
    }
}

impl<S: Subjects> DynSubjects for S {
    fn enroll(
        &self,
        subject: Subject,
        key: Key,
        now: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<usize>> {
        Box::pin(async move { Subjects::enroll(self, &subject, &key, now, until).await })
    }

    fn list(
        &self,
        subject: Subject,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<SubjectEntry>>> {
        Box::pin(async move { Subjects::list(self, &subject, cursor.as_ref(), limit).await })
    }

    fn end_all(&self, subject: Subject, except: Option<Key>) -> BoxFuture<'_, Result<usize>> {
        Box::pin(async move { Subjects::end_all(self, &subject, except.as_ref()).await })
    }
}

impl<S: Scan> DynScan for S {
    fn page(&self, cursor: Option<Cursor>, limit: usize) -> BoxFuture<'_, Result<Page<(Key, Record)>>> {
        Box::pin(async move { Scan::page(self, cursor.as_ref(), limit).await })
    }

    fn count(&self, now: Timestamp) -> BoxFuture<'_, Result<u64>> {
        Box::pin(Scan::count(self, now))
    }
}

impl<S: Notices> DynNotices for S {
    fn publish(&self, key: Key) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Notices::publish(self, &key).await })
    }

    fn listen<'a>(&'a self, receive: &'a (dyn Fn(Notice) + Send + Sync)) -> BoxFuture<'a, Result<()>> {
        Box::pin(Notices::listen(self, receive))
    }
}
