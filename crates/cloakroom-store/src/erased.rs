//! The type-erased twins of the traits, for whoever uses stores. Authors never implement these: every
//! [`Store`] is a [`DynStore`], every [`Leases`] a [`DynLeases`], and so on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Acquired, Claim, Cursor, Key, LeaseId, Leases, Page, Record, Result, Revision, Scan, Store, Subject,
    Subjects, Timestamp,
};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Store`] behind a pointer. Its futures own what they need, so that a call outlives whoever asked.
#[allow(missing_docs, reason = "each method is the one of the same name in `Store`")]
pub trait DynStore: fmt::Debug + Send + Sync + 'static {
    fn create(self: Arc<Self>, key: Key, record: Record) -> BoxFuture<'static, Result<()>>;
    fn load(self: Arc<Self>, key: Key) -> BoxFuture<'static, Result<Option<Record>>>;
    fn replace(
        self: Arc<Self>,
        key: Key,
        record: Record,
        expected: Revision,
    ) -> BoxFuture<'static, Result<()>>;
    fn touch(
        self: Arc<Self>,
        key: Key,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> BoxFuture<'static, Result<bool>>;
    fn delete(self: Arc<Self>, key: Key) -> BoxFuture<'static, Result<bool>>;
    fn purge(self: Arc<Self>, cutoff: Timestamp, limit: usize) -> BoxFuture<'static, Result<usize>>;
    fn leases(&self) -> Option<&dyn DynLeases>;
    fn subjects(&self) -> Option<&dyn DynSubjects>;
    fn scan(&self) -> Option<&dyn DynScan>;
}

impl<S: Store> DynStore for S {
    fn create(self: Arc<Self>, key: Key, record: Record) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { Store::create(&*self, &key, &record).await })
    }

    fn load(self: Arc<Self>, key: Key) -> BoxFuture<'static, Result<Option<Record>>> {
        Box::pin(async move { Store::load(&*self, &key).await })
    }

    fn replace(
        self: Arc<Self>,
        key: Key,
        record: Record,
        expected: Revision,
    ) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { Store::replace(&*self, &key, &record, expected).await })
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

    fn leases(&self) -> Option<&dyn DynLeases> {
        Store::leases(self)
    }

    fn subjects(&self) -> Option<&dyn DynSubjects> {
        Store::subjects(self)
    }

    fn scan(&self) -> Option<&dyn DynScan> {
        Store::scan(self)
    }
}

/// [`Leases`] behind a reference.
#[allow(missing_docs, reason = "each method is the one of the same name in `Leases`")]
pub trait DynLeases: fmt::Debug + Send + Sync {
    fn acquire(&self, key: Key, claim: Claim) -> BoxFuture<'_, Result<Acquired>>;
    fn renew(&self, key: Key, claim: Claim) -> BoxFuture<'_, Result<bool>>;
    fn release(&self, key: Key, lease: LeaseId) -> BoxFuture<'_, Result<bool>>;
    fn replace_and_release(
        &self,
        key: Key,
        record: Record,
        expected: Revision,
        lease: LeaseId,
    ) -> BoxFuture<'_, Result<()>>;
    fn wait(&self, key: Key, at_most: Duration) -> BoxFuture<'_, Result<()>>;
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
    ) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Leases::replace_and_release(self, &key, &record, expected, lease).await })
    }

    fn wait(&self, key: Key, at_most: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Leases::wait(self, &key, at_most).await })
    }
}

/// [`Subjects`] behind a reference.
#[allow(missing_docs, reason = "each method is the one of the same name in `Subjects`")]
pub trait DynSubjects: fmt::Debug + Send + Sync {
    fn enroll(&self, subject: Subject, key: Key, until: Timestamp) -> BoxFuture<'_, Result<()>>;
    fn list(&self, subject: Subject) -> BoxFuture<'_, Result<Vec<(Key, Record)>>>;
    fn end_all(&self, subject: Subject, except: Option<Key>) -> BoxFuture<'_, Result<usize>>;
}

impl<S: Subjects> DynSubjects for S {
    fn enroll(&self, subject: Subject, key: Key, until: Timestamp) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Subjects::enroll(self, &subject, &key, until).await })
    }

    fn list(&self, subject: Subject) -> BoxFuture<'_, Result<Vec<(Key, Record)>>> {
        Box::pin(async move { Subjects::list(self, &subject).await })
    }

    fn end_all(&self, subject: Subject, except: Option<Key>) -> BoxFuture<'_, Result<usize>> {
        Box::pin(async move { Subjects::end_all(self, &subject, except.as_ref()).await })
    }
}

/// [`Scan`] behind a reference.
#[allow(missing_docs, reason = "each method is the one of the same name in `Scan`")]
pub trait DynScan: fmt::Debug + Send + Sync {
    fn page(&self, cursor: Option<Cursor>, limit: usize) -> BoxFuture<'_, Result<Page>>;
    fn count(&self) -> BoxFuture<'_, Result<u64>>;
}

impl<S: Scan> DynScan for S {
    fn page(&self, cursor: Option<Cursor>, limit: usize) -> BoxFuture<'_, Result<Page>> {
        Box::pin(async move { Scan::page(self, cursor.as_ref(), limit).await })
    }

    fn count(&self) -> BoxFuture<'_, Result<u64>> {
        Box::pin(Scan::count(self))
    }
}
