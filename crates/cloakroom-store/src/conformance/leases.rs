//! Acquire, release, and what a lease does not do. See [`lease_expiry`](super::lease_expiry) and
//! [`waiting`](super::waiting) for the rest.

use std::time::Duration;

use super::harness::{Facet, Harness};
use super::probe::{Probe, at, expiring, key, of, record, refused};
use super::race::{modes, race_all};
use crate::error::ErrorKind::{Conflict, Missing};
use crate::lease::{Acquired, Claim, LeaseId};
use crate::record::Revision;
use crate::timestamp::Timestamp;

/// `acquire` of a free lease returns the record, unchanged.
pub async fn acquire_answers_with_the_record(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let stored = of("alice", &record(1));
    store.put(key(1), &stored).await;
    assert_eq!(store.hold(key(1), claim(1, at(0))).await, stored);
    assert_eq!(store.stored(key(1)).await, Some(stored));
}

/// `acquire` without a record returns `Missing` and creates nothing.
pub async fn acquire_without_a_record_answers_missing(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let acquired = store.acquire(key(1), claim(1, at(0))).await.expect("acquire succeeds");
    assert_eq!(acquired, Acquired::Missing);
    assert_eq!(store.stored(key(1)).await, None);
    store.put(key(1), &record(1)).await;
    assert_eq!(store.hold(key(1), claim(2, at(0))).await, record(1), "the lease on it is free");
}

/// A record can be leased although it has expired: whether it has is for the engine to say.
pub async fn an_expired_record_can_be_leased(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let expired = expiring(at(-1_000), &record(1));
    store.put(key(1), &expired).await;
    assert_eq!(store.hold(key(1), claim(1, at(0))).await, expired);
}

/// A lease that is held is `Busy` for everybody else, through every handle.
pub async fn a_held_lease_is_busy(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    assert!(store.is_busy(key(1), claim(2, at(0))).await);
    assert!(Probe::new(harness).is_busy(key(1), claim(3, at(0))).await);
}

/// A lease on one record is none on another.
pub async fn leases_on_different_records_are_independent(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    for n in 1..=2 {
        store.put(key(n), &record(n)).await;
        store.hold(key(n), claim(n, at(0))).await;
    }
    assert!(store.release(key(1), 1).await);
    assert!(store.is_busy(key(2), claim(3, at(0))).await, "only the other lease was released");
}

/// The holder of a lease may acquire it again, and gets the record as it is now, not taken over.
pub async fn the_holder_may_acquire_again(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    store.replace(key(1), &record(2), &record(1)).await.expect("replace succeeds");
    assert_eq!(store.hold(key(1), claim(1, at(0))).await, record(2));
    assert_eq!(store.stored(key(1)).await, Some(record(2)));
}

/// Leases are told apart by all 64 bits of their number, zero included.
pub async fn lease_ids_have_64_bits(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let pairs = [(0, 1), (u64::MAX, u64::MAX >> 1), (1 << 63, 0), (1 << 53, (1 << 53) + 1), (1 << 32, 0)];
    for (n, (holder, other)) in (0..).zip(pairs) {
        store.put(key(n), &record(1)).await;
        store.hold(key(n), claim(holder, at(0))).await;
        assert!(store.is_busy(key(n), claim(other, at(0))).await, "{other} is not the holder {holder}");
        assert!(!store.release(key(n), other).await, "{other} is not the holder {holder}");
        assert!(store.release(key(n), holder).await);
    }
}

/// `release` frees the lease and says so; the next holder's record has not changed hands by force.
pub async fn release_frees_the_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    assert!(store.release(key(1), 1).await, "the lease was held");
    assert_eq!(store.hold(key(1), claim(2, at(0))).await, record(1));
    assert_eq!(store.stored(key(1)).await, Some(record(1)), "the revision is the old one");
}

/// `release` by a caller that is not the holder returns false and frees nothing.
pub async fn release_by_another_does_nothing(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    assert!(!store.release(key(1), 1).await, "nobody holds it");
    store.hold(key(1), claim(1, at(0))).await;
    assert!(!store.release(key(1), 2).await, "another holds it");
    assert!(store.is_busy(key(1), claim(2, at(0))).await);
    assert!(!store.release(key(2), 1).await, "there is no record");
}

/// A lease that was released is not the former holder's any more: a second `release` does not release the lease of the next holder.
pub async fn a_second_release_does_nothing(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    assert!(store.release(key(1), 1).await);
    assert!(!store.release(key(1), 1).await, "it was released before");
    store.hold(key(1), claim(2, at(0))).await;
    assert!(!store.release(key(1), 1).await, "it is the next one's");
    assert!(store.is_busy(key(1), claim(3, at(0))).await);
}

