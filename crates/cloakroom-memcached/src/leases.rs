use std::time::Duration;

use cloakroom_store::codec::jitter;
use cloakroom_store::{
    Acquired, Claim, Error, Key, LeaseId, Leases, Record, Result, Revision, SeenLease, Timestamp,
};
use tokio::time::{sleep, timeout};

use crate::item::{Item, Lease};
use crate::lifetime::Lifetime;
use crate::store::{ItemChange, Kept, MemcachedStore};

/// The lease is part of the item, and its time is that of the caller, because memcached tells none: the clocks of all processes
/// have to agree to well within the time a lease lasts. Where they do not, a lease is taken over too early or too late, but never
/// blocks forever: one that ends too far ahead is free, and a caller may overrule one that it saw unchanged for too long. No update is
/// lost by that, since a takeover changes the revision.
impl Leases for MemcachedStore {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let acquired = self.change(key, |mut found| {
            if !claim.admits(&found.record) {
                return Ok(ItemChange::None(Acquired::Mismatch(found.record)));
            }
            let mut kept = Kept::AsBefore;
            if let Some(lease) = found.lease {
                if claim.finds_expired(seen(lease), claim.now) {
                    found.record.revision = claim.takeover;
                    kept = Kept::AtLeast(Lifetime::of(found.record.expires_at, claim.now));
                } else if lease.holder != claim.lease {
                    return Ok(ItemChange::None(Acquired::Busy(Some(seen(lease)))));
                }
            }
            found.lease = Some(granted(claim));
            let held = Acquired::Held(found.record.clone());
            Ok(ItemChange::Put(found, kept, held))
        });
        Ok(acquired.await?.unwrap_or(Acquired::Missing))
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let renewed = self.change(key, |found| match found.lease {
            Some(lease) if lease.holder == claim.lease && !claim.finds_expired(seen(lease), claim.now) => {
                let renewed = Item { lease: Some(granted(claim)), ..found };
                Ok(ItemChange::Put(renewed, Kept::AsBefore, true))
            }
            _ => Ok(ItemChange::None(false)),
        });
        Ok(renewed.await?.unwrap_or(false))
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        let released = self.change(key, |found| match found.lease {
            Some(held) if held.holder == lease => {
                Ok(ItemChange::Put(Item { lease: None, ..found }, Kept::AsBefore, true))
            }
            _ => Ok(ItemChange::None(false)),
        });
        Ok(released.await?.unwrap_or(false))
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> Result<()> {
        let replaced = self.change(key, |found| {
            if found.record.revision != expected {
                return Err(Error::conflict());
            }
            let others = found.lease.filter(|held| held.holder != lease);
            let kept = Kept::For(Lifetime::of(record.expires_at, now));
            Ok(ItemChange::Put(Item { lease: others, record: record.clone() }, kept, ()))
        });
        replaced.await?.ok_or(Error::missing())
    }

    /// Polls: memcached notifies no client of a change.
    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        let free = async {
            let mut pause = SHORTEST_PAUSE;
            while self.lease(key).await?.is_some() {
                sleep(jitter(pause)).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            Ok(())
        };
        // The caller knows the time, and so whether the lease has run out: it has to look now and then.
        timeout(at_most.min(LONGEST_WAIT), free).await.unwrap_or(Ok(()))
    }
}

fn granted(claim: &Claim) -> Lease {
    Lease { holder: claim.lease, until: claim.now.saturating_add(claim.ttl) }
}

fn seen(lease: Lease) -> SeenLease {
    SeenLease::new(lease.holder, lease.until)
}

/// How long a waiter pauses between two looks at a lease, at first and at last.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);
const LONGEST_WAIT: Duration = Duration::from_millis(500);
