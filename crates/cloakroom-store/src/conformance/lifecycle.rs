//! Create, load, replace, delete.

use super::harness::Harness;
use super::probe::{Probe, at, expiring, key, of, record, refused};
use crate::error::ErrorKind;
use crate::record::Record;

/// A created record is loaded with the revision, expiry, subject and data it was created with.
pub async fn a_created_record_is_loaded_as_it_was(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let (anonymous, signed_in) = (record(1), of("alice", &record(2)));
    store.put(key(1), &anonymous).await;
    store.put(key(2), &signed_in).await;
    assert_eq!(store.stored(key(1)).await, Some(anonymous));
    assert_eq!(store.stored(key(2)).await, Some(signed_in));
}

/// Loading a key that has no record returns `None`: that is no error.
pub async fn a_key_without_a_record_loads_as_none(harness: &dyn Harness) {
    let store = Probe::new(harness);
    assert_eq!(store.stored(key(1)).await, None);
    store.put(key(2), &record(1)).await;
    assert_eq!(store.stored(key(1)).await, None);
}

/// `create` over a record fails with `Exists`, and the record stays as it was.
pub async fn create_over_a_record_answers_exists_and_changes_nothing(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &record(1)).await;
    refused(store.create(key(1), &record(2)).await, &[ErrorKind::Exists]);
    refused(store.create(key(1), &record(1)).await, &[ErrorKind::Exists]);
    assert_eq!(store.stored(key(1)).await, Some(record(1)));
}

/// `create` over an expired record that is still there fails with `Exists` too.
pub async fn create_over_an_expired_record_answers_exists(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let expired = expiring(at(-1), &record(1));
    store.put(key(1), &expired).await;
    refused(store.create(key(1), &record(2)).await, &[ErrorKind::Exists]);
    assert_eq!(store.stored(key(1)).await, Some(expired));
}

/// `replace` puts the new record in the place of the old one, every field of it.
pub async fn replace_takes_over_every_field(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let first = of("alice", &record(1));
    let longer = Record { data: vec![b'x'; 5_000].into(), ..expiring(at(90_000), &of("bob", &record(2))) };
    let nobodys = record(3);
    store.put(key(1), &first).await;
    for (new, old) in [(&longer, &first), (&nobodys, &longer), (&first, &nobodys)] {
        store.replace(key(1), new, old).await.expect("replace of the stored revision succeeds");
        assert_eq!(store.stored(key(1)).await.as_ref(), Some(new));
    }
}

/// `replace` may bring the expiry forward to an earlier time: only `touch` is one-way.
pub async fn replace_may_shorten_a_life(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let shorter = expiring(at(1_000), &record(2));
    store.put(key(1), &record(1)).await;
    store.replace(key(1), &shorter, &record(1)).await.expect("replace succeeds");
    assert_eq!(store.stored(key(1)).await, Some(shorter));
}

/// `replace` of a record that has another revision fails with `Conflict`, and the record stays as it was.
pub async fn replace_of_another_revision_answers_conflict_and_changes_nothing(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &record(5)).await;
    for stale in [record(4), record(6), record(0)] {
        refused(store.replace(key(1), &record(7), &stale).await, &[ErrorKind::Conflict]);
        assert_eq!(store.stored(key(1)).await, Some(record(5)));
    }
}

/// Revisions have no order: one with a smaller number replaces one with a greater.
pub async fn revisions_are_compared_for_equality_only(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &record(9)).await;
    store.replace(key(1), &record(3), &record(9)).await.expect("a smaller revision replaces a greater");
    assert_eq!(store.stored(key(1)).await, Some(record(3)));
}

/// `replace` without a record fails with `Missing` and creates nothing, also after a delete.
pub async fn replace_without_a_record_answers_missing_and_creates_nothing(harness: &dyn Harness) {
    let store = Probe::new(harness);
    refused(store.replace(key(1), &record(2), &record(1)).await, &[ErrorKind::Missing]);
    assert_eq!(store.stored(key(1)).await, None);
    store.put(key(2), &record(1)).await;
    store.delete(key(2)).await.expect("delete succeeds");
    refused(store.replace(key(2), &record(2), &record(1)).await, &[ErrorKind::Missing]);
    assert_eq!(store.stored(key(2)).await, None);
}

/// `delete` removes the record and reports that there was one.
pub async fn delete_removes_the_record_and_says_so(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &record(1)).await;
    assert!(store.delete(key(1)).await.expect("delete succeeds"), "there was a record");
    assert_eq!(store.stored(key(1)).await, None);
}

/// `delete` without a record returns false: that is no error.
pub async fn delete_without_a_record_answers_false(harness: &dyn Harness) {
    let store = Probe::new(harness);
    assert!(!store.delete(key(1)).await.expect("delete succeeds"), "there was no record");
    store.put(key(1), &record(1)).await;
    store.delete(key(1)).await.expect("delete succeeds");
    assert!(!store.delete(key(1)).await.expect("delete succeeds"), "the record was deleted before");
}

/// A key whose record was deleted takes a new one, which has nothing of the old.
pub async fn a_deleted_key_takes_a_new_record(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &of("alice", &record(1))).await;
    store.delete(key(1)).await.expect("delete succeeds");
    store.put(key(1), &record(2)).await;
    assert_eq!(store.stored(key(1)).await, Some(record(2)));
}

/// An expired record is loaded like any other until it is deleted or purged, or its ten minutes are over.
pub async fn an_expired_record_is_still_loaded(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let expired = expiring(at(-300_000), &record(1));
    store.put(key(1), &expired).await;
    assert_eq!(store.stored(key(1)).await, Some(expired));
}

/// An expired record can be replaced and deleted like any other.
pub async fn an_expired_record_can_be_replaced_and_deleted(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &expiring(at(-300_000), &record(1))).await;
    let expired = expiring(at(-299_999), &record(2));
    store.replace(key(1), &expired, &record(1)).await.expect("an expired record is replaced");
    assert_eq!(store.stored(key(1)).await, Some(expired));
    assert!(store.delete(key(1)).await.expect("delete succeeds"), "there was an expired record");
}

/// What one handle was told is done, every other handle sees at once.
pub async fn every_handle_sees_what_was_acknowledged(harness: &dyn Harness) {
    let (one, other) = (Probe::new(harness), Probe::new(harness));
    assert_eq!(other.stored(key(1)).await, None);
    one.put(key(1), &record(1)).await;
    assert_eq!(other.stored(key(1)).await, Some(record(1)));
    other.replace(key(1), &record(2), &record(1)).await.expect("replace succeeds");
    assert_eq!(one.stored(key(1)).await, Some(record(2)));
    assert!(one.touch(key(1), at(0), at(70_000)).await.expect("touch succeeds"));
    assert_eq!(other.stored(key(1)).await, Some(expiring(at(70_000), &record(2))));
    assert!(other.delete(key(1)).await.expect("delete succeeds"));
    assert_eq!(one.stored(key(1)).await, None);
}
