//! `purge` removes what has expired, in small portions, and nothing where the backend does so itself.

use super::harness::Harness;
use super::probe::{Probe, expiring, key, past, record, refused};
use crate::error::ErrorKind;
use crate::timestamp::Timestamp;

/// `purge` removes what expired strictly before the cutoff, and never anything else.
pub async fn purge_takes_only_what_expired_before_the_cutoff(harness: &dyn Harness) {
    let Some(store) = Probe::purging(harness).await else { return };
    for offset in [-1, 0, 1] {
        store.put(key((offset + 1) as u64), &expiring(past(offset), &record(1))).await;
    }
    assert_eq!(purged(&store, past(-1), 10).await, 0, "nothing expired before that");
    assert_eq!(purged(&store, past(0), 10).await, 1, "one record expired a millisecond before the cutoff");
    assert_eq!(store.stored(key(0)).await, None);
    assert_eq!(store.stored(key(1)).await, Some(expiring(past(0), &record(1))));
    assert_eq!(store.stored(key(2)).await, Some(expiring(past(1), &record(1))));
}

/// Nothing expires before the epoch, and a record with the last timestamp there is never expires.
pub async fn purge_knows_the_ends_of_time(harness: &dyn Harness) {
    let Some(store) = Probe::purging(harness).await else { return };
    let epoch = Timestamp::from_millis(0);
    store.put(key(1), &expiring(epoch, &record(1))).await;
    store.put(key(2), &expiring(Timestamp::MAX, &record(2))).await;
    assert_eq!(purged(&store, epoch, 10).await, 0);
    assert_eq!(store.stored(key(1)).await, Some(expiring(epoch, &record(1))));
    assert_eq!(purged(&store, Timestamp::MAX, 10).await, 1);
    assert_eq!(store.stored(key(2)).await, Some(expiring(Timestamp::MAX, &record(2))));
}

/// One `purge` removes no more than `limit` records.
pub async fn purge_takes_at_most_the_limit(harness: &dyn Harness) {
    let Some(store) = expired(harness, 7).await else { return };
    assert!(purged(&store, past(0), 3).await <= 3);
    assert!(remaining(&store, 7).await >= 4, "at most three are gone");
}

/// Answering fewer than `limit` means that nothing expired is left.
pub async fn fewer_than_the_limit_means_that_none_are_left(harness: &dyn Harness) {
    let Some(store) = expired(harness, 7).await else { return };
    for _ in 0..=7 {
        if purged(&store, past(0), 3).await < 3 {
            assert_eq!(remaining(&store, 7).await, 0);
            return;
        }
    }
    panic!("seven records cannot fill a limit of three eight times");
}

/// `purge` returns how many records it removed.
pub async fn purge_answers_how_many_it_removed(harness: &dyn Harness) {
    let Some(store) = expired(harness, 5).await else { return };
    store.put(key(100), &record(1)).await;
    let mut left = 5;
    for limit in [1, 2, 100, 100] {
        let removed = purged(&store, past(0), limit).await;
        let now_left = remaining(&store, 5).await;
        assert_eq!(removed, left - now_left);
        left = now_left;
    }
}

/// A limit of zero removes nothing.
pub async fn a_limit_of_zero_removes_nothing(harness: &dyn Harness) {
    let Some(store) = expired(harness, 3).await else { return };
    assert_eq!(purged(&store, past(0), 0).await, 0);
    assert_eq!(remaining(&store, 3).await, 3);
}

/// There may be no limit to speak of.
pub async fn the_greatest_limit_is_no_overflow(harness: &dyn Harness) {
    let Some(store) = expired(harness, 3).await else { return };
    assert_eq!(purged(&store, past(0), usize::MAX).await, 3);
    assert_eq!(remaining(&store, 3).await, 0);
}

/// A touched record is purged by the expiry it was given then.
pub async fn purge_goes_by_the_last_touch(harness: &dyn Harness) {
    let Some(store) = Probe::purging(harness).await else { return };
    store.put(key(1), &expiring(past(60_000), &record(1))).await;
    assert!(store.touch(key(1), past(0), past(90_000)).await.expect("touch succeeds"));
    assert_eq!(purged(&store, past(80_000), 10).await, 0);
    assert_eq!(store.stored(key(1)).await, Some(expiring(past(90_000), &record(1))));
    assert_eq!(purged(&store, past(90_001), 10).await, 1);
    assert_eq!(store.stored(key(1)).await, None);
}

/// A replaced record is purged by the expiry of its replacement, be that later or earlier.
pub async fn purge_goes_by_the_last_replace(harness: &dyn Harness) {
    let Some(store) = Probe::purging(harness).await else { return };
    let (later, earlier) = (expiring(past(90_000), &record(2)), expiring(past(1_000), &record(2)));
    for (n, new) in [(1, &later), (2, &earlier)] {
        store.put(key(n), &record(1)).await;
        store.replace(key(n), new, &record(1)).await.expect("replace succeeds");
    }
    assert_eq!(purged(&store, past(1_001), 10).await, 1, "one life was shortened");
    assert_eq!(store.stored(key(2)).await, None);
    assert_eq!(purged(&store, past(80_000), 10).await, 0, "the other one was lengthened");
    assert_eq!(store.stored(key(1)).await, Some(later));
}

/// A purged record is gone like a deleted one, and its key takes a new one.
pub async fn a_purged_record_is_gone(harness: &dyn Harness) {
    let Some(store) = expired(harness, 1).await else { return };
    assert_eq!(purged(&store, past(0), 10).await, 1);
    refused(store.replace(key(0), &record(2), &record(0)).await, &[ErrorKind::Missing]);
    assert!(!store.delete(key(0)).await.expect("delete succeeds"), "there is no record");
    store.put(key(0), &record(3)).await;
    assert_eq!(store.stored(key(0)).await, Some(record(3)));
    assert_eq!(purged(&store, past(0), 10).await, 0, "the new record is alive");
    assert_eq!(store.stored(key(0)).await, Some(record(3)));
}

/// Deleted records are not purged: they are not counted, and nothing is left of them to trip over.
pub async fn purge_passes_over_deleted_records(harness: &dyn Harness) {
    let Some(store) = expired(harness, 4).await else { return };
    for n in 0..2 {
        assert!(store.delete(key(n)).await.expect("delete succeeds"));
    }
    assert_eq!(purged(&store, past(0), 10).await, 2);
    assert_eq!(remaining(&store, 4).await, 0);
}

/// A store with this many records that have expired; `None` if it is not for `purge` to remove them.
async fn expired(harness: &dyn Harness, records: u64) -> Option<Probe> {
    let store = Probe::purging(harness).await?;
    for n in 0..records {
        store.put(key(n), &expiring(past(-1 - n as i64), &record(n))).await;
    }
    Some(store)
}

/// How many of the first keys have a record.
async fn remaining(store: &Probe, of: u64) -> usize {
    let mut found = 0;
    for n in 0..of {
        found += usize::from(store.stored(key(n)).await.is_some());
    }
    found
}

async fn purged(store: &Probe, cutoff: Timestamp, limit: usize) -> usize {
    store.purge(cutoff, limit).await.expect("purge succeeds")
}
