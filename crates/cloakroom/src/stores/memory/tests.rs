//! What this store promises beyond the contract. The contract itself is checked by the conformance suite.

mod eviction;
mod races;
mod snapshot;

use std::fmt;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

// Not the type-erased forms of these traits, whose methods have the same names.
use cloakroom_store::{
    Cursor, ErrorKind, Key, OpenErrorKind, Page, Record, Result, Revision, Scan, Store, Subject,
    SubjectEntry, Subjects, Timestamp,
};

use super::MemoryStore;

/// The result of a call to this store, which never waits.
fn now<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a memory store waited"),
    }
}

/// A key whose bytes are all well mixed, as those of a hash are.
fn key(number: u64) -> Key {
    let mut state = number;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let mut bytes = [0; Key::LEN];
    bytes.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&next().to_be_bytes()));
    Key::new(bytes)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn revision(number: u64) -> Revision {
    Revision::new(number)
}

fn record(number: u64, expires_at: u64) -> Record {
    Record::new(revision(number), at(expires_at), number.to_be_bytes())
}

fn sized(number: u64, len: usize) -> Record {
    Record::new(revision(number), at(1000), vec![0; len])
}

fn subject(id: &str) -> Subject {
    Subject::new(id).unwrap()
}

fn owned(number: u64, expires_at: u64, id: &str) -> Record {
    record(number, expires_at).with_subject(subject(id))
}

/// With the same cost as `sized(number, len)`: a subject of 3 bytes counts as 103.
fn large(number: u64, len: usize) -> Record {
    sized(number, len - 103).with_subject(subject("ada"))
}

fn kind<T: fmt::Debug>(answer: Result<T>) -> ErrorKind {
    answer.unwrap_err().kind()
}

/// How many records are stored, expired ones included.
fn count(store: &MemoryStore) -> u64 {
    store.records.bounds().sessions() as u64
}

/// All entries of a subject.
fn list(store: &MemoryStore, id: &str) -> Vec<SubjectEntry> {
    let page = now(store.list(&subject(id), None, usize::MAX)).unwrap();
    assert_eq!(page.next, None);
    page.items
}

fn purge(store: &MemoryStore, cutoff: u64, limit: usize) -> usize {
    now(store.purge(at(cutoff), limit)).unwrap()
}

#[test]
fn a_load_shares_the_bytes_that_were_stored() {
    let store = MemoryStore::new();
    let stored = record(1, 1000);
    now(store.create(&key(1), &stored, Timestamp::from_millis(0))).unwrap();
    let loaded = now(store.load(&key(1))).unwrap().unwrap();
    assert!(std::sync::Arc::ptr_eq(&stored.data, &loaded.data));
}

#[test]
fn keys_that_begin_alike_are_told_apart() {
    let store = MemoryStore::new();
    let keys: Vec<Key> =
        (0..200).map(|last| Key::new(std::array::from_fn(|i| if i == 31 { last } else { 7 }))).collect();
    for (key, number) in keys.iter().zip(0..) {
        now(store.create(key, &record(number, 1000), Timestamp::from_millis(0))).unwrap();
    }
    for (key, number) in keys.iter().zip(0..) {
        assert_eq!(now(store.load(key)).unwrap(), Some(record(number, 1000)));
    }
}

