use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom_store::{
    Acquired, Claim, DynLeases, DynStore, ErrorKind, Facets, Key, LeaseId, Leases, Record, Result, Revision,
    Store, Timestamp,
};

/// A sound store, tampered with.
#[derive(Debug)]
pub(super) struct Tampered {
    sound: Arc<dyn DynStore>,
    fault: Fault,
    calls: AtomicUsize,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not at all.
    None,
    /// `replace` takes any revision.
    BlindUpsert,
    /// `replace` creates what is not there.
    UpsertOnMissing,
    /// Every seventh `replace` is forgotten.
    AcknowledgedNotWritten,
    /// `acquire` succeeds for everybody.
    LockedTwice,
}

impl Tampered {
    pub(super) fn new(sound: Arc<dyn DynStore>, fault: Fault) -> Self {
        Self { sound, fault, calls: AtomicUsize::new(0) }
    }

    fn sound(&self) -> Arc<dyn DynStore> {
        Arc::clone(&self.sound)
    }

    fn leases_of_the_sound(&self) -> &dyn DynLeases {
        self.sound.facets().leases.unwrap()
    }

    /// Replaces whatever is there.
    async fn force(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        loop {
            let Some(there) = self.sound().load(*key).await? else {
                return self.sound().create(*key, record.clone(), now).await;
            };
            match self.sound().replace(*key, record.clone(), there.revision, now).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                replaced => return replaced,
            }
        }
    }
}

impl Store for Tampered {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.sound().create(*key, record.clone(), now).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.sound().load(*key).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        match self.fault {
            Fault::BlindUpsert => return self.force(key, record, now).await,
            Fault::AcknowledgedNotWritten if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(7) => {
                return Ok(());
            }
            _ => {}
        }
        match self.sound().replace(*key, record.clone(), expected, now).await {
            Err(error) if self.fault == Fault::UpsertOnMissing && error.kind() == ErrorKind::Missing => {
                self.force(key, record, now).await
            }
            replaced => replaced,
        }
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.sound().touch(*key, now, expires_at).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.sound().delete(*key).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.sound().purge(cutoff, limit).await
    }

    fn facets(&self) -> Facets<'_> {
        let sound = self.sound.facets();
        let mut facets = Facets::none().leases(self);
        facets.subjects = sound.subjects;
        facets.scan = sound.scan;
        facets
    }
}

impl Leases for Tampered {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        match self.fault {
            Fault::LockedTwice => {
                Ok(self.sound().load(*key).await?.map_or(Acquired::Missing, Acquired::Held))
            }
            _ => self.leases_of_the_sound().acquire(*key, *claim).await,
        }
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        self.leases_of_the_sound().renew(*key, *claim).await
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        self.leases_of_the_sound().release(*key, lease).await
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> Result<()> {
        if self.fault == Fault::None {
            let sound = self.leases_of_the_sound();
            return sound.replace_and_release(*key, record.clone(), expected, lease, now).await;
        }
        Store::replace(self, key, record, expected, now).await?;
        Leases::release(self, key, lease).await.map(|_| ())
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        self.leases_of_the_sound().wait(*key, at_most).await
    }
}
