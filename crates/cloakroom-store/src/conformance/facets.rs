//! The store has exactly the facets that its author lists, and they tell the same records as the store itself.
//!
//! A wrapper that seals or moves records, and passes a facet of the store inside on as it is, fails here.

use super::harness::{Facet, Harness};
use super::leases::claim;
use super::probe::{Probe, at, entry, expiring, key, of, record};

/// [`Leases`](crate::Leases) is there if it is listed, and not if it is not.
pub async fn leases_are_there_exactly_if_listed(harness: &dyn Harness) {
    Probe::with(Facet::Leases, harness);
}

/// [`Subjects`](crate::Subjects) is there if it is listed, and not if it is not.
pub async fn subjects_are_there_exactly_if_listed(harness: &dyn Harness) {
    Probe::with(Facet::Subjects, harness);
}

/// [`Scan`](crate::Scan) is there if it is listed, and not if it is not.
pub async fn scan_is_there_exactly_if_listed(harness: &dyn Harness) {
    Probe::with(Facet::Scan, harness);
}

/// [`Notices`](crate::Notices) is there if it is listed, and not if it is not.
pub async fn notices_are_there_exactly_if_listed(harness: &dyn Harness) {
    Probe::with(Facet::Notices, harness);
}

/// The record that `acquire` returns is the one that `load` returns.
pub async fn acquire_and_load_return_the_same(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &of("alice", &record(1))).await;
    let held = store.hold(key(1), claim(1, at(0))).await;
    assert_eq!(store.stored(key(1)).await, Some(held));
}

/// What `replace_and_release` writes is what `load` returns, and what `replace` can replace.
pub async fn replace_and_release_writes_what_load_returns(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Leases, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.hold(key(1), claim(1, at(0))).await;
    let second = of("alice", &record(2));
    store.replace_and_release(key(1), &second, &record(1), 1).await.expect("replace succeeds");
    assert_eq!(store.stored(key(1)).await, Some(second.clone()));
    store.replace(key(1), &record(3), &second).await.expect("replace of the stored revision succeeds");
    assert_eq!(store.stored(key(1)).await, Some(record(3)));
}

/// The records of a walk are those that `load` returns.
pub async fn a_walk_and_load_return_the_same(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    for n in 0..10 {
        store.put(key(n), &of("alice", &expiring(at(n as i64), &record(n)))).await;
    }
    let seen = store.walk(None, 3).await;
    assert!(seen.len() >= 10, "{seen:?}");
    for (key, record) in seen {
        assert_eq!(store.stored(key).await, Some(record));
    }
}

/// The keys and expiries of a list are those of the records that `load` returns, which name the subject.
pub async fn a_list_and_load_return_the_same(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    for n in 0..10 {
        store.put_of("alice", key(n), &expiring(at(n as i64), &record(n))).await;
    }
    let listed = store.list("alice").await;
    assert_eq!(listed.len(), 10);
    for listed in listed {
        let stored = store.stored(listed.key).await.expect("it is listed");
        assert_eq!(entry(listed.key, &stored), listed);
        assert_eq!(stored, of("alice", &stored));
    }
}
