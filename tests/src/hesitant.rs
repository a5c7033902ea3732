use std::future::Future;

use cloakroom_store::{DynLeases, DynScan, DynSubjects, Key, Record, Result, Revision, Store, Timestamp};

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
        self.0.leases()
    }

    fn subjects(&self) -> Option<&dyn DynSubjects> {
        self.0.subjects()
    }

    fn scan(&self) -> Option<&dyn DynScan> {
        self.0.scan()
    }
}
