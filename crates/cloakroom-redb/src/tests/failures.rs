//! A disk that refuses, and what the store says meanwhile and afterwards.

use cloakroom_store::{Applied, ErrorKind, Revision, Scan, Store};

use super::disk::{Disk, Fault};
use super::{at, begin, key, open, record, run, try_open};

const MAYBE: ErrorKind = ErrorKind::Unavailable(Applied::Maybe);
const NO: ErrorKind = ErrorKind::Unavailable(Applied::No);

#[test]
fn every_change_of_a_batch_whose_commit_failed_may_have_been_made() {
    let disk = Disk::default();
    let store = open(&disk);
    let before = disk.syncs();
    run(store.create(&key(0), &record(1, 100), at(0))).unwrap();
    let syncs_of_a_commit = disk.syncs() - before;

    let held = disk.hold_syncs();
    disk.break_down_after(syncs_of_a_commit);
    let (one, stored) = (key(1), record(1, 100));
    let keys: Vec<_> = (2..9).map(key).collect();
    let first = begin(store.create(&one, &stored, at(0)));
    // The first is alone in its batch once the writer is at its sync; what comes now waits for the next.
    disk.wait_for_a_held_sync();
    let calls: Vec<_> = keys.iter().map(|key| begin(store.create(key, &stored, at(0)))).collect();
    drop(held);
    first.finish().unwrap();
    for call in calls {
        assert_eq!(call.finish().unwrap_err().kind(), MAYBE);
    }
}

#[test]
fn a_change_that_was_not_known_to_be_safe_is_settled_before_anything_is_read() {
    for fault in [Fault::Sync, Fault::Write, Fault::All] {
        let disk = Disk::default();
        let store = open(&disk);
        run(store.create(&key(1), &record(1, 100), at(0))).unwrap();
        disk.break_down(fault);
        let error = run(store.replace(&key(1), &record(2, 100), Revision::new(1), at(0))).unwrap_err();
        assert_eq!(error.kind(), MAYBE, "{fault:?}");
        assert!(std::error::Error::source(&error).is_some());

        // What was open shows the old record and the file may hold the new one: nothing is answered.
        assert_eq!(run(store.load(&key(1))).unwrap_err().kind(), NO, "{fault:?}");
        assert_eq!(run(store.count(at(0))).unwrap_err().kind(), NO, "{fault:?}");
        assert_eq!(run(store.create(&key(2), &record(1, 100), at(0))).unwrap_err().kind(), NO, "{fault:?}");

        disk.mend();
        let settled = run(store.load(&key(1))).unwrap().unwrap();
        assert!([1, 2].contains(&settled.revision.get()));
        assert_eq!(run(store.load(&key(2))).unwrap(), None);
        // It is writable again, and what it said is what a restart finds.
        run(store.create(&key(3), &record(1, 100), at(0))).unwrap();
        drop(store);
        let store = open(&disk);
        assert_eq!(run(store.load(&key(1))).unwrap(), Some(settled));
        assert!(run(store.load(&key(3))).unwrap().is_some());
    }
}

#[test]
fn a_failed_read_says_unavailable_and_the_store_recovers_with_the_disk() {
    let disk = Disk::default();
    let store = try_open(&disk, 0).unwrap();
    run(store.create(&key(1), &record(1, 100), at(0))).unwrap();
    disk.break_down(Fault::All);
    assert_eq!(run(store.load(&key(1))).unwrap_err().kind(), NO);
    disk.mend();
    assert_eq!(run(store.load(&key(1))).unwrap(), Some(record(1, 100)));
    assert!(run(store.touch(&key(1), at(0), at(200))).unwrap());
}

#[test]
fn after_the_writer_died_every_call_fails_and_none_waits() {
    let disk = Disk::default();
    let store = open(&disk);
    run(store.create(&key(1), &record(1, 100), at(0))).unwrap();
    disk.break_down(Fault::Panic);
    assert_eq!(run(store.create(&key(2), &record(1, 100), at(0))).unwrap_err().kind(), MAYBE);
    disk.mend();
    // Its last messages may be in the queue still when it ends; those may not say that nothing happened.
    for _ in 0..3 {
        let kind = run(store.create(&key(3), &record(1, 100), at(0))).unwrap_err().kind();
        assert!([MAYBE, NO].contains(&kind), "{kind:?}");
    }
    assert_eq!(run(store.load(&key(1))).unwrap_err().kind(), NO);
    drop(store);
    assert_eq!(run(open(&disk).load(&key(1))).unwrap(), Some(record(1, 100)));
}

#[test]
fn a_read_whose_reopening_kills_the_writer_never_says_that_it_changed_something() {
    let disk = Disk::default();
    let store = open(&disk);
    run(store.create(&key(1), &record(1, 100), at(0))).unwrap();
    disk.break_down(Fault::Sync);
    run(store.delete(&key(1))).unwrap_err();
    disk.break_down(Fault::Panic);
    assert_eq!(run(store.load(&key(1))).unwrap_err().kind(), NO);
}
