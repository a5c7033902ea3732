//! Something lies under a key that this version cannot load: it is damaged, or copied from another key, or was never a
//! record, or a later version wrote it.
//!
//! It is never returned as a record, never overwritten, and no other record is affected. Damaged and foreign bytes are
//! `Corrupt`; the record of a later version is `UnknownVersion`. These checks hold trivially where
//! [`plant`](Harness::plant) is impossible.

use super::harness::{Expiry, Facet, Foreign, Harness, Outcome};
use super::probe::{Probe, at, entry, expiring, key, of, purge_clock, record, refused};
use crate::codec::prefix;
use crate::crc32::crc32;
use crate::error::ErrorKind::{self, Conflict, Corrupt, Exists, UnknownVersion};
use crate::key::Key;

/// The record of another key is `Corrupt`, not another user's session.
pub async fn a_record_of_another_key_is_corrupt(harness: &dyn Harness) {
    if !plant_copy(harness, key(1)).await {
        return;
    }
    let store = Probe::new(harness);
    refused(store.load(key(1)).await, &[Corrupt]);
    assert_eq!(store.stored(original()).await, Some(of("alice", &record(1))));
}

/// Bytes that are no record are `Corrupt`, whatever they are. They are not a missing record.
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

/// An intact record of a later version is `UnknownVersion`, whatever it holds. It is neither a missing record nor a damaged
/// one: the server that wrote it still serves its session.
pub async fn a_record_of_a_later_version_is_neither_missing_nor_corrupt(harness: &dyn Harness) {
    let bodies: [&[u8]; 3] = [b"", b"another layout", &[0xff; 4_096]];
    for (n, (version, body)) in (0..).zip([2, 3, 255].into_iter().zip(bodies)) {
        if !plant(harness, key(n), Foreign::Bytes(later_version(&key(n), version, body))).await {
            return;
        }
        refused(Probe::new(harness).load(key(n)).await, &[UnknownVersion]);
    }
}

/// `create` over something that cannot be loaded fails with `Exists`, and leaves it unchanged.
pub async fn create_never_overwrites_foreign_bytes(harness: &dyn Harness) {
    for (key, kind) in plant_all(harness).await {
        let store = Probe::new(harness);
        refused(store.create(key, &record(2)).await, &[Exists]);
        refused(store.load(key).await, &[kind]);
    }
}

/// `replace` of something that cannot be loaded fails as `load` does, or with `Conflict`, even with the revision that it seems
/// to have, and leaves it unchanged.
pub async fn replace_never_overwrites_foreign_bytes(harness: &dyn Harness) {
    for (key, kind) in plant_all(harness).await {
        let store = Probe::new(harness);
        refused(store.replace(key, &record(2), &record(1)).await, &[kind, Conflict]);
        refused(store.load(key).await, &[kind]);
    }
}

/// `touch` of foreign bytes does not find them alive. It leaves them, and the record of a later version, as unreadable as they
/// were.
pub async fn touch_finds_nothing_alive_in_foreign_bytes(harness: &dyn Harness) {
    for (key, kind) in plant_all(harness).await {
        let store = Probe::new(harness);
        match store.touch(key, at(0), at(90_000)).await {
            Ok(alive) => assert!(!alive || kind == UnknownVersion, "there is no record that could be alive"),
            error => refused(error, &[kind]),
        }
        refused(store.load(key).await, &[kind]);
    }
}

/// `delete` removes foreign bytes or leaves them, and says which.
pub async fn delete_of_foreign_bytes_tells_the_truth(harness: &dyn Harness) {
    for (key, kind) in plant_all(harness).await {
        let store = Probe::new(harness);
        match store.delete(key).await {
            Ok(true) => assert_eq!(store.stored(key).await, None),
            Ok(false) => refused(store.load(key).await, &[kind]),
            error => {
                refused(error, &[kind]);
                refused(store.load(key).await, &[kind]);
            }
        }
    }
}

/// `delete` removes the record of a later version: a session can be ended without being read.
pub async fn delete_removes_a_record_of_a_later_version(harness: &dyn Harness) {
    if !plant(harness, key(1), Foreign::Bytes(later_version(&key(1), 2, b"another layout"))).await {
        return;
    }
    let store = Probe::new(harness);
    assert!(store.delete(key(1)).await.expect("delete succeeds"), "there was a record");
    assert_eq!(store.stored(key(1)).await, None);
}