#[test]
fn a_store_full_of_signed_in_sessions_refuses_new_ones_and_drops_none() {
    let store = MemoryStore::builder().max_sessions(3).open().unwrap();
    for n in 0..3 {
        now(store.create(&key(n), &owned(n, 1, "ada"), Timestamp::from_millis(0))).unwrap();
    }
    assert_eq!(
        kind(now(store.create(&key(3), &owned(3, 1000, "ada"), Timestamp::from_millis(0)))),
        ErrorKind::Full
    );
    assert_eq!(
        kind(now(store.create(&key(0), &owned(3, 1000, "ada"), Timestamp::from_millis(0)))),
        ErrorKind::Exists
    );
    for n in 0..3 {
        assert_eq!(now(store.load(&key(n))).unwrap(), Some(owned(n, 1, "ada")));
        now(store.replace(&key(n), &owned(n + 10, 1, "ada"), revision(n), Timestamp::from_millis(0)))
            .unwrap();
    }
    assert_eq!(now(store.load(&key(3))).unwrap(), None);

    assert!(now(store.delete(&key(0))).unwrap());
    now(store.create(&key(3), &owned(3, 1000, "ada"), Timestamp::from_millis(0))).unwrap();
    assert_eq!(purge(&store, 2, 10), 2);
    now(store.create(&key(4), &owned(4, 1000, "ada"), Timestamp::from_millis(0))).unwrap();
    now(store.create(&key(5), &owned(5, 1000, "ada"), Timestamp::from_millis(0))).unwrap();
    assert_eq!(
        kind(now(store.create(&key(6), &owned(6, 1000, "ada"), Timestamp::from_millis(0)))),
        ErrorKind::Full
    );
}

#[test]
fn bytes_are_bounded_when_sessions_begin_and_when_they_grow() {
    let store = MemoryStore::builder().max_bytes(3000).open().unwrap();
    now(store.create(&key(1), &large(1, 650), Timestamp::from_millis(0))).unwrap();
    now(store.create(&key(2), &large(2, 650), Timestamp::from_millis(0))).unwrap();
    assert_eq!(kind(now(store.create(&key(3), &large(3, 651), Timestamp::from_millis(0)))), ErrorKind::Full);
    assert_eq!(count(&store), 2);
    now(store.create(&key(3), &large(3, 650), Timestamp::from_millis(0))).unwrap();

    assert_eq!(
        kind(now(store.replace(&key(1), &large(4, 651), revision(1), Timestamp::from_millis(0)))),
        ErrorKind::Full
    );
    assert_eq!(now(store.load(&key(1))).unwrap(), Some(large(1, 650)));
    now(store.replace(&key(1), &large(4, 600), revision(1), Timestamp::from_millis(0))).unwrap();
    now(store.replace(&key(2), &large(5, 700), revision(2), Timestamp::from_millis(0))).unwrap();
    assert_eq!(
        kind(now(store.replace(&key(3), &large(6, 651), revision(3), Timestamp::from_millis(0)))),
        ErrorKind::Full
    );
    assert!(now(store.delete(&key(2))).unwrap());
    now(store.replace(&key(3), &large(6, 1700), revision(3), Timestamp::from_millis(0))).unwrap();
}

#[test]
fn a_small_session_can_be_ended_in_a_full_store() {
    let store = MemoryStore::builder().max_bytes(512).open().unwrap();
    now(store.create(&key(1), &sized(1, 0), Timestamp::from_millis(0))).unwrap();
    now(store.replace(&key(1), &sized(2, 162), revision(1), Timestamp::from_millis(0))).unwrap();
    assert_eq!(
        kind(now(store.replace(&key(1), &sized(3, 163), revision(2), Timestamp::from_millis(0)))),
        ErrorKind::Full
    );
}

#[test]
fn a_bound_of_zero_is_refused_by_name() {
    let error = MemoryStore::builder().max_bytes(0).open().unwrap_err();
    assert_eq!(error.to_string(), "max_bytes = 0: must be at least 1");
    assert_eq!(error.kind(), OpenErrorKind::Config);
    assert!(MemoryStore::builder().max_sessions(0).open().unwrap_err().to_string().contains("max_sessions"));
}

#[test]
fn every_call_gives_back_exactly_the_room_it_took() {
    let store = MemoryStore::new();
    for n in 0..100 {
        now(store.create(&key(n), &owned(n, n, "ada"), Timestamp::from_millis(0))).unwrap();
        now(store.replace(&key(n), &sized(n + 1, 2000), revision(n), Timestamp::from_millis(0))).unwrap();
        now(store.replace(&key(n), &owned(n, n, "bob"), revision(n + 1), Timestamp::from_millis(0))).unwrap();
        let _ = now(store.create(&key(n), &sized(n, 10), Timestamp::from_millis(0)));
        let _ = now(store.replace(&key(n), &sized(n, 10), revision(n + 1), Timestamp::from_millis(0)));
    }
    assert_eq!(purge(&store, 50, 100), 50);
    assert!(now(store.delete(&key(50))).unwrap());
    assert_eq!(now(store.end_all(&subject("bob"), None)).unwrap(), 49);
    assert_eq!((store.records.bounds().sessions(), store.records.bounds().bytes()), (0, 0));
}

