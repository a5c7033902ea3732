//! Calls on one record at the same time: each is atomic, so that the outcome is one that some order of them has.
//!
//! Each race is run many times, interleaved on one task and on tasks of their own.

use super::harness::Harness;
use super::probe::{Probe, at, expiring, key, of, past, record, refused};
use super::race::{modes, race, race_all};
use crate::error::ErrorKind::{Conflict, Exists, Missing};
use crate::error::{ErrorKind, Result};
use crate::facets::BoxFuture;
use crate::record::{Record, Revision};

/// Of creates of the same key exactly one wins; the others fail with `Exists`.
pub async fn of_several_creates_exactly_one_wins(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (n, mode) in modes() {
        let creates = (0..4).map(|i| Probe::new(harness).create(key(n), &record(i)));
        let created = race_all(harness, mode, creates).await;
        let winner = only_winner(created, &[Exists]);
        assert_eq!(store.stored(key(n)).await, Some(record(winner)), "{mode:?}");
    }
}

/// Of replaces of the same revision exactly one wins; the others fail with `Conflict`.
pub async fn of_several_replaces_exactly_one_wins(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (n, mode) in modes() {
        store.put(key(n), &record(9)).await;
        let replaces = (0..4).map(|i| Probe::new(harness).replace(key(n), &record(i), &record(9)));
        let replaced = race_all(harness, mode, replaces).await;
        let winner = only_winner(replaced, &[Conflict]);
        assert_eq!(store.stored(key(n)).await, Some(record(winner)), "{mode:?}");
    }
}

/// Of deletes of the same record exactly one returns true.
pub async fn of_several_deletes_exactly_one_finds_the_record(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (n, mode) in modes() {
        store.put(key(n), &record(1)).await;
        let deletes = (0..4).map(|_| Probe::new(harness).delete(key(n)));
        let found = race_all(harness, mode, deletes).await;
        let found = found.into_iter().filter(|found| *found.as_ref().expect("delete succeeds")).count();
        assert_eq!(found, 1, "{mode:?}");
        assert_eq!(store.stored(key(n)).await, None);
    }
}

/// A replace never brings back what a delete removes: after both there is no record.
pub async fn replace_against_delete_never_resurrects(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (n, mode) in modes() {
        store.put(key(n), &record(1)).await;
        let replace = store.replace(key(n), &record(2), &record(1));
        let (replaced, deleted) = race(harness, mode, replace, Probe::new(harness).delete(key(n))).await;
        assert!(deleted.expect("delete succeeds"), "there was a record all the time, {mode:?}");
        if replaced.is_err() {
            refused(replaced, &[Missing]);
        }
        assert_eq!(store.stored(key(n)).await, None, "{mode:?}");
    }
}

/// A touch never brings back what a delete removes: after both there is no record.
pub async fn touch_against_delete_never_resurrects(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (n, mode) in modes() {
        store.put(key(n), &record(1)).await;
        let touch = store.touch(key(n), at(0), at(90_000));
        let (touched, deleted) = race(harness, mode, touch, Probe::new(harness).delete(key(n))).await;
        touched.expect("touch succeeds");
        assert!(deleted.expect("delete succeeds"), "there was a record all the time, {mode:?}");
        assert_eq!(store.stored(key(n)).await, None, "{mode:?}");
    }
}

/// A touch and a replace do not hinder each other: the replace succeeds, and its data is what stays.
pub async fn touch_against_replace_loses_nothing(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (n, mode) in modes() {
        store.put(key(n), &record(1)).await;
        let touch = store.touch(key(n), at(0), at(90_000));
        let replace = Probe::new(harness).replace(key(n), &record(2), &record(1));
        let (touched, replaced) = race(harness, mode, touch, replace).await;
        assert!(touched.expect("touch succeeds"), "the record is alive all the time");
        replaced.expect("a touch is no change that a replace conflicts with");
        let stored = store.stored(key(n)).await.expect("nobody deleted it");
        assert_eq!(expiring(at(60_000), &stored), record(2), "{mode:?}");
        assert!([at(60_000), at(90_000)].contains(&stored.expires_at), "{mode:?}: {stored:?}");
    }
}

/// A create against a delete of the former record fails because of that record, or its own record stays.
pub async fn create_against_delete_is_refused_or_stays(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (n, mode) in modes() {
        store.put(key(n), &record(1)).await;
        let create = store.create(key(n), &record(2));
        let (created, deleted) = race(harness, mode, create, Probe::new(harness).delete(key(n))).await;
        assert!(deleted.expect("delete succeeds"), "there was a record all the time, {mode:?}");
        let stays = created.is_ok();
        if !stays {
            refused(created, &[Exists]);
        }
        assert_eq!(store.stored(key(n)).await, stays.then(|| record(2)), "{mode:?}");
    }
}

