//! Leases of one server: among its own requests, and after the response head.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::{Locking, Settings};
use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_store::{
    Acquired, Claim, Facets, Key, LeaseId, Leases, Record, Result, Revision, Store, Timestamp,
};
use cloakroom_tests::{Direct, Hesitant, Script, poll_once};

use super::waiting;

/// A lock that a stream takes is its own until it says otherwise, however often it saves.
#[tokio::test]
async fn a_lock_taken_in_a_stream_is_kept_until_it_is_given_back() {
    for locking in [Locking::ByMethod, Locking::Explicit] {
        let (store, script) = (ReferenceStore::new(), Script::default());
        let settings = Settings::new().locking(locking);
        let site = Direct::new(store.clone(), settings, script.routes());
        let other = site.another(store, script.routes());
        site.post("/set=x:1").await;
        let stream = site.post("/get=x/stream/lock/add=x/set=y:1/save/add=x/a/add=x/unlock/b");
        let stream = tokio::spawn(stream);
        script.a.arrival().await;
        let elsewhere = waiting(other.post("/lock/add=x")).await;
        let here = waiting(site.post("/lock/add=x")).await;
        assert_eq!(other.get("/get=x").await.body, "3", "readers do not wait");
        script.a.open();
        script.b.arrival().await;
        let mut answers = [elsewhere.await.body, here.await.body];
        answers.sort_unstable();
        assert_eq!(answers, ["5", "6"], "{locking:?}");
        script.b.open();
        assert_eq!(stream.await.unwrap().body, "2 3 4 ");
    }
}

/// What waits in this server's own queue is woken when the lease is free, and does not ask in vain.
#[tokio::test]
async fn the_next_in_the_queue_finds_the_lease_free() {
    for end in ["", "set=x:2", "add=x", "out", "status=500", "unlock/b", "hang up"] {
        let (store, script) = (Counting::default(), Script::default());
        let asked = Arc::clone(&store.asked);
        let site = Direct::new(store, Settings::default(), script.routes());
        site.post("/in=ann/set=x:1").await;
        let mut holder = site.post(&format!("/get=x/a/{}", end.replace("hang up", "")));
        let arrived = async { script.a.arrival().await };
        tokio::select! { _ = &mut holder => panic!("it was to wait"), () = arrived => {} }
        let mut next = site.post("/get=x");
        assert!(poll_once(&mut next).await.is_none(), "it was to wait");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        if end == "hang up" {
            drop(holder);
        } else {
            script.a.open();
            script.b.open();
            holder.await;
        }
        assert_eq!(next.await.status, 200);
        assert_eq!(asked.load(Ordering::Relaxed), 2, "after {end:?}");
    }
}

/// A store that takes its time, and counts how often it is asked for a lease.
#[derive(Clone, Debug, Default)]
struct Counting {
    store: ReferenceStore,
    asked: Arc<AtomicUsize>,
}

impl Counting {
    fn slow(&self) -> Hesitant<ReferenceStore> {
        Hesitant(self.store.clone())
    }
}

impl Store for Counting {
    async fn create(&self, key: &Key, record: &Record) -> Result<()> {
        self.slow().create(key, record).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.slow().load(key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        self.slow().replace(key, record, expected).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.slow().touch(key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.slow().delete(key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.slow().purge(cutoff, limit).await
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none().leases(self)
    }
}

impl Leases for Counting {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.slow().acquire(key, claim).await
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        self.slow().renew(key, claim).await
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        self.slow().release(key, lease).await
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
    ) -> Result<()> {
        self.slow().replace_and_release(key, record, expected, lease).await
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        self.slow().wait(key, at_most).await
    }
}
