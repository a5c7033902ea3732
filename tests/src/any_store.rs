use std::sync::Arc;

use cloakroom_store::{DynStore, Facets, Key, Record, Result, Revision, Store, Timestamp};

/// Whatever store there is, where one is asked for whose type is known.
#[derive(Clone, Debug)]
pub struct AnyStore(pub Arc<dyn DynStore>);

impl AnyStore {
    fn inner(&self) -> Arc<dyn DynStore> {
        Arc::clone(&self.0)
    }
}

impl Store for AnyStore {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.inner().create(*key, record.clone(), now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.inner().load(*key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.inner().replace(*key, record.clone(), expected, now).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.inner().touch(*key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.inner().delete(*key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.inner().purge(cutoff, limit).await
    }

    fn facets(&self) -> Facets<'_> {
        self.0.facets()
    }
}
