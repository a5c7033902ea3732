//! Leases by the clocks of the processes that share the file.

use std::time::Duration;

use cloakroom_store::{Acquired, Claim, LeaseId, Leases, SeenLease, Store as _};

use crate::shared::{at, claim, fresh, fresh_key, record};

fn claim_at(now: u64, holder: u64) -> Claim {
    let mut claim = claim(holder);
    claim.now = at(now);
    claim
}

/// On the clock of a waiter that is behind, the lease of a crashed process does not end for longer than it lasts. Whoever has
/// watched it for its length takes it.
#[tokio::test]
async fn who_is_kept_from_a_lease_is_told_which_one_it_is_and_may_overrule_it() {
    let (store, _table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &record(1, 1), at(0)).await.unwrap();
    store.acquire(&key, &claim_at(5_000, u64::MAX)).await.unwrap();
    let first = SeenLease::new(LeaseId::new(u64::MAX), at(65_000));
    assert_eq!(store.acquire(&key, &claim_at(0, 2)).await.unwrap(), Acquired::Busy(Some(first)));
    store.wait(&key, Duration::from_millis(5)).await.unwrap();

    // The holder lives: it is not the lease that was seen.
    assert!(store.renew(&key, &claim_at(5_001, u64::MAX)).await.unwrap());
    let renewed = SeenLease::new(LeaseId::new(u64::MAX), at(65_001));
    let overruling = |seen| claim_at(2, 2).overruling(seen);
    assert_eq!(store.acquire(&key, &overruling(first)).await.unwrap(), Acquired::Busy(Some(renewed)));
    assert_eq!(store.acquire(&key, &overruling(renewed)).await.unwrap(), Acquired::Held(record(1_000, 1)));
    assert!(!store.renew(&key, &claim_at(5_002, u64::MAX)).await.unwrap());
}
