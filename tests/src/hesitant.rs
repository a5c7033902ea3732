use std::future::Future;
use std::time::Duration;

use cloakroom_store::{
    Acquired, BoxFuture, Claim, DynLeases, DynScan, DynSubjects, Key, LeaseId, Record, Result, Revision,
    Store, Timestamp,
};

/// A store that takes its time: every call is pending once before it does its work, and once before it answers.
#[derive(Clone, Debug)]
pub struct Hesitant<S>(pub S);

async fn hesitating<T>(work: impl Future<Output = T>) -> T {
    tokio::task::yield_now().await;
    let answer = work.await;
    tokio::task::yield_now().await;
    answer
}

impl<S: Store> Store for Hesitant<S> {
    async fn create(&self, key: &Key, record: &Record) -> Result<()> {
        hesitating(self.0.create(key, record)).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        hesitating(self.0.load(key)).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        hesitating(self.0.replace(key, record, expected)).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        hesitating(self.0.touch(key, now, expires_at)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        hesitating(self.0.delete(key)).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        hesitating(self.0.purge(cutoff, limit)).await
    }

    fn leases(&self) -> Option<&dyn DynLeases> {
        self.0.leases().map(|_| self as &dyn DynLeases)
    }

    fn subjects(&self) -> Option<&dyn DynSubjects> {
        self.0.subjects()
    }

    fn scan(&self) -> Option<&dyn DynScan> {
        self.0.scan()
    }
}

/// Where the store behind has leases.
impl<S: Store> DynLeases for Hesitant<S> {
    fn acquire(&self, key: Key, claim: Claim) -> BoxFuture<'_, Result<Acquired>> {
        Box::pin(hesitating(self.inner().acquire(key, claim)))
    }

    fn renew(&self, key: Key, claim: Claim) -> BoxFuture<'_, Result<bool>> {
        Box::pin(hesitating(self.inner().renew(key, claim)))
    }

    fn release(&self, key: Key, lease: LeaseId) -> BoxFuture<'_, Result<bool>> {
        Box::pin(hesitating(self.inner().release(key, lease)))
    }

    fn replace_and_release(
        &self,
        key: Key,
        record: Record,
        expected: Revision,
        lease: LeaseId,
    ) -> BoxFuture<'_, Result<()>> {
        Box::pin(hesitating(self.inner().replace_and_release(key, record, expected, lease)))
    }

    fn wait(&self, key: Key, at_most: Duration) -> BoxFuture<'_, Result<()>> {
        self.inner().wait(key, at_most)
    }
}

impl<S: Store> Hesitant<S> {
    fn inner(&self) -> &dyn DynLeases {
        self.0.leases().unwrap()
    }
}
