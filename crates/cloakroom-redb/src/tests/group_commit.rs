//! How changes share syncs, and what becomes of those nobody waits for.

use std::sync::Barrier;
use std::thread;

use cloakroom_store::{Applied, ErrorKind, Revision, Store};

use super::disk::Disk;
use super::{Begun, at, begin, key, open, record, run};
use crate::writer::{QUEUE, UNSYNCED_COMMITS, UNSYNCED_TIME};

#[test]
fn changes_that_wait_together_share_one_sync_and_are_answered_each_on_its_own() {
    let disk = Disk::default();
    let store = open(&disk);
    run(store.create(&key(200), &record(1, 100), at(0))).unwrap();
    let before = disk.syncs();
    let held = disk.hold_syncs();
    let (stored, next, nobody) = (record(1, 100), record(2, 100), key(99));
    let keys: Vec<_> = (0..64).map(key).collect();
    let creates: Vec<_> = keys.iter().map(|key| begin(store.create(key, &stored, at(0)))).collect();
    let exists = begin(store.create(&keys[0], &stored, at(0)));
    let conflict = begin(store.replace(&keys[1], &next, Revision::new(9), at(0)));
    let missing = begin(store.replace(&nobody, &next, Revision::new(1), at(0)));
    let replaced = begin(store.replace(&keys[2], &next, Revision::new(1), at(0)));
    drop(held);

    creates.into_iter().for_each(|create| create.finish().unwrap());
    assert_eq!(exists.finish().unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(conflict.finish().unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(missing.finish().unwrap_err().kind(), ErrorKind::Missing);
    replaced.finish().unwrap();
    assert_eq!(run(store.load(&keys[2])).unwrap(), Some(next));
    // What the writer had taken when the disk stood still, and everything else.
    let syncs = disk.syncs() - before;
    assert!((1..=2).contains(&syncs), "{syncs} syncs");
}

#[test]
fn many_threads_lose_no_update_and_sync_far_less_than_they_write() {
    const WRITERS: u8 = 32;
    const ROUNDS: u64 = 20;
    let disk = Disk::default();
    let store = open(&disk);
    let before = disk.syncs();
    // Each round all of them queue their change before the disk moves.
    let step = Barrier::new(usize::from(WRITERS) + 1);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, step) = (&store, &step);
            scope.spawn(move || {
                let key = key(writer);
                for round in 0..ROUNDS {
                    let (next, expected) = (record(round + 1, 100), Revision::new(round));
                    step.wait();
                    let call = begin(async {
                        if round == 0 {
                            return store.create(&key, &next, at(0)).await;
                        }
                        store.replace(&key, &next, expected, at(0)).await
                    });
                    step.wait();
                    call.finish().unwrap();
                    assert_eq!(run(store.load(&key)).unwrap(), Some(next.clone()));
                    step.wait();
                }
            });
        }
        for _ in 0..ROUNDS {
            let held = disk.hold_syncs();
            step.wait();
            step.wait();
            drop(held);
            step.wait();
        }
    });
    let (syncs, writes) = (disk.syncs() - before, usize::from(WRITERS) * ROUNDS as usize);
    assert!(syncs <= 2 * ROUNDS as usize, "{syncs} syncs for {writes} writes");
}

#[test]
fn a_change_nobody_waits_for_any_more_is_made_and_one_never_polled_is_not() {
    let disk = Disk::default();
    let store = open(&disk);
    let held = disk.hold_syncs();
    let stored = record(1, 100);
    drop(begin(store.create(&key(1), &stored, at(0))));
    drop(begin(store.create(&key(2), &stored, at(0))));
    drop(store.create(&key(3), &stored, at(0)));
    drop(held);
    // Dropping the store drains the queue and closes the file.
    drop(store);
    let store = open(&disk);
    assert_eq!(run(store.load(&key(1))).unwrap(), Some(record(1, 100)));
    assert_eq!(run(store.load(&key(2))).unwrap(), Some(record(1, 100)));
    assert_eq!(run(store.load(&key(3))).unwrap(), None);
}

#[test]
fn a_change_the_queue_has_no_room_for_is_refused_without_effect() {
    let disk = Disk::default();
    let store = open(&disk);
    let held = disk.hold_syncs();
    let stored = record(1, 100);
    let (one, other) = (key(1), key(2));
    let mut refused = None;
    let mut waiting: Vec<Begun<'_, _>> = vec![begin(store.create(&one, &stored, at(0)))];
    // At most what is queued, and what the writer has taken already.
    for _ in 0..2 * QUEUE {
        let call = begin(store.create(&other, &stored, at(0)));
        if let Some(Err(error)) = call.early {
            refused = Some(error);
            break;
        }
        waiting.push(call);
    }
    assert_eq!(refused.unwrap().kind(), ErrorKind::Unavailable(Applied::No));
    drop(held);
    let made = waiting.into_iter().map(Begun::finish).filter(Result::is_ok).count();
    assert_eq!(made, 2, "one under each key");
}

#[test]
fn touches_are_not_synced_one_by_one_and_never_remain_unsynced_for_long() {
    let disk = Disk::default();
    let store = open(&disk);
    run(store.create(&key(1), &record(1, 1_000), at(0))).unwrap();
    let before = disk.syncs();
    for n in 1..=UNSYNCED_COMMITS as u64 {
        assert!(run(store.touch(&key(1), at(0), at(1_000 + n))).unwrap());
    }
    assert_eq!(disk.syncs(), before, "a touch does not wait for the disk");
    run(store.touch(&key(1), at(0), at(2_000))).unwrap();
    assert_eq!(disk.syncs(), before + 1, "the run is bounded");

    run(store.touch(&key(1), at(0), at(2_001))).unwrap();
    run(store.touch(&key(1), at(0).saturating_add(UNSYNCED_TIME), at(2_002))).unwrap();
    assert_eq!(disk.syncs(), before + 2, "in time as well");

    run(store.touch(&key(1), at(0), at(2_003))).unwrap();
    drop(store);
    assert_eq!(run(open(&disk).load(&key(1))).unwrap().unwrap().expires_at, at(2_003), "closing keeps them");
}

#[test]
fn a_last_touch_is_synced_when_nothing_follows_it() {
    let disk = Disk::default();
    let store = open(&disk);
    run(store.create(&key(1), &record(1, 1_000), at(0))).unwrap();
    let before = disk.syncs();
    run(store.touch(&key(1), at(0), at(2_000))).unwrap();
    disk.wait_for_syncs(before + 1);
    let left = Disk::of(disk.bytes());
    assert_eq!(run(open(&left).load(&key(1))).unwrap().unwrap().expires_at, at(2_000));
}

#[test]
fn calls_that_change_nothing_do_not_touch_the_disk() {
    let disk = Disk::default();
    let store = open(&disk);
    run(store.create(&key(1), &record(1, 1_000), at(0))).unwrap();
    let before = disk.state().log.len();
    run(async {
        store.create(&key(1), &record(2, 1_000), at(0)).await.unwrap_err();
        store.replace(&key(1), &record(2, 1_000), Revision::new(7), at(0)).await.unwrap_err();
        assert!(store.touch(&key(1), at(0), at(900)).await.unwrap());
        assert!(!store.delete(&key(2)).await.unwrap());
        assert_eq!(store.purge(at(500), 10).await.unwrap(), 0);
    });
    assert_eq!(disk.state().log.len(), before);
}