/// `purge` removes what has expired although something that cannot be loaded lies among it.
pub async fn purge_is_not_stopped_by_foreign_bytes(harness: &dyn Harness) {
    let planted = plant_all(harness).await;
    let store = Probe::new(harness);
    for n in 10..20 {
        store.put(key(n), &expiring(purge_clock(harness)(-1), &record(n))).await;
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

/// A walk leaves out what cannot be loaded, and sees all records.
pub async fn scan_passes_over_foreign_bytes(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    drop(store);
    let planted = plant_all(harness).await;
    let store = Probe::new(harness);
    for n in 10..20 {
        store.put(key(n), &record(n)).await;
    }
    let seen = store.walk(None, 2).await;
    for n in 10..20 {
        assert!(seen.contains(&(key(n), record(n))), "the walk sees every record");
    }
    assert!(!planted.iter().any(|(key, _)| seen.iter().any(|(seen, _)| seen == key)), "no foreign record");
}

/// A copied record of a subject is not listed under the key that it was copied to.
pub async fn list_passes_over_foreign_bytes(harness: &dyn Harness) {
    if !plant_among_alices(harness).await {
        return;
    }
    let mut listed = Probe::new(harness).list("alice").await;
    // A store whose columns say so may list a record that it cannot read.
    listed.retain(|entry| entry.key != later());
    assert_eq!(listed, [entry(original(), &of("alice", &record(1)))]);
}

/// `end_all` ends the records of a subject although something that cannot be loaded lies among them.
pub async fn end_all_is_not_stopped_by_foreign_bytes(harness: &dyn Harness) {
    if !plant_among_alices(harness).await {
        return;
    }
    let store = Probe::new(harness);
    store.end_all("alice", None).await.expect("end_all succeeds");
    assert_eq!(store.stored(original()).await, None, "it was alice's");
}

/// `acquire` of something that cannot be loaded fails as `load` does: it returns no record.
pub async fn acquire_hands_out_no_foreign_record(harness: &dyn Harness) {
    if Probe::with(Facet::Leases, harness).is_none() {
        return;
    }
    for (key, kind) in plant_all(harness).await {
        let claim = super::leases::claim(1, at(0));
        refused(Probe::new(harness).acquire(key, claim).await, &[kind]);
    }
}

/// Plants garbage, a copy of [`original`], and a record of a later version. Returns the keys under which that was possible, and
/// what loading them fails with.
async fn plant_all(harness: &dyn Harness) -> Vec<(Key, ErrorKind)> {
    let mut planted = Vec::new();
    if plant(harness, key(0), Foreign::Bytes(b"not a record at all".to_vec())).await {
        planted.push((key(0), Corrupt));
    }
    if plant_copy(harness, key(1)).await {
        planted.push((key(1), Corrupt));
    }
    if plant(harness, later(), Foreign::Bytes(later_version(&later(), 2, b"another layout"))).await {
        planted.push((later(), UnknownVersion));
    }
    planted
}

/// Plants all of that among the keys that the index knows as alice's. False if the store has no index, or nothing can be
/// planted.
async fn plant_among_alices(harness: &dyn Harness) -> bool {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return false };
    for key in [key(0), key(1), later(), original()] {
        store.enroll("alice", key).await;
    }
    drop(store);
    !plant_all(harness).await.is_empty()
}

async fn plant_copy(harness: &dyn Harness, to: Key) -> bool {
    Probe::new(harness).put(original(), &of("alice", &record(1))).await;
    plant(harness, to, Foreign::CopyOf(original())).await
}

async fn plant(harness: &dyn Harness, key: Key, foreign: Foreign) -> bool {
    harness.plant(key, foreign).await == Outcome::Done
}

/// A sound record of a version that does not exist yet. What holds for every version: the prefix, and the checksum at the end.
fn later_version(key: &Key, version: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = prefix(key).to_vec();
    bytes[2] = version;
    bytes.extend_from_slice(body);
    let checksum = crc32(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The key of the record that is copied.
fn original() -> Key {
    key(1_000)
}

/// The key of the record of a later version.
fn later() -> Key {
    key(2)
}
