//! A claim with a guard: who does not know what the record has at [`Claim::GUARD`] gets no lease, and writes nothing.

use super::harness::{Facet, Harness};
use super::leases::claim;
use super::probe::{Probe, at, expiring, key, of, record};
use crate::lease::{Acquired, Claim};
use crate::record::{Record, Revision};
use crate::timestamp::Timestamp;

/// A claim whose guard matches is one like any other: the lease is held, and the record is unchanged.
pub async fn a_guard_that_matches_is_held(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let stored = of("alice", &guarded(1, at(60_000)));
    store.put(key(1), &stored).await;
    assert_eq!(store.hold(key(1), claim(1, at(0)).guarded(GUARD)).await, stored);
    assert_eq!(
        store.hold(key(1), claim(1, at(0)).guarded(GUARD)).await,
        stored,
        "the holder may acquire again"
    );
    assert!(store.is_busy(key(1), claim(2, at(0)).guarded(GUARD)).await);
    assert!(store.release(key(1), 1).await);
    assert_eq!(store.stored(key(1)).await, Some(stored));
}

/// A claim whose guard does not match gets the record, and no lease: it is free afterwards, and the record unchanged.
pub async fn a_guard_that_does_not_match_takes_no_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let stored = of("alice", &guarded(1, at(60_000)));
    store.put(key(1), &stored).await;
    assert_eq!(store.mismatch(key(1), claim(1, at(0)).guarded(OTHER_GUARD)).await, stored);
    assert_eq!(store.stored(key(1)).await, Some(stored.clone()));
    assert!(!store.release(key(1), 1).await, "nobody holds the lease");
    assert_eq!(store.hold(key(1), claim(2, at(0)).guarded(GUARD)).await, stored);
}

/// Every byte of the guard is compared, whatever is stored around it.
pub async fn every_byte_of_a_guard_is_compared(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let around = Record { data: (0..=255).rev().collect(), ..guarded(1, at(60_000)) };
    for (n, name) in (1..).zip(["", "a", "alice", &"a".repeat(255)]) {
        let stored = if name.is_empty() { around.clone() } else { of(name, &around) };
        store.put(key(n), &stored).await;
        let guard = std::array::from_fn(|i| stored.data[Claim::GUARD.start + i]);
        for place in 0..guard.len() {
            let mut other = guard;
            other[place] ^= 0x80;
            assert_eq!(store.mismatch(key(n), claim(1, at(0)).guarded(other)).await, stored, "byte {place}");
        }
        assert_eq!(store.hold(key(n), claim(1, at(0)).guarded(guard)).await, stored);
    }
}

/// A record whose data ends before the guard does matches none.
pub async fn data_that_is_too_short_matches_no_guard(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    for (n, len) in (1..).zip([0, 2, Claim::GUARD.end - 1]) {
        let short = Record { data: vec![0; len].into(), ..record(1) };
        store.put(key(n), &short).await;
        assert_eq!(store.mismatch(key(n), claim(1, at(0)).guarded([0; 16])).await, short, "{len} bytes");
    }
    let enough = Record { data: vec![0; Claim::GUARD.end].into(), ..record(1) };
    store.put(key(9), &enough).await;
    assert_eq!(store.hold(key(9), claim(1, at(0)).guarded([0; 16])).await, enough);
}

/// A record that expires at the time of a claim with a guard, or before, is returned without a lease. Without a guard it can be
/// leased.
pub async fn an_expired_record_matches_no_guard(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    for (n, offset) in [(1, -1), (2, 0)] {
        let expired = guarded(1, at(offset));
        store.put(key(n), &expired).await;
        assert_eq!(store.mismatch(key(n), claim(1, at(0)).guarded(GUARD)).await, expired);
        assert!(!store.release(key(n), 1).await, "nobody holds the lease");
        assert_eq!(store.hold(key(n), claim(2, at(0))).await, expired);
    }
    let alive = guarded(1, at(1));
    store.put(key(3), &alive).await;
    assert_eq!(store.hold(key(3), claim(1, at(0)).guarded(GUARD)).await, alive);
}

/// No matter which caller holds the lease: a claim whose guard does not match is told that, and the lease stays with its holder.
pub async fn a_mismatch_comes_before_a_held_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let stored = guarded(1, at(60_000));
    store.put(key(1), &stored).await;
    store.hold(key(1), claim(1, at(0))).await;
    assert_eq!(store.mismatch(key(1), claim(2, at(0)).guarded(OTHER_GUARD)).await, stored);
    assert_eq!(store.mismatch(key(1), claim(1, at(0)).guarded(OTHER_GUARD)).await, stored, "the holder too");
    assert_eq!(store.stored(key(1)).await, Some(stored.clone()));
    assert!(store.is_busy(key(1), claim(2, at(0)).guarded(GUARD)).await, "the holder keeps the lease");
    let second = Record { revision: Revision::new(2), ..stored.clone() };
    store.replace_and_release(key(1), &second, &stored, 1).await.expect("replace succeeds");
    assert_eq!(store.hold(key(1), claim(2, at(0)).guarded(GUARD)).await, second, "the lease was released");
}

/// A claim with a guard on no record returns `Missing`.
pub async fn a_guard_without_a_record_is_missing(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let acquired = store.acquire(key(1), claim(1, at(0)).guarded(GUARD)).await.expect("acquire succeeds");
    assert_eq!(acquired, Acquired::Missing);
    assert_eq!(store.stored(key(1)).await, None);
}

/// A guard is compared with the record as it is now, not as it was when it was created or leased.
pub async fn a_guard_is_compared_with_the_present_record(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let first = guarded(1, at(60_000));
    store.put(key(1), &first).await;
    store.hold(key(1), claim(1, at(0)).guarded(GUARD)).await;
    let mut second = Record { revision: Revision::new(2), ..first.clone() };
    second.data = data_with(OTHER_GUARD).into();
    store.replace_and_release(key(1), &second, &first, 1).await.expect("replace succeeds");
    assert_eq!(store.mismatch(key(1), claim(2, at(0)).guarded(GUARD)).await, second);
    assert!(store.touch(key(1), at(0), at(90_000)).await.expect("touch succeeds"));
    let touched = expiring(at(90_000), &second);
    assert_eq!(
        store.hold(key(1), claim(2, at(80_000)).guarded(OTHER_GUARD)).await,
        touched,
        "its life is longer"
    );
}

/// A record that matches [`GUARD`].
pub(super) fn guarded(revision: u64, expires_at: Timestamp) -> Record {
    Record { data: data_with(GUARD).into(), ..expiring(expires_at, &record(revision)) }
}

fn data_with(guard: [u8; 16]) -> Vec<u8> {
    [&[7; Claim::GUARD.start][..], &guard, b" and more"].concat()
}

/// Bytes that are neither text nor free of zeros.
pub(super) const GUARD: [u8; 16] = *b"\x00\xff\x80secret\x00\n\r\t'\\\xfe";
pub(super) const OTHER_GUARD: [u8; 16] = *b"another secret\x00\x00";
