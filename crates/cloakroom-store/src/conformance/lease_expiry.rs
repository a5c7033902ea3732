//! Leases run out. The claims' clock and the real one move together here, since a backend may go by its own.

use std::time::{Duration, Instant};

use super::guards::{GUARD, OTHER_GUARD, guarded};
use super::harness::{Facet, Harness};
use super::leases::claim;
use super::probe::{Probe, at, key, of, record, refused};
use super::race::{modes, race_all};
use crate::error::ErrorKind::Conflict;
use crate::lease::{Acquired, Claim, LeaseId, SeenLease};
use crate::record::{Record, Revision};
use crate::timestamp::Timestamp;

/// A lease that ran out is taken over: the record then has the revision of the claim, in the result and in the
/// store, and is otherwise unchanged.
pub async fn an_expired_lease_is_taken_over_with_a_new_revision(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let stored = of("alice", &record(1));
    store.put(key(1), &stored).await;
    let now = let_it_run_out(harness, &store, 1).await;
    let taken = Record { revision: Revision::new(1_002), ..stored };
    assert_eq!(store.hold(key(1), claim(2, now)).await, taken);
    assert_eq!(store.stored(key(1)).await, Some(taken));
    assert!(store.is_busy(key(1), claim(3, now)).await, "the successor holds it");
}

/// A holder that slept through its lease cannot overwrite its successor's record, nor free the lease.
pub async fn a_stale_holder_conflicts(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    let now = let_it_run_out(harness, &store, 1).await;
    let taken = store.hold(key(1), claim(2, now)).await;
    refused(store.replace(key(1), &record(5), &record(1)).await, &[Conflict]);
    refused(store.replace_and_release(key(1), &record(5), &record(1), 1).await, &[Conflict]);
    assert!(!store.renew(key(1), claim(1, now)).await, "the lease is the successor's");
    assert!(!store.release(key(1), 1).await, "the lease is the successor's");
    assert_eq!(store.stored(key(1)).await, Some(taken));
    assert!(store.is_busy(key(1), claim(3, now)).await);
}

/// A lease that ran out without a successor does not hinder its holder: the record is still as it was read.
pub async fn a_late_holder_without_a_successor_still_replaces(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    let now = let_it_run_out(harness, &store, 1).await;
    store.replace_and_release(key(1), &record(2), &record(1), 1).await.expect("nobody changed the record");
    assert_eq!(store.hold(key(1), claim(2, now)).await, record(2), "what was released is not taken over");
}

/// Of several who take over a lease that ran out exactly one holds it.
pub async fn of_several_successors_exactly_one_holds(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let mut now = at(0);
    for (n, _) in modes() {
        store.put(key(n), &record(1)).await;
        store.hold(key(n), Claim { ttl: SHORT, ..claim(9, at(0)) }).await;
    }
    now = now.saturating_add(pass(harness, SHORT).await);
    for (n, mode) in modes() {
        let acquires = (1..=4).map(|holder| Probe::new(harness).acquire(key(n), claim(holder, now)));
        let acquired = race_all(harness, mode, acquires).await;
        let held: Vec<_> = acquired
            .into_iter()
            .filter_map(|answer| match answer.expect("acquire succeeds") {
                Acquired::Held(record) => Some(record),
                Acquired::Busy(_) => None,
                Acquired::Missing | Acquired::Mismatch(_) => panic!("there is a record all the time"),
            })
            .collect();
        assert_eq!(held.len(), 1, "{mode:?}: {held:?}");
        assert_eq!(store.stored(key(n)).await, held.into_iter().next(), "{mode:?}");
    }
}

/// `renew` lengthens a lease that is held, and does not change the record.
pub async fn renew_lengthens_the_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let (n, passed) = lengthened(harness, &store, Lengthen::Renew).await;
    let now = at(0).saturating_add(passed);
    assert!(store.is_busy(key(n), claim(2, now)).await, "it was renewed for a minute");
    assert_eq!(store.stored(key(n)).await, Some(record(1)));
}

/// Acquiring again lengthens the lease as `renew` does.
pub async fn acquiring_again_lengthens_the_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let (n, passed) = lengthened(harness, &store, Lengthen::Acquire).await;
    let now = at(0).saturating_add(passed);
    assert!(store.is_busy(key(n), claim(2, now)).await, "it was acquired again for a minute");
    assert_eq!(store.stored(key(n)).await, Some(record(1)));
}

/// `renew` by a caller that is not the holder returns false; a free lease stays free, a held one its holder's.
pub async fn renew_by_another_does_nothing(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    assert!(!store.renew(key(1), claim(1, at(0))).await, "nobody holds it");
    store.hold(key(1), claim(2, at(0))).await;
    assert!(!store.renew(key(1), claim(3, at(0))).await, "another holds it");
    assert!(store.is_busy(key(1), claim(3, at(0))).await);
    assert!(store.release(key(1), 2).await, "the holder still has it");
    assert!(!store.renew(key(1), claim(2, at(0))).await, "it was released");
    assert_eq!(store.hold(key(1), claim(4, at(0))).await, record(1), "the lease is free");
}

/// `renew` of a lease that ran out returns false, and does not take it back, with a successor or without.
pub async fn a_lease_that_ran_out_is_not_renewed(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    let now = let_it_run_out(harness, &store, 1).await;
    assert!(!store.renew(key(1), claim(1, now)).await, "it ran out");
    assert_eq!(store.hold(key(1), claim(2, now)).await.revision, Revision::new(1_002), "it is taken over");
}

