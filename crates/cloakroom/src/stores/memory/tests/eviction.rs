//! What a full store drops, and in which order.

use super::*;

fn create(store: &MemoryStore, number: u64, expires_at: u64, at_ms: u64) {
    now(store.create(&key(number), &record(number, expires_at), at(at_ms))).unwrap();
}

/// Which of the sessions 0 to 99 are there.
fn there(store: &MemoryStore) -> Vec<u64> {
    (0..100).filter(|n| now(store.load(&key(*n))).unwrap().is_some()).collect()
}

#[test]
fn the_ended_go_first_then_who_never_came_back_then_the_least_recently_used() {
    let store = MemoryStore::builder().max_sessions(8).open().unwrap();
    for n in 0..8 {
        create(&store, n, 1000 + n, 0);
    }
    // 0 and 1 came back, the later one first; 2 was saved again; 3 has ended; 4 will have expired; 5 is signed in.
    assert!(now(store.touch(&key(1), at(10), at(5000))).unwrap());
    assert!(now(store.touch(&key(0), at(20), at(6000))).unwrap());
    now(store.replace(&key(2), &record(20, 4000), revision(2), at(0))).unwrap();
    now(store.replace(&key(3), &record(30, 1003), revision(3), at(0))).unwrap();
    now(store.replace(&key(3), &record(31, 50), revision(30), at(50))).unwrap();
    now(store.replace(&key(4), &record(40, 60), revision(4), at(0))).unwrap();
    now(store.replace(&key(5), &owned(50, 1, "ada"), revision(5), at(0))).unwrap();

    let mut gone = Vec::new();
    for n in 10..17 {
        let before = there(&store);
        now(store.create(&key(n), &owned(n, 9000, "bob"), at(70))).unwrap();
        gone.extend(before.into_iter().filter(|n| now(store.load(&key(*n))).unwrap().is_none()));
    }
    assert_eq!(gone, [3, 4, 6, 7, 2, 1, 0]);
    assert_eq!(kind(now(store.create(&key(99), &record(99, 9000), at(70)))), ErrorKind::Full);
    assert_eq!(there(&store), [5, 10, 11, 12, 13, 14, 15, 16]);
}

#[test]
fn a_flood_drops_its_own_sessions_and_nobody_elses() {
    let store = MemoryStore::builder().max_sessions(1000).open().unwrap();
    for n in 0..50 {
        create(&store, n, 1000, 0);
        assert!(now(store.touch(&key(n), at(0), at(2000))).unwrap());
    }
    for n in 50..100 {
        now(store.create(&key(n), &owned(n, 1000, "ada"), at(0))).unwrap();
    }
    for n in 1000..16_000 {
        create(&store, n, 1000 + n, n);
    }
    assert_eq!(
        there(&store),
        Vec::from_iter((0..100).filter(|n| *n >= 50)),
        "those of the first 50 had expired"
    );
    // The last ones of the flood are there.
    assert!((15_051..16_000).all(|n| now(store.load(&key(n))).unwrap().is_some()));

    let store = MemoryStore::builder().max_sessions(1000).open().unwrap();
    for n in 0..50 {
        create(&store, n, 100_000, 0);
        assert!(now(store.touch(&key(n), at(0), at(100_000))).unwrap());
    }
    for n in 1000..16_000 {
        create(&store, n, 90_000 + n, n);
    }
    assert_eq!(there(&store), Vec::from_iter(0..50));
}

/// Those that were touched since stand too early in the order, until an eviction looks.
#[test]
fn the_order_is_that_of_the_present_expiry() {
    let store = MemoryStore::builder().max_sessions(100).open().unwrap();
    for n in 0..100 {
        create(&store, n, 1000 + n, 0);
        assert!(now(store.touch(&key(n), at(0), at(2000))).unwrap());
        assert!(now(store.touch(&key(n), at(0), at(3000 + 100 - n))).unwrap());
    }
    for n in 100..150 {
        now(store.create(&key(n), &owned(n, 9000, "ada"), at(0))).unwrap();
    }
    assert_eq!(there(&store), Vec::from_iter(0..50));
    assert_eq!(store.records.due_entries(), 100);
}

#[test]
fn a_session_that_grows_makes_room_among_the_others() {
    let store = MemoryStore::builder().max_bytes(4 * 1000).open().unwrap();
    for n in 0..4 {
        now(store.create(&key(n), &sized(n, 650), at(0))).unwrap();
    }
    // The oldest of all, and yet not dropped for itself.
    now(store.replace(&key(0), &sized(10, 1650), revision(0), at(0))).unwrap();
    assert_eq!(there(&store).len(), 3);
    assert_eq!(now(store.load(&key(0))).unwrap(), Some(sized(10, 1650)));
    // Too large whatever is dropped: nothing is.
    assert_eq!(kind(now(store.replace(&key(0), &sized(11, 3651), revision(10), at(0)))), ErrorKind::Full);
    assert_eq!(kind(now(store.create(&key(9), &sized(11, 3651), at(0)))), ErrorKind::Full);
    assert_eq!(there(&store).len(), 3);
    assert_eq!(kind(now(store.replace(&key(0), &sized(12, 3651), revision(9), at(0)))), ErrorKind::Conflict);
    // It may be dropped for others again.
    now(store.create(&key(9), &large(9, 3650), at(0))).unwrap();
    assert_eq!(there(&store), [9]);
    assert_eq!((store.records.bounds().sessions(), store.records.bounds().bytes()), (1, 4000));
}

#[test]
fn a_large_session_drops_nobody_where_signed_in_users_leave_too_little_room() {
    let store = MemoryStore::builder().max_bytes(4 * 1000).open().unwrap();
    now(store.create(&key(0), &large(0, 2650), at(0))).unwrap();
    now(store.create(&key(1), &sized(1, 150), at(0))).unwrap();
    assert_eq!(kind(now(store.create(&key(2), &sized(2, 651), at(0)))), ErrorKind::Full);
    assert_eq!(there(&store), [0, 1]);
    // Of a user who signed out it may be dropped.
    now(store.replace(&key(0), &sized(3, 0), revision(0), at(0))).unwrap();
    now(store.create(&key(2), &sized(2, 3600), at(0))).unwrap();
    assert_eq!(there(&store), [2]);
}

#[test]
fn a_session_that_never_expires_can_be_dropped_too() {
    let store = MemoryStore::builder().max_sessions(1).open().unwrap();
    create(&store, 0, u64::MAX, 0);
    create(&store, 1, u64::MAX, 0);
    assert!(now(store.touch(&key(1), at(0), at(u64::MAX))).unwrap());
    create(&store, 2, 10, 0);
    assert_eq!(there(&store), [2]);
    assert_eq!(format!("{store:?}").split_once("evicted: ").unwrap().1, "2, .. }");
}

/// A snapshot does not say who came back, and for a real visitor it is better to be taken for one who did.
#[test]
fn sessions_of_a_snapshot_count_as_used() {
    let folder = tempfile::tempdir().unwrap();
    let open = || MemoryStore::builder().max_sessions(2).snapshot(folder.path().join("s")).open().unwrap();
    let store = open();
    create(&store, 0, 1000, 0);
    store.save_snapshot().unwrap();
    let store = open();
    create(&store, 1, 2000, 0);
    create(&store, 2, 3000, 0);
    assert_eq!(there(&store), [0, 2]);
}
