//! Real threads on few keys: what they did must add up in the end.

use std::thread;

use super::super::bounds::Bounds;
use super::*;

const THREADS: u64 = 8;

fn each_thread(work: impl Fn(u64) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

/// The store holds exactly what its counters and its two indexes say.
fn assert_consistent(store: &MemoryStore) {
    let records: Vec<_> = store.records.iter().collect();
    let with_subject: Vec<_> = records.iter().filter(|(_, record)| record.subject.is_some()).collect();
    assert_eq!(count(store), records.len() as u64);
    assert_eq!(store.records.due_entries(), records.len());
    assert_eq!(store.subjects.entries(), with_subject.len());
    for (key, record) in with_subject {
        assert!(store.subjects.keys(record.subject.as_ref().unwrap(), None, usize::MAX).contains(key));
    }
    let full = Bounds::new(usize::MAX, usize::MAX);
    records.iter().for_each(|(_, record)| full.admit(record).unwrap());
    assert_eq!(store.records.bounds().bytes(), full.bytes());
}

#[test]
fn of_racing_replacements_exactly_one_lands_on_each_revision() {
    const KEYS: u64 = 4;
    const EACH: u64 = 2000;
    let store = MemoryStore::new();
    for n in 0..KEYS {
        now(store.create(&key(n), &record(0, 1000), Timestamp::from_millis(0))).unwrap();
    }
    each_thread(|thread| {
        for done in 0..EACH {
            let key = key((thread + done) % KEYS);
            loop {
                let before = now(store.load(&key)).unwrap().unwrap();
                let count = u64::from_be_bytes(before.data[..].try_into().unwrap());
                match now(store.replace(
                    &key,
                    &record(count + 1, 1000),
                    before.revision,
                    Timestamp::from_millis(0),
                )) {
                    Ok(()) => break,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
                }
            }
        }
    });
    for n in 0..KEYS {
        let after = now(store.load(&key(n))).unwrap().unwrap();
        assert_eq!(after, record(THREADS * EACH / KEYS, 1000));
    }
    assert_consistent(&store);
}

#[test]
fn sessions_that_begin_end_and_change_hands_leave_the_indexes_exact() {
    const KEYS: u64 = 16;
    let store = MemoryStore::new();
    let ids = ["ada", "bob"];
    each_thread(|thread| {
        for step in 0..4000 {
            // Every thread takes its own pseudo-random path through keys, owners and calls.
            let dice = key(thread << 32 | step).prefix();
            let (key, id) = (key(dice % KEYS), ids[(dice >> 8) as usize % 2]);
            let number = thread << 32 | step;
            let expires_at = dice >> 16 & 0xff;
            match dice >> 24 & 7 {
                0 => drop(now(store.create(&key, &owned(number, expires_at, id), Timestamp::from_millis(0)))),
                1 => drop(now(store.create(&key, &record(number, expires_at), Timestamp::from_millis(0)))),
                2 => drop(now(store.delete(&key))),
                3 => drop(now(store.end_all(&subject(id), Some(&key)))),
                4 => drop(now(store.purge(at(expires_at / 4), 3))),
                5 => drop(now(store.touch(&key, at(0), at(expires_at)))),
                call => {
                    let Some(before) = now(store.load(&key)).unwrap() else { continue };
                    let after =
                        if call == 6 { owned(number, expires_at, id) } else { record(number, expires_at) };
                    let _ = now(store.replace(&key, &after, before.revision, Timestamp::from_millis(0)));
                }
            }
            let page = now(store.list(&subject(id), None, 3)).unwrap();
            assert!(page.items.iter().all(|entry| entry.expires_at <= at(0xff)));
        }
    });
    assert_consistent(&store);
}

#[test]
fn racing_creates_fill_a_store_to_its_bound_and_not_further() {
    let store = MemoryStore::builder().max_sessions(1000).open().unwrap();
    let created = std::sync::atomic::AtomicU64::new(0);
    each_thread(|thread| {
        for n in 0..500 {
            match now(store.create(&key(thread << 32 | n), &owned(n, 1000, "ada"), Timestamp::from_millis(0)))
            {
                Ok(()) => drop(created.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Full),
            }
        }
    });
    assert_eq!(created.into_inner(), 1000);
    assert_consistent(&store);
}

/// No session that got a subject is evicted, at whatever moment it got it.
#[test]
fn a_sign_in_that_races_evictions_is_kept_or_finds_its_session_missing() {
    let store = MemoryStore::builder().max_sessions(64).open().unwrap();
    let signed_in = std::sync::Mutex::new(Vec::new());
    each_thread(|thread| {
        for n in 0..4000 {
            let number = thread << 32 | n;
            if let Err(error) = now(store.create(&key(number), &record(number, 1000), at(0))) {
                assert_eq!(error.kind(), ErrorKind::Full);
                continue;
            }
            if thread % 2 == 1 || n % 500 > 0 {
                // Used after them, so those that sign in are the first to go if they are taken for strangers.
                now(store.touch(&key(number), at(0), at(3000))).unwrap();
            } else {
                match now(store.replace(
                    &key(number),
                    &owned(number + 1, 2000, "ada"),
                    revision(number),
                    at(0),
                )) {
                    Ok(()) => signed_in.lock().unwrap().push(number),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Missing),
                }
            }
        }
    });
    let signed_in = signed_in.into_inner().unwrap();
    assert!(signed_in.len() > 10, "{}", signed_in.len());
    for number in &signed_in {
        assert_eq!(now(store.load(&key(*number))).unwrap(), Some(owned(number + 1, 2000, "ada")));
    }
    assert_eq!((count(&store), list(&store, "ada").len()), (64, signed_in.len()));
    assert_consistent(&store);
}

