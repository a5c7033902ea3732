//! A future may be dropped at any await: the call then has its whole effect or none, and no other caller is affected.
//!
//! Each call is dropped after being polled 0, 1, 2, … times, until it is quicker than that.

use super::harness::Harness;
use super::probe::{Probe, at, expiring, in_time, key, record};
use super::race::abandon_after;
use crate::error::ErrorKind::{Conflict, Missing};

/// A dropped create has created the whole record or none.
pub async fn a_dropped_create_is_all_or_nothing(harness: &dyn Harness) {
    for n in 0..MOST_POLLS {
        let store = Probe::new(harness);
        let done = abandon_after(n as usize, store.create(key(n), &record(1))).await;
        let stored = in_time(harness, store.stored(key(n))).await;
        assert!(stored.is_none() || stored == Some(record(1)), "dropped after {n} polls: {stored:?}");
        if let Some(created) = done {
            created.expect("create succeeds");
            return;
        }
    }
}

/// A dropped replace has put the whole new record in place, or left the old one.
pub async fn a_dropped_replace_is_all_or_nothing(harness: &dyn Harness) {
    for n in 0..MOST_POLLS {
        let store = Probe::new(harness);
        let new = expiring(at(90_000), &record(2));
        store.put(key(n), &record(1)).await;
        let done = abandon_after(n as usize, store.replace(key(n), &new, &record(1))).await;
        let stored = in_time(harness, store.stored(key(n))).await.expect("nobody deleted it");
        assert!(stored == record(1) || stored == new, "dropped after {n} polls: {stored:?}");
        if let Some(replaced) = done {
            replaced.expect("replace succeeds");
            return;
        }
    }
}

/// A dropped touch has changed the expiry or nothing.
pub async fn a_dropped_touch_is_all_or_nothing(harness: &dyn Harness) {
    for n in 0..MOST_POLLS {
        let store = Probe::new(harness);
        store.put(key(n), &record(1)).await;
        let done = abandon_after(n as usize, store.touch(key(n), at(0), at(90_000))).await;
        let stored = in_time(harness, store.stored(key(n))).await.expect("nobody deleted it");
        let touched = expiring(at(90_000), &record(1));
        assert!(stored == record(1) || stored == touched, "dropped after {n} polls: {stored:?}");
        if let Some(alive) = done {
            assert!(alive.expect("touch succeeds"), "the record is alive");
            return;
        }
    }
}

/// A dropped delete has removed the whole record or left it.
pub async fn a_dropped_delete_is_all_or_nothing(harness: &dyn Harness) {
    for n in 0..MOST_POLLS {
        let store = Probe::new(harness);
        store.put(key(n), &record(1)).await;
        let done = abandon_after(n as usize, store.delete(key(n))).await;
        let stored = in_time(harness, store.stored(key(n))).await;
        assert!(stored.is_none() || stored == Some(record(1)), "dropped after {n} polls: {stored:?}");
        if let Some(deleted) = done {
            assert!(deleted.expect("delete succeeds"), "there was a record");
            return;
        }
    }
}

/// After a dropped call the record can be written as before: no lock, no transaction stays open.
pub async fn a_dropped_write_blocks_nobody(harness: &dyn Harness) {
    for n in 0..MOST_POLLS {
        let store = Probe::new(harness);
        store.put(key(n), &record(1)).await;
        let quick = abandon_after(n as usize, store.replace(key(n), &record(2), &record(1))).await.is_some();
        in_time(harness, overwrite(&Probe::new(harness), n, 10)).await;
        assert!(in_time(harness, store.delete(key(n))).await.expect("delete succeeds"));
        in_time(harness, store.create(key(n), &record(3))).await.expect("create succeeds");
        if quick {
            return;
        }
    }
}

/// After a dropped load the next one returns its own record, not the one of the dropped load.
pub async fn a_dropped_load_never_answers_the_next_one(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for n in 1..=3 {
        store.put(key(n), &record(n)).await;
    }
    for polls in 0..MOST_POLLS as usize {
        let quick = abandon_after(polls, store.load(key(1))).await.is_some();
        for n in [2, 3, 2] {
            let stored = in_time(harness, store.stored(key(n))).await;
            assert_eq!(stored, Some(record(n)), "after a load dropped after {polls} polls");
        }
        if quick {
            return;
        }
    }
}

/// Loads and replaces until it works, also while a dropped replace may still be carried out.
async fn overwrite(store: &Probe, n: u64, revision: u64) {
    for attempt in 0..10 {
        let seen = store.stored(key(n)).await.expect("nobody deletes it");
        match store.replace(key(n), &record(revision + attempt), &seen).await {
            Ok(()) => return,
            Err(error) => assert_eq!(error.kind(), Conflict, "not even {Missing:?}: nobody deletes it"),
        }
    }
    panic!("a dropped call changes a record once at most");
}

/// No call waits this often.
const MOST_POLLS: u64 = 24;
