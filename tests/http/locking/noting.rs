//! A store that notes what it was asked to do, and whether it wrote anything.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_store::{
    Acquired, Claim, DynLeases, Facets, Key, LeaseId, Leases, Record, Result, Revision, Store, Timestamp,
};

/// Notes each call by its name, and `"took a lease"` where one did.
#[derive(Clone, Debug)]
pub(super) struct Noting<S> {
    store: S,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl<S: Store> Noting<S> {
    pub(super) fn new(store: S) -> Self {
        Self { store, calls: Arc::default() }
    }

    /// The calls since the last time.
    pub(super) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// How often `name` is among them.
    pub(super) fn count(&self, name: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| **call == name).count()
    }

    fn note(&self, name: &'static str) {
        self.calls.lock().unwrap().push(name);
    }

    fn leases(&self) -> &dyn DynLeases {
        self.store.facets().leases.expect("the store has leases")
    }
}

/// Those of these calls that change what is stored.
pub(super) fn writes(calls: &[&'static str]) -> Vec<&'static str> {
    calls.iter().copied().filter(|call| !["load", "acquire", "wait"].contains(call)).collect()
}

impl<S: Store> Store for Noting<S> {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.note("create");
        self.store.create(key, record, now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.note("load");
        self.store.load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.note("replace");
        self.store.replace(key, record, expected, now).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.note("touch");
        self.store.touch(key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.note("delete");
        self.store.delete(key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.note("purge");
        self.store.purge(cutoff, limit).await
    }

    fn facets(&self) -> Facets<'_> {
        match self.store.facets().leases {
            Some(_) => Facets::none().leases(self),
            None => Facets::none(),
        }
    }
}

impl<S: Store> Leases for Noting<S> {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        self.note("acquire");
        let acquired = self.leases().acquire(*key, *claim).await;
        if let Ok(Acquired::Held(_)) = acquired {
            self.note("took a lease");
        }
        acquired
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        self.note("renew");
        self.leases().renew(*key, *claim).await
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        self.note("release");
        self.leases().release(*key, lease).await
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> Result<()> {
        self.note("replace and release");
        self.leases().replace_and_release(*key, record.clone(), expected, lease, now).await
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        self.note("wait");
        self.leases().wait(*key, at_most).await
    }
}