/// Several at once that need more room than there is evict others, and never themselves or each other's subjects.
#[test]
fn racing_replacements_that_grow_evict_others_and_stay_within_the_bounds() {
    let store = MemoryStore::builder().max_bytes(100 * 512).open().unwrap();
    each_thread(|thread| {
        let own = key(thread);
        now(store.create(&own, &owned(0, 1000, "ada"), at(0))).unwrap();
        for n in 1..2000 {
            let other = key((thread + 1) << 32 | n);
            let _ = now(store.create(&other, &sized(n, 100), at(0)));
            let grown = sized(n, 1000 + n as usize).with_subject(subject("ada"));
            now(store.replace(&own, &grown, revision(n - 1), at(0))).unwrap();
            assert!(store.records.bounds().bytes() <= 100 * 512);
        }
    });
    assert_consistent(&store);
}

#[test]
fn purges_that_race_with_touches_remove_only_what_has_expired() {
    const SESSIONS: u64 = 4000;
    let store = MemoryStore::new();
    for n in 0..SESSIONS {
        now(store.create(&key(n), &record(n, 1000), Timestamp::from_millis(0))).unwrap();
    }
    let touched = std::sync::atomic::AtomicU64::new(0);
    let purged = std::sync::atomic::AtomicU64::new(0);
    each_thread(|thread| {
        for n in (0..SESSIONS).filter(|n| n % THREADS == thread) {
            if n % 2 == 0 {
                let alive = now(store.touch(&key(n), at(999), at(3000))).unwrap();
                assert_eq!(now(store.load(&key(n))).unwrap().is_some(), alive);
                touched.fetch_add(alive.into(), std::sync::atomic::Ordering::Relaxed);
            } else {
                purged.fetch_add(purge(&store, 2000, 1) as u64, std::sync::atomic::Ordering::Relaxed);
            }
        }
    });
    let purged = purged.into_inner() + purge(&store, 2000, usize::MAX) as u64;
    assert_eq!(touched.into_inner() + purged, SESSIONS);
    assert_eq!(count(&store) + purged, SESSIONS);
    assert_consistent(&store);
}

#[test]
fn a_record_names_a_subject_only_while_the_subjects_lock_is_held() {
    let store = MemoryStore::new();
    now(store.create(&key(2), &record(2, 1000), Timestamp::from_millis(0))).unwrap();
    thread::scope(|scope| {
        let index = store.subjects.lock(&subject("ada"));
        scope
            .spawn(|| now(store.create(&key(1), &owned(1, 1000, "ada"), Timestamp::from_millis(0))).unwrap());
        scope.spawn(|| {
            now(store.replace(&key(2), &owned(3, 1000, "ada"), revision(2), Timestamp::from_millis(0)))
                .unwrap()
        });
        // Long enough for the two to get there; they cannot pass however long it is.
        for _ in 0..5000 {
            thread::yield_now();
            assert_eq!(now(store.load(&key(1))).unwrap(), None);
            assert_eq!(now(store.load(&key(2))).unwrap(), Some(record(2, 1000)));
        }
        drop(index);
    });
    assert_eq!(list(&store, "ada").len(), 2);
    assert_consistent(&store);
}
