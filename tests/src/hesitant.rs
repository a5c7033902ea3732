use std::future::Future;
use std::time::Duration;

use cloakroom_store::{
    Acquired, Claim, DynLeases, Facets, Key, LeaseId, Leases, Record, Result, Revision, Store, Timestamp,
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
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        hesitating(self.0.create(key, record, now)).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        hesitating(self.0.load(key)).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        hesitating(self.0.replace(key, record, expected, now)).await
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

    fn facets(&self) -> Facets<'_> {
        let inner = self.0.facets();
        let mut facets = Facets::none();
        facets.subjects = inner.subjects;
        facets.scan = inner.scan;
        if inner.leases.is_some() { facets.leases(self) } else { facets }
    }
}

/// Where the store behind has leases.
impl<S: Store> Leases for Hesitant<S> {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        hesitating(self.inner().acquire(*key, *claim)).await
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        hesitating(self.inner().renew(*key, *claim)).await
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        hesitating(self.inner().release(*key, lease)).await
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> Result<()> {
        hesitating(self.inner().replace_and_release(*key, record.clone(), expected, lease, now)).await
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        self.inner().wait(*key, at_most).await
    }
}

impl<S: Store> Hesitant<S> {
    fn inner(&self) -> &dyn DynLeases {
        self.0.facets().leases.unwrap()
    }
}