#[test]
fn purge_goes_by_the_millisecond_and_tells_when_none_are_left() {
    let store = MemoryStore::new();
    for n in 0..1000 {
        now(store.create(&key(n), &record(n, 1000 + n), Timestamp::from_millis(0))).unwrap();
    }
    assert_eq!(purge(&store, 1500, 0), 0);
    assert_eq!(purge(&store, 1500, 333), 333);
    assert_eq!(purge(&store, 1500, 333), 167);
    assert_eq!(purge(&store, 1500, 333), 0);
    for n in 0..1000 {
        assert_eq!(now(store.load(&key(n))).unwrap().is_some(), n >= 500, "{n}");
    }
    assert_eq!(purge(&store, u64::MAX, usize::MAX), 500);
}

#[test]
fn purge_follows_expiries_that_moved_either_way() {
    let store = MemoryStore::new();
    for n in 0..300 {
        now(store.create(&key(n), &record(n, 1000), Timestamp::from_millis(0))).unwrap();
    }
    for n in 0..100 {
        let expires_at = if n == 0 { 1001 } else { 2000 };
        assert!(now(store.touch(&key(n), at(999), at(expires_at))).unwrap());
    }
    for n in 100..200 {
        now(store.replace(&key(n), &record(n, 500), revision(n), Timestamp::from_millis(0))).unwrap();
    }
    for n in 200..300 {
        assert!(!now(store.touch(&key(n), at(1000), at(9000))).unwrap());
    }
    assert_eq!(purge(&store, 501, 300), 100);
    assert_eq!(purge(&store, 1001, 300), 100);
    for n in 0..100 {
        now(store.replace(&key(n), &record(n, 1500), revision(n), Timestamp::from_millis(0))).unwrap();
    }
    assert_eq!(purge(&store, 1500, 300), 0);
    assert_eq!(purge(&store, 1501, 300), 100);
    assert_eq!(store.records.due_entries(), 0);
}

#[test]
fn many_touched_sessions_in_one_shard_do_not_hide_an_expired_one() {
    // The shard is chosen by bytes 2 and 3, and these keys differ in the last byte only.
    let in_one_shard = |last| Key::new(std::array::from_fn(|i| if i == 31 { last } else { 0 }));
    let store = MemoryStore::new();
    for last in 0..=255 {
        now(store.create(&in_one_shard(last), &record(last.into(), 1000), Timestamp::from_millis(0)))
            .unwrap();
        if last < 255 {
            assert!(now(store.touch(&in_one_shard(last), at(0), at(5000))).unwrap());
        }
    }
    assert_eq!(purge(&store, 2000, 1), 1);
    assert_eq!(now(store.load(&in_one_shard(255))).unwrap(), None);
    assert_eq!(count(&store), 255);
}

#[test]
fn the_expiry_index_has_one_entry_for_each_session_whatever_happens_to_it() {
    let store = MemoryStore::new();
    now(store.create(&key(0), &record(0, 1000), Timestamp::from_millis(0))).unwrap();
    for n in 1..1000 {
        now(store.create(&key(n), &record(n, n), Timestamp::from_millis(0))).unwrap();
        assert!(now(store.delete(&key(n))).unwrap());
        assert!(now(store.touch(&key(0), at(0), at(2000 + n))).unwrap());
        let expires_at = if n % 2 == 0 { 10 } else { 3000 };
        now(store.replace(&key(0), &record(n, expires_at), revision(n - 1), Timestamp::from_millis(0)))
            .unwrap();
        let _ = now(store.create(&key(0), &record(n, 1), Timestamp::from_millis(0)));
        assert_eq!(purge(&store, 10, 100), 0);
        assert_eq!(store.records.due_entries(), 1);
    }
}

