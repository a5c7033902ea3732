//! `touch` lengthens the life of a record that is alive, and does nothing else.

use super::harness::{Expiry, Harness};
use super::probe::{Probe, at, expiring, key, of, record};
use crate::timestamp::Timestamp;

/// `touch` moves the expiry forward; revision, subject and data stay.
pub async fn touch_moves_the_expiry_and_nothing_else(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let before = of("alice", &record(1));
    store.put(key(1), &before).await;
    assert!(touched(&store, at(0), at(60_001)).await, "the record is alive");
    assert_eq!(store.stored(key(1)).await, Some(expiring(at(60_001), &before)));
}

/// A touched record is still replaced by a caller that read it before the touch.
pub async fn touch_causes_no_conflict(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &record(1)).await;
    assert!(touched(&store, at(0), at(70_000)).await, "the record is alive");
    store.replace(key(1), &record(2), &record(1)).await.expect("the revision is still the one that was read");
    assert_eq!(store.stored(key(1)).await, Some(record(2)));
}

/// `touch` with an earlier expiry leaves the later one, and reports that the record is alive.
pub async fn touch_never_moves_the_expiry_back(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &record(1)).await;
    for earlier in [at(60_000), at(59_999), at(1), at(0), at(-1_000)] {
        assert!(touched(&store, at(0), earlier).await, "the record is alive");
        assert_eq!(store.stored(key(1)).await, Some(record(1)));
    }
}

/// `touch` of an expired record returns false and does not revive it.
pub async fn touch_never_revives_an_expired_record(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let expired = expiring(at(-2), &record(1));
    store.put(key(1), &expired).await;
    assert!(!touched(&store, at(0), at(60_000)).await, "the record has expired");
    assert_eq!(store.stored(key(1)).await, Some(expired));
}

/// A record has expired at the very millisecond of its expiry, and not one earlier.
pub async fn a_record_is_dead_at_its_expiry_and_alive_just_before(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &record(1)).await;
    assert!(!touched(&store, at(60_000), at(90_000)).await, "now is the expiry");
    assert_eq!(store.stored(key(1)).await, Some(record(1)));
    assert!(touched(&store, at(59_999), at(90_000)).await, "now is a millisecond before the expiry");
    assert_eq!(store.stored(key(1)).await, Some(expiring(at(90_000), &record(1))));
}

/// `touch` without a record returns false and creates nothing.
pub async fn touch_without_a_record_answers_false_and_creates_nothing(harness: &dyn Harness) {
    let store = Probe::new(harness);
    assert!(!touched(&store, at(0), at(60_000)).await, "there is no record");
    assert_eq!(store.stored(key(1)).await, None);
    store.put(key(1), &record(1)).await;
    store.delete(key(1)).await.expect("delete succeeds");
    assert!(!touched(&store, at(0), at(60_000)).await, "the record was deleted");
    assert_eq!(store.stored(key(1)).await, None);
}

/// `touch` is right from the epoch to the last timestamp there is, to the millisecond.
pub async fn touch_reaches_the_ends_of_time(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let millis = Timestamp::from_millis;
    let (start, born) = match harness.expiry() {
        Expiry::Purged => (millis(0), expiring(millis(1), &record(1))),
        // What expired so long ago may be gone by now.
        Expiry::Native => (at(0), record(1)),
    };
    store.put(key(1), &born).await;
    let times = [millis(2), millis(1 << 32), millis((1 << 53) + 1), millis((1 << 53) + 2), Timestamp::MAX];
    for to in times.into_iter().filter(|to| *to > born.expires_at) {
        assert!(touched(&store, start, to).await, "the record is alive");
        assert_eq!(store.stored(key(1)).await, Some(expiring(to, &born)));
    }
}

async fn touched(store: &Probe, now: Timestamp, expires_at: Timestamp) -> bool {
    store.touch(key(1), now, expires_at).await.expect("touch succeeds")
}