/// A lease that ends later than a claim of the same length would, and by more than clocks may differ, is none: it is taken
/// over like one that ran out.
pub async fn a_lease_too_far_ahead_is_taken_over(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), Claim { ttl: Duration::from_secs(3_600), ..claim(1, at(0)) }).await;
    let taken = Record { revision: Revision::new(1_002), ..record(1) };
    assert_eq!(store.hold(key(1), claim(2, at(0))).await, taken);
    assert_eq!(store.stored(key(1)).await, Some(taken));
    assert!(store.is_busy(key(1), claim(3, at(0))).await, "the successor holds it");
    assert!(!store.release(key(1), 1).await, "the lease is the successor's");
}

/// A lease that ends a little later than a claim of the same length would is held: clocks differ.
pub async fn a_lease_a_little_ahead_is_held(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    let ttl = claim(1, at(0)).ttl + Claim::TOLERANCE - Duration::from_millis(1);
    store.hold(key(1), Claim { ttl, ..claim(1, at(0)) }).await;
    assert!(store.is_busy(key(1), claim(2, at(0))).await);
    assert_eq!(store.stored(key(1)).await, Some(record(1)));
    assert!(store.release(key(1), 1).await, "the holder still has it");
}

/// A lease that a claim overrules counts as expired if it is still exactly the one that was seen: same holder, same end.
/// Stores that do not tell which lease they found are never given one to overrule; made-up ones overrule nothing there either.
pub async fn a_lease_is_overruled_if_it_is_the_one_that_was_seen(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    let told = store.seen(key(1), claim(2, at(0))).await;
    assert_eq!(store.seen(key(1), claim(3, at(0))).await, told, "nothing has happened to the lease");
    let seen = told.unwrap_or(SeenLease::new(LeaseId::new(1), at(1)));
    assert_eq!(seen.lease, LeaseId::new(1), "the holder");
    let later = seen.until.saturating_add(Duration::from_millis(1));
    for other in [SeenLease::new(LeaseId::new(9), seen.until), SeenLease::new(seen.lease, later)] {
        assert!(store.is_busy(key(1), claim(2, at(0)).overruling(other)).await, "{other:?} is another lease");
    }
    if told.is_none() {
        return;
    }
    assert!(store.renew(key(1), claim(1, at(2_000))).await, "the holder is alive");
    assert!(store.is_busy(key(1), claim(2, at(2_000)).overruling(seen)).await, "it was renewed");
    let seen = store.seen(key(1), claim(2, at(2_000))).await.expect("it was told before");
    let taken = Record { revision: Revision::new(1_002), ..record(1) };
    assert_eq!(store.hold(key(1), claim(2, at(2_000)).overruling(seen)).await, taken);
    assert_eq!(store.stored(key(1)).await, Some(taken));
    assert!(store.is_busy(key(1), claim(3, at(2_000)).overruling(seen)).await, "the successor holds another");
    refused(store.replace_and_release(key(1), &record(5), &record(1), 1).await, &[Conflict]);
}

/// A claim whose guard does not match takes over no lease that ran out: the record keeps its revision, and the lease is
/// still there to be taken over.
pub async fn a_mismatch_takes_over_no_expired_lease(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    let stored = guarded(1, at(60_000));
    store.put(key(1), &stored).await;
    let now = let_it_run_out(harness, &store, 1).await;
    assert_eq!(store.mismatch(key(1), claim(2, now).guarded(OTHER_GUARD)).await, stored);
    assert_eq!(store.stored(key(1)).await, Some(stored.clone()));
    let taken = Record { revision: Revision::new(1_003), ..stored };
    assert_eq!(store.hold(key(1), claim(3, now).guarded(GUARD)).await, taken);
}

/// Leases [`key(1)`](key) for a short time and lets that pass; returns what time it is then.
async fn let_it_run_out(harness: &dyn Harness, store: &Probe, holder: u64) -> Timestamp {
    store.hold(key(1), Claim { ttl: SHORT, ..claim(holder, at(0)) }).await;
    at(0).saturating_add(pass(harness, SHORT).await)
}

/// Lets more time pass than a lease of `ttl` lasts; returns how much.
async fn pass(harness: &dyn Harness, ttl: Duration) -> Duration {
    let enough = 2 * ttl + Duration::from_millis(50);
    harness.sleep(enough).await;
    enough
}

enum Lengthen {
    Renew,
    Acquire,
}

/// Takes a short lease, lengthens it to a minute, and lets the short time pass. Answers whose key it was and how
/// much time has passed.
async fn lengthened(harness: &dyn Harness, store: &Probe, by: Lengthen) -> (u64, Duration) {
    let mut ttl = 2 * SHORT;
    for n in 0..6 {
        store.put(key(n), &record(1)).await;
        let start = now();
        store.hold(key(n), Claim { ttl, ..claim(1, at(0)) }).await;
        let in_time = match by {
            Lengthen::Renew => store.renew(key(n), claim(1, at(0))).await,
            Lengthen::Acquire => store.hold(key(n), claim(1, at(0))).await == record(1),
        };
        if in_time {
            return (n, pass(harness, ttl).await);
        }
        // On a very slow machine the lease may have run out on the backend's clock in the meantime.
        assert!(start.elapsed() >= ttl, "the lease was held");
        ttl *= 2;
    }
    panic!("the lease cannot be lengthened: two calls take longer than {ttl:?}");
}

#[allow(clippy::disallowed_methods, reason = "measures how slow the machine is; no rule depends on it")]
fn now() -> Instant {
    Instant::now()
}

const SHORT: Duration = Duration::from_millis(100);