#[test]
fn a_sweep_gives_the_memory_of_a_peak_back_and_loses_nobody() {
    let store = MemoryStore::new();
    for n in 0..100_000 {
        now(store.create(
            &key(n),
            &record(n, if n % 50 == 0 { 9000 } else { 1000 }),
            Timestamp::from_millis(0),
        ))
        .unwrap();
    }
    assert_eq!(purge(&store, 1001, usize::MAX), 98_000);
    assert!(store.records.capacity() < 20_000, "{}", store.records.capacity());
    for n in 0..100_000 {
        assert_eq!(now(store.load(&key(n))).unwrap().is_some(), n % 50 == 0, "{n}");
    }
}

#[test]
fn the_subject_index_keeps_no_entry_without_a_record() {
    let store = MemoryStore::new();
    for n in 0..1000 {
        now(store.create(&key(n), &owned(n, n % 3, "ada"), Timestamp::from_millis(0))).unwrap();
        let _ = now(store.create(&key(n), &owned(n, 5, "eve"), Timestamp::from_millis(0)));
        let _ = now(store.replace(&key(n), &owned(n, 5, "eve"), revision(n + 1), Timestamp::from_millis(0)));
        let _ =
            now(store.replace(&key(n + 1000), &owned(n, 5, "eve"), revision(n), Timestamp::from_millis(0)));
        if n % 2 == 0 {
            now(store.replace(&key(n), &owned(n, n % 3, "bob"), revision(n), Timestamp::from_millis(0)))
                .unwrap();
        }
        if n % 5 == 0 {
            now(store.replace(&key(n), &record(n, n % 3), revision(n), Timestamp::from_millis(0))).unwrap();
        }
        if n % 7 == 0 {
            assert!(now(store.delete(&key(n))).unwrap());
        }
    }
    let listed = |id| list(&store, id).len();
    assert!(listed("ada") > 100 && listed("bob") > 100);
    assert_eq!(store.subjects.entries(), listed("ada") + listed("bob"));
    purge(&store, 2, 1000);
    assert_eq!(store.subjects.entries(), listed("ada") + listed("bob"));
    now(store.end_all(&subject("ada"), None)).unwrap();
    now(store.end_all(&subject("bob"), None)).unwrap();
    assert_eq!(store.subjects.entries(), 0);
    assert!(count(&store) > 0);
}

#[test]
fn an_entry_too_many_in_the_subject_index_does_no_harm() {
    let store = MemoryStore::new();
    let ada = subject("ada");
    now(store.create(&key(1), &owned(1, 1000, "bob"), Timestamp::from_millis(0))).unwrap();
    for n in [1, 2] {
        store.subjects.lock(&ada).insert((ada.clone(), key(n)));
    }
    assert_eq!(list(&store, "ada"), []);
    assert_eq!(now(store.end_all(&ada, None)).unwrap(), 0);
    assert_eq!(now(store.load(&key(1))).unwrap(), Some(owned(1, 1000, "bob")));
}

#[test]
fn clearing_up_behind_an_ended_session_spares_one_that_took_its_place() {
    let store = MemoryStore::new();
    now(store.create(&key(1), &owned(1, 1000, "ada"), Timestamp::from_millis(0))).unwrap();
    store.unindex(&subject("ada"), &key(1));
    assert_eq!(list(&store, "ada").len(), 1);
}

#[test]
fn subjects_that_begin_alike_have_their_own_sessions() {
    let store = MemoryStore::new();
    let ids = ["a", "aa", "a\0", "b", "\u{10ffff}"];
    for (id, n) in ids.into_iter().zip(0..) {
        now(store.create(&key(n), &owned(n, 1000, id), Timestamp::from_millis(0))).unwrap();
    }
    for (id, n) in ids.into_iter().zip(0..) {
        assert_eq!(list(&store, id), [SubjectEntry::new(key(n), at(1000))]);
    }
    assert_eq!(now(store.end_all(&subject("a"), Some(&key(0)))).unwrap(), 0);
    assert_eq!(now(store.end_all(&subject("a"), Some(&key(1)))).unwrap(), 1);
    assert_eq!(count(&store), 4);
}

