use std::time::Duration;

use cloakroom_store::{Acquired, Claim, Key, LeaseId, Leases, Record, Result, Revision, Store, Timestamp};

use super::broken::{Broken, Fault};

impl Leases for Broken {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        match self.fault {
            Fault::LockedTwice => match Store::load(self, key).await? {
                Some(record) => Ok(Acquired::Held(record)),
                None => Ok(Acquired::Missing),
            },
            _ => {
                let place = self.place(key);
                let acquired = self.sound.acquire(&place, claim).await?;
                if let Acquired::Held(record) = &acquired {
                    self.memory().loaded.insert(*key, record.clone());
                }
                Ok(acquired)
            }
        }
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        self.sound.renew(&self.place(key), claim).await
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        if self.fault == Fault::AnybodyReleases
            && let Some(bytes) = self.sound.bytes(key)
        {
            self.sound.plant(*key, bytes);
            return Ok(true);
        }
        self.sound.release(&self.place(key), lease).await
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> Result<()> {
        if self.fault == Fault::FreedBeforeTheCommit {
            self.sound.release(key, lease).await?;
            self.lot.hesitate().await;
        }
        // Beside the lease, the same.
        Store::replace(self, key, record, expected, now).await?;
        self.release(key, lease).await.map(|_| ())
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        self.sound.wait(key, at_most).await
    }
}