/// Of several who acquire at the same time exactly one holds the lease.
pub async fn of_several_acquires_exactly_one_holds(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    for (n, mode) in modes() {
        store.put(key(n), &record(1)).await;
        let acquires = (1..=4).map(|holder| Probe::new(harness).acquire(key(n), claim(holder, at(0))));
        let acquired = race_all(harness, mode, acquires).await;
        let acquired: Vec<_> = acquired.into_iter().map(|answer| answer.expect("acquire succeeds")).collect();
        let held = acquired.iter().filter(|answer| **answer == Acquired::Held(record(1))).count();
        let busy = acquired.iter().filter(|answer| matches!(answer, Acquired::Busy(_))).count();
        assert_eq!((held, busy), (1, 3), "{mode:?}: {acquired:?}");
    }
}

/// A lease is advisory: it does not stop replace, touch or delete by others.
pub async fn a_lease_hinders_no_other_call(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    store.replace(key(1), &record(2), &record(1)).await.expect("a lease does not stop replace");
    assert!(store.touch(key(1), at(0), at(90_000)).await.expect("touch succeeds"));
    assert_eq!(store.stored(key(1)).await, Some(expiring(at(90_000), &record(2))));
    assert!(store.delete(key(1)).await.expect("delete succeeds"));
}

/// A plain replace, by the holder or by another, leaves the lease where it is.
pub async fn replace_keeps_the_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    store.replace(key(1), &record(2), &record(1)).await.expect("replace succeeds");
    assert!(store.is_busy(key(1), claim(2, at(0))).await);
    assert!(store.release(key(1), 1).await, "the holder still has it");
}

/// A touch leaves the lease where it is.
pub async fn touch_keeps_the_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    assert!(store.touch(key(1), at(0), at(90_000)).await.expect("touch succeeds"));
    assert!(store.is_busy(key(1), claim(2, at(0))).await);
    assert!(store.release(key(1), 1).await, "the holder still has it");
}

/// The lease ends with its record: after a delete it is free, and so is a new record under the key.
pub async fn delete_ends_the_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    assert!(store.delete(key(1)).await.expect("delete succeeds"));
    let acquired = store.acquire(key(1), claim(2, at(0))).await.expect("acquire succeeds");
    assert_eq!(acquired, Acquired::Missing);
    assert!(!store.renew(key(1), claim(1, at(0))).await, "there is nothing to renew");
    assert!(!store.release(key(1), 1).await, "there is nothing to release");
    store.put(key(1), &record(2)).await;
    assert_eq!(store.hold(key(1), claim(2, at(0))).await, record(2));
}

/// `replace_and_release` does both.
pub async fn replace_and_release_does_both(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    store.replace_and_release(key(1), &record(2), &record(1), 1).await.expect("replace succeeds");
    assert_eq!(store.stored(key(1)).await, Some(record(2)));
    assert_eq!(store.hold(key(1), claim(2, at(0))).await, record(2), "the lease is free");
}

/// `replace_and_release` of another revision fails with `Conflict`; record and lease stay as they were.
pub async fn replace_and_release_of_another_revision_changes_nothing(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    let result = store.replace_and_release(key(1), &record(3), &record(2), 1).await;
    refused(result, &[Conflict]);
    assert_eq!(store.stored(key(1)).await, Some(record(1)));
    assert!(store.is_busy(key(1), claim(2, at(0))).await, "the lease is still held");
}

/// `replace_and_release` without a record fails with `Missing` and creates nothing.
pub async fn replace_and_release_without_a_record_creates_nothing(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    assert!(store.delete(key(1)).await.expect("delete succeeds"));
    let result = store.replace_and_release(key(1), &record(2), &record(1), 1).await;
    refused(result, &[Missing]);
    assert_eq!(store.stored(key(1)).await, None);
}

/// `replace_and_release` by a caller that does not hold the lease replaces, and releases no lease.
pub async fn replace_and_release_frees_only_ones_own_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    store
        .replace_and_release(key(1), &record(2), &record(1), 2)
        .await
        .expect("a lease does not stop replace");
    assert_eq!(store.stored(key(1)).await, Some(record(2)));
    assert!(store.is_busy(key(1), claim(2, at(0))).await, "the lease is another's");
    assert!(store.release(key(1), 1).await, "the holder still has it");
}

/// A claim for a minute by the holder of this number.
pub(super) fn claim(holder: u64, now: Timestamp) -> Claim {
    let takeover = Revision::new(holder.wrapping_add(1_000));
    Claim::new(LeaseId::new(holder), now, Duration::from_secs(60), takeover)
}