#[test]
fn a_walk_sees_every_session_once_while_others_come_and_go() {
    let store = MemoryStore::new();
    for n in 0..5000 {
        now(store.create(&key(n), &record(n, 1000), Timestamp::from_millis(0))).unwrap();
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = now(store.page(cursor.as_ref(), 500)).unwrap();
        assert!(page.items.len() < 1000);
        seen.extend(page.items.into_iter().map(|(key, _)| key));
        pages += 1;
        for n in 0..100 {
            now(store.create(&key(10_000 + 100 * pages + n), &record(n, 1000), Timestamp::from_millis(0)))
                .unwrap();
            now(store.delete(&key(10_000 + 100 * (pages - 1) + n))).unwrap();
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    seen.sort();
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
    assert!((0..5000).all(|n| seen.binary_search(&key(n)).is_ok()));
    assert!(pages >= 9, "{pages}");
    assert_eq!(kind(now(store.page(Some(&Cursor::new("x")), 1))), ErrorKind::Other);
}

#[test]
fn a_subjects_sessions_are_listed_in_pages_of_the_size_that_was_asked_for() {
    let store = MemoryStore::new();
    for n in 0..600 {
        now(store.create(&key(n), &owned(n, 1000 + n, "ada"), Timestamp::from_millis(0))).unwrap();
        now(store.create(&key(1000 + n), &owned(n, 1000, "bob"), Timestamp::from_millis(0))).unwrap();
    }
    let mut expected: Vec<_> = (0..600).map(|n| SubjectEntry::new(key(n), at(1000 + n))).collect();
    expected.sort_by_key(|entry| entry.key);
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let Page { items, next, .. } = now(store.list(&subject("ada"), cursor.as_ref(), 7)).unwrap();
        assert!(items.len() <= 7);
        seen.extend(items);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert_eq!(kind(now(store.list(&subject("ada"), Some(&Cursor::new("x")), 1))), ErrorKind::Other);
    assert_eq!(now(store.end_all(&subject("ada"), Some(&key(300)))).unwrap(), 599);
    assert_eq!(list(&store, "ada"), [SubjectEntry::new(key(300), at(1300))]);
    assert_eq!(list(&store, "bob").len(), 600);
}

#[test]
fn live_sessions_are_counted_by_their_present_expiry() {
    let store = MemoryStore::new();
    let live = |now_ms| now(Scan::count(&store, at(now_ms))).unwrap();
    for n in 0..100 {
        now(store.create(&key(n), &record(n, 1000), Timestamp::from_millis(0))).unwrap();
    }
    // A touch leaves the entry of the expiry index where it is.
    assert!(now(store.touch(&key(0), at(0), at(3000))).unwrap());
    now(store.replace(&key(1), &record(1, 2000), revision(1), Timestamp::from_millis(0))).unwrap();
    now(store.replace(&key(2), &record(2, 1), revision(2), Timestamp::from_millis(0))).unwrap();
    assert_eq!([0, 1, 999, 1000, 1999, 2000, 3000].map(live), [100, 99, 99, 2, 2, 1, 0]);
    assert_eq!(purge(&store, 2500, usize::MAX), 99);
    assert_eq!((live(2500), live(3000)), (1, 0));
}

#[test]
fn debug_shows_counts_and_nothing_of_a_session() {
    let store = MemoryStore::new();
    now(store.create(&key(1), &owned(1, 1000, "ada"), Timestamp::from_millis(0))).unwrap();
    assert_eq!(
        format!("{store:?}"),
        "MemoryStore { sessions: 1, max_sessions: 1000000, bytes: 512, max_bytes: 1073741824, evicted: 0, .. }"
    );
}
