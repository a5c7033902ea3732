//! Something lies under a key that is not a record of it: damaged, copied from elsewhere, or never a record.
//!
//! It is never answered as a record, never overwritten, and nothing else suffers from it. These hold as a matter
//! of course where [`plant`](Harness::plant) is impossible.

use super::probe::{Probe, at, expiring, key, of, record, refused};
use super::{Expiry, Facet, Foreign, Harness, Outcome};
use crate::ErrorKind::{Conflict, Corrupt, Exists};
use crate::{Acquired, Key};

/// The record of another key is `Corrupt`, not somebody else's session.
pub async fn a_record_of_another_key_is_corrupt(harness: &dyn Harness) {
    if !plant_copy(harness, key(1)).await {
        return;
    }
    let store = Probe::new(harness);
    refused(store.load(key(1)).await, &[Corrupt]);
    assert_eq!(store.stored(original()).await, Some(of("alice", &record(1))));
}

/// Bytes that are no record are `Corrupt`, whatever they are; they are not a missing record.
pub async fn bytes_that_are_no_record_are_corrupt(harness: &dyn Harness) {
    let long = vec![0xAA; 4_096];
    let garbage: [&[u8]; 6] = [b"", b"\0", b"CR", b"not a record at all", &[0xff; 64], &long];
    for (n, bytes) in (0..).zip(garbage) {
        if !plant(harness, key(n), Foreign::Bytes(bytes.to_vec())).await {
            return;
        }
        refused(Probe::new(harness).load(key(n)).await, &[Corrupt]);
    }
}

/// `create` over something foreign answers `Exists`, and leaves it.
pub async fn create_never_overwrites_foreign_bytes(harness: &dyn Harness) {
    for n in plant_all(harness).await {
        let store = Probe::new(harness);
        refused(store.create(key(n), &record(2)).await, &[Exists]);
        refused(store.load(key(n)).await, &[Corrupt]);
    }
}

/// `replace` of something foreign answers `Corrupt` or `Conflict`, even with the revision that it seems to have.
pub async fn replace_never_overwrites_foreign_bytes(harness: &dyn Harness) {
    for n in plant_all(harness).await {
        let store = Probe::new(harness);
        refused(store.replace(key(n), &record(2), &record(1)).await, &[Corrupt, Conflict]);
        refused(store.load(key(n)).await, &[Corrupt]);
    }
}

/// `touch` of something foreign does not find it alive, and leaves it.
pub async fn touch_finds_nothing_alive_in_foreign_bytes(harness: &dyn Harness) {
    for n in plant_all(harness).await {
        let store = Probe::new(harness);
        match store.touch(key(n), at(0), at(90_000)).await {
            Ok(alive) => assert!(!alive, "there is no record that could be alive"),
            error => refused(error, &[Corrupt]),
        }
        refused(store.load(key(n)).await, &[Corrupt]);
    }
}

/// `delete` removes something foreign or leaves it, and answers which.
pub async fn delete_of_foreign_bytes_tells_the_truth(harness: &dyn Harness) {
    for n in plant_all(harness).await {
        let store = Probe::new(harness);
        match store.delete(key(n)).await {
            Ok(true) => assert_eq!(store.stored(key(n)).await, None),
            Ok(false) => refused(store.load(key(n)).await, &[Corrupt]),
            error => {
                refused(error, &[Corrupt]);
                refused(store.load(key(n)).await, &[Corrupt]);
            }
        }
    }
}

/// `purge` removes what has expired although something foreign lies among it.
pub async fn purge_is_not_stopped_by_foreign_bytes(harness: &dyn Harness) {
    let planted = plant_all(harness).await;
    let store = Probe::new(harness);
    for n in 10..20 {
        store.put(key(n), &expiring(at(-1), &record(n))).await;
    }
    for _ in 0..10 + planted.len() {
        if store.purge(at(0), 3).await.expect("purge succeeds") < 3 {
            break;
        }
    }
    for n in 10..20 {
        let gone = harness.expiry() == Expiry::Purged;
        assert_eq!(store.stored(key(n)).await.is_none(), gone, "it expired before the cutoff");
    }
}

/// A walk passes over something foreign, and sees all records.
pub async fn scan_passes_over_foreign_bytes(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    drop(store);
    let planted = plant_all(harness).await;
    let store = Probe::new(harness);
    for n in 10..20 {
        store.put(key(n), &record(n)).await;
    }
    let seen = store.walk(None, 2, 1_000).await;
    for n in 10..20 {
        assert!(seen.contains(&(key(n), record(n))), "the walk sees every record");
    }
    assert!(!planted.iter().any(|n| seen.iter().any(|(seen, _)| *seen == key(*n))), "no foreign record");
}

/// A copied record of a subject is not listed under the key it was copied to.
pub async fn list_passes_over_foreign_bytes(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    for n in 0..2 {
        store.enroll("alice", key(n)).await;
    }
    store.enroll("alice", original()).await;
    drop(store);
    if plant_all(harness).await.is_empty() {
        return;
    }
    let listed = Probe::new(harness).list("alice").await;
    assert_eq!(listed, [(original(), of("alice", &record(1)))]);
}

/// `end_all` ends the records of a subject although something foreign lies among them.
pub async fn end_all_is_not_stopped_by_foreign_bytes(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    for n in 0..2 {
        store.enroll("alice", key(n)).await;
    }
    store.enroll("alice", original()).await;
    drop(store);
    if plant_all(harness).await.is_empty() {
        return;
    }
    let store = Probe::new(harness);
    store.end_all("alice", None).await.expect("end_all succeeds");
    assert_eq!(store.stored(original()).await, None, "it was alice's");
}

/// `acquire` of something foreign is `Corrupt`: it hands out no record.
pub async fn acquire_hands_out_no_foreign_record(harness: &dyn Harness) {
    if Probe::with(Facet::Leases, harness).is_none() {
        return;
    }
    for n in plant_all(harness).await {
        let claim = super::leases::claim(1, at(0));
        let acquired: crate::Result<Acquired> = Probe::new(harness).acquire(key(n), claim).await;
        refused(acquired, &[Corrupt]);
    }
}

/// Plants garbage under `key(0)` and a copy of [`original`] under `key(1)`, and answers which of them it could.
async fn plant_all(harness: &dyn Harness) -> Vec<u64> {
    let mut planted = Vec::new();
    if plant(harness, key(0), Foreign::Bytes(b"not a record at all".to_vec())).await {
        planted.push(0);
    }
    if plant_copy(harness, key(1)).await {
        planted.push(1);
    }
    planted
}

async fn plant_copy(harness: &dyn Harness, to: Key) -> bool {
    Probe::new(harness).put(original(), &of("alice", &record(1))).await;
    plant(harness, to, Foreign::CopyOf(original())).await
}

async fn plant(harness: &dyn Harness, key: Key, foreign: Foreign) -> bool {
    harness.plant(key, foreign).await == Outcome::Done
}

/// The key of the record that is copied.
fn original() -> Key {
    key(1_000)
}