/// A purge re-checks the expiry as it removes: a record that a touch found alive is not purged.
pub async fn purge_against_touch_spares_what_was_touched(harness: &dyn Harness) {
    let Some(store) = Probe::purging(harness).await else { return };
    for (n, mode) in modes() {
        store.put(key(n), &expiring(past(60_000), &record(1))).await;
        // The purge's clock is ahead of the touch's.
        let touch = store.touch(key(n), past(0), past(90_000));
        let (touched, purged) = race(harness, mode, touch, Probe::new(harness).purge(past(60_001), 10)).await;
        let alive = touched.expect("touch succeeds");
        assert_eq!(purged.expect("purge succeeds"), usize::from(!alive), "{mode:?}");
        let expected = alive.then(|| expiring(past(90_000), &record(1)));
        assert_eq!(store.stored(key(n)).await, expected, "{mode:?}");
        store.delete(key(n)).await.expect("delete succeeds");
    }
}

/// A purge re-checks the expiry as it removes: what was replaced by a longer-lived record is not purged.
pub async fn purge_against_replace_spares_what_was_replaced(harness: &dyn Harness) {
    let Some(store) = Probe::purging(harness).await else { return };
    for (n, mode) in modes() {
        store.put(key(n), &expiring(past(60_000), &record(1))).await;
        let longer = expiring(past(90_000), &record(2));
        let replace = store.replace(key(n), &longer, &record(1));
        let (replaced, purged) =
            race(harness, mode, replace, Probe::new(harness).purge(past(60_001), 10)).await;
        let stays = replaced.is_ok();
        if !stays {
            refused(replaced, &[Missing]);
        }
        assert_eq!(purged.expect("purge succeeds"), usize::from(!stays), "{mode:?}");
        assert_eq!(store.stored(key(n)).await, stays.then_some(longer), "{mode:?}");
        store.delete(key(n)).await.expect("delete succeeds");
    }
}

/// Purges at the same time count each record once between them.
pub async fn purge_against_purge_counts_each_record_once(harness: &dyn Harness) {
    let Some(store) = Probe::purging(harness).await else { return };
    for (n, mode) in modes() {
        for i in 0..3 {
            store.put(key(3 * n + i), &expiring(past(-1), &record(i))).await;
        }
        let other = Probe::new(harness).purge(past(0), 10);
        let (one, other) = race(harness, mode, store.purge(past(0), 10), other).await;
        let total = one.expect("purge succeeds") + other.expect("purge succeeds");
        assert_eq!(total, 3, "{mode:?}");
    }
}

/// Whoever loads during a replace sees the old record or the new one, never a mixture.
pub async fn load_against_replace_sees_a_whole_record(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (n, mode) in modes() {
        let (old, new) = (record(1), expiring(at(90_000), &of("alice", &record(2))));
        store.put(key(n), &old).await;
        let load = Probe::new(harness).load(key(n));
        let (replaced, loaded) = race(harness, mode, store.replace(key(n), &new, &old), load).await;
        replaced.expect("replace succeeds");
        let loaded = loaded.expect("load succeeds").expect("there is a record all the time");
        assert!(loaded == old || loaded == new, "{mode:?}: {loaded:?}");
    }
}

/// Writers that load, change and replace until it works lose no change of any of them.
pub async fn no_update_is_lost(harness: &dyn Harness) {
    const WRITERS: u64 = 4;
    const UPDATES: u64 = 8;
    let store = Probe::new(harness);
    for (n, mode) in modes().step_by(5) {
        store.put(key(n), &counting(0, 0)).await;
        let writers = (1..=WRITERS).map(|writer| -> BoxFuture<'static, ()> {
            let store = Probe::new(harness);
            Box::pin(async move {
                let mut left = UPDATES;
                // A conflict means that another one got through, so that there is a limit to them.
                for attempt in 1..=WRITERS * UPDATES {
                    let seen = store.stored(key(n)).await.expect("nobody deletes it");
                    let new = counting(writer * 1_000 + attempt, count_in(&seen) + 1);
                    match store.replace(key(n), &new, &seen).await {
                        Ok(()) => left -= 1,
                        conflict => refused(conflict, &[Conflict]),
                    }
                    if left == 0 {
                        return;
                    }
                }
                panic!("a replace answers {Conflict:?} although nobody was quicker");
            })
        });
        race_all(harness, mode, writers).await;
        let stored = store.stored(key(n)).await.expect("nobody deleted it");
        assert_eq!(count_in(&stored), WRITERS * UPDATES, "{mode:?}");
    }
}

fn counting(revision: u64, count: u64) -> Record {
    Record { revision: Revision::new(revision), data: count.to_le_bytes().as_slice().into(), ..record(0) }
}

fn count_in(record: &Record) -> u64 {
    u64::from_le_bytes(record.data[..].try_into().expect("eight bytes were written"))
}

/// The index of the only success; all others were refused as they should be.
fn only_winner(results: Vec<Result<()>>, refusal: &[ErrorKind]) -> u64 {
    let mut winners = Vec::new();
    for (i, result) in (0..).zip(results) {
        match result {
            Ok(()) => winners.push(i),
            refusal_of_one => refused(refusal_of_one, refusal),
        }
    }
    assert!(winners.len() == 1, "exactly one wins, not {winners:?}");
    winners[0]
}
