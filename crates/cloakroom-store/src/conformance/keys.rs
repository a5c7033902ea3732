//! All 32 bytes of a key count.

use super::harness::Harness;
use super::probe::{Probe, at, key, record, refused};
use super::race::{Mode, race_all};
use crate::error::ErrorKind;
use crate::key::Key;

/// Keys that differ in a single bit, whichever it is, name different records.
pub async fn keys_that_differ_in_one_bit_name_different_records(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let flipped = |bit: usize| {
        let mut bytes = *key(1).as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Key::new(bytes)
    };
    store.put(key(1), &record(1_000)).await;
    // All at once, for stores that wait for a disk.
    let creates = (0..8 * Key::LEN).map(|bit| store.create(flipped(bit), &record(bit as u64)));
    for created in race_all(harness, Mode::Interleaved { first: 0, head_start: 0 }, creates).await {
        created.expect("a key that differs in one bit is free");
    }
    assert_eq!(store.stored(key(1)).await, Some(record(1_000)));
    for bit in 0..8 * Key::LEN {
        assert_eq!(store.stored(flipped(bit)).await, Some(record(bit as u64)), "bit {bit}");
    }
}

/// Changes to one record leave its neighbours alone.
pub async fn a_change_leaves_other_records_alone(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let mut near = *key(2).as_bytes();
    near[Key::LEN - 1] ^= 1;
    let others = [Key::new(near), key(1), key(3)];
    for other in others {
        store.put(other, &record(7)).await;
    }
    store.put(key(2), &record(1)).await;
    store.replace(key(2), &record(2), &record(1)).await.expect("replace succeeds");
    assert!(store.touch(key(2), at(0), at(70_000)).await.expect("touch succeeds"));
    assert!(store.delete(key(2)).await.expect("delete succeeds"));
    for other in others {
        assert_eq!(store.stored(other).await, Some(record(7)));
    }
}

/// The keys of nothing but zeros and nothing but ones are keys like any other.
pub async fn the_first_and_the_last_key_hold_records(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (edge, n) in [(Key::new([0; Key::LEN]), 1), (Key::new([0xff; Key::LEN]), 3)] {
        store.put(edge, &record(n)).await;
        refused(store.create(edge, &record(n)).await, &[ErrorKind::Exists]);
        store.replace(edge, &record(n + 1), &record(n)).await.expect("replace succeeds");
        assert_eq!(store.stored(edge).await, Some(record(n + 1)));
    }
    for edge in [Key::new([0; Key::LEN]), Key::new([0xff; Key::LEN])] {
        assert!(store.delete(edge).await.expect("delete succeeds"));
        assert_eq!(store.stored(edge).await, None);
    }
}
