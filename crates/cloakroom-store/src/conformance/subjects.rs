//! The records of one user: the index may contain too much, results are exact.

use super::harness::{Facet, Harness};
use super::payloads::odd_subjects;
use super::probe::{Probe, at, entry, expiring, key, of, purge_clock, record, refused};
use super::race::{Mode, modes, race, race_all};
use crate::error::ErrorKind::Missing;
use crate::facets::BoxFuture;
use crate::key::Key;
use crate::page::SubjectEntry;

/// `list` returns the key and the expiry of the records that name the subject, through every handle.
pub async fn records_of_a_subject_are_listed(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    assert_eq!(store.list("alice").await, []);
    let one = store.put_of("alice", key(1), &record(1)).await;
    let two = store.put_of("alice", key(2), &expiring(at(70_000), &record(2))).await;
    store.put_of("bob", key(3), &record(3)).await;
    store.put(key(4), &record(4)).await;
    let expected = sorted([entry(key(1), &one), entry(key(2), &two)]);
    assert_eq!(store.list("alice").await, expected);
    assert_eq!(Probe::new(harness).list("alice").await, expected);
}

/// `list` returns the present expiry of each record, not the one that it had when it was enrolled.
pub async fn the_present_record_is_listed(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let first = store.put_of("alice", key(1), &record(1)).await;
    let second = of("alice", &record(2));
    store.replace(key(1), &second, &first).await.expect("replace succeeds");
    assert!(store.touch(key(1), at(0), at(90_000)).await.expect("touch succeeds"));
    assert_eq!(store.list("alice").await, [entry(key(1), &expiring(at(90_000), &second))]);
}

/// A record that comes to name a subject by a replace is listed.
pub async fn a_record_is_listed_under_its_new_subject(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.enroll("alice", key(1)).await;
    let alices = of("alice", &record(2));
    store.replace(key(1), &alices, &record(1)).await.expect("replace succeeds");
    assert_eq!(store.list("alice").await, [entry(key(1), &alices)]);
}

/// A record that now names another subject, or none, is not listed under the former one.
pub async fn a_record_is_not_listed_under_its_former_subject(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let first = store.put_of("alice", key(1), &record(1)).await;
    let second = store.put_of("alice", key(2), &record(2)).await;
    store.enroll("bob", key(1)).await;
    store.replace(key(1), &of("bob", &record(3)), &first).await.expect("replace succeeds");
    store.replace(key(2), &record(4), &second).await.expect("replace succeeds");
    assert_eq!(store.list("alice").await, []);
    assert_eq!(store.list("bob").await, [entry(key(1), &record(3))]);
}

/// A key may be enrolled for a record that is never created, or that names no subject: it is not listed.
pub async fn an_enrolled_key_alone_is_not_listed(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    store.put(key(2), &record(2)).await;
    for n in 1..=2 {
        store.enroll("alice", key(n)).await;
    }
    assert_eq!(store.list("alice").await, []);
    assert_eq!(ended(&store, "alice", None).await, 0);
    assert_eq!(store.stored(key(1)).await, None, "enroll creates no record");
    assert_eq!(store.stored(key(2)).await, Some(record(2)), "enroll changes no record");
}

/// `enroll` returns how many entries the subject has now: the records that name it, and the key that is enrolled.
pub async fn enroll_counts_the_entries_of_the_subject(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    for n in 10..20 {
        store.put_of("bob", key(n), &record(n)).await;
    }
    for n in 1..=5 {
        let entries = store.enroll("alice", key(n)).await;
        assert_eq!(entries, n as usize, "this key, and the records of those before");
        store.put(key(n), &of("alice", &record(n))).await;
    }
    assert_eq!(Probe::new(harness).enroll("alice", key(6)).await, 6, "through every handle");
    store.enroll("alice", key(10)).await;
    let entries = store.enroll("bob", key(20)).await;
    assert!(entries >= 11, "the records of bob and this key are 11 entries, not {entries}");
}

/// A key that is enrolled again, with its record or without, is one entry.
pub async fn a_key_that_is_enrolled_again_counts_once(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    for _ in 0..3 {
        assert_eq!(store.enroll("alice", key(1)).await, 1, "without a record");
    }
    store.put(key(1), &of("alice", &record(1))).await;
    store.put_of("alice", key(2), &record(1)).await;
    for n in [1, 2, 1] {
        assert_eq!(store.enroll("alice", key(n)).await, 2, "with a record");
    }
}

/// A record that has come to name the subject by a replace counts, and so does one that has expired and is still stored.
pub async fn enroll_counts_every_stored_record(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    store.put(key(1), &record(1)).await;
    store.enroll("alice", key(1)).await;
    store.replace(key(1), &of("alice", &record(2)), &record(1)).await.expect("replace succeeds");
    store.put_of("alice", key(2), &expiring(at(-60_000), &record(1))).await;
    let entries = store.enroll("alice", key(3)).await;
    assert!(entries >= 3, "there are two records beside this one, but the count is {entries}");
}

/// Enrolling a key again does not list its record twice.
pub async fn a_record_is_listed_once(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let alices = store.put_of("alice", key(1), &record(1)).await;
    store.enroll("alice", key(1)).await;
    store.enroll("alice", key(1)).await;
    assert_eq!(store.list("alice").await, [entry(key(1), &alices)]);
}

/// Deleted and purged records are not listed.
pub async fn a_record_that_is_gone_is_not_listed(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    store.put_of("alice", key(1), &record(1)).await;
    store.put_of("alice", key(2), &expiring(purge_clock(harness)(-1), &record(2))).await;
    let stays = store.put_of("alice", key(3), &record(3)).await;
    assert!(store.delete(key(1)).await.expect("delete succeeds"));
    if !store.purge_one(harness).await {
        assert!(store.delete(key(2)).await.expect("delete succeeds"));
    }
    assert_eq!(store.list("alice").await, [entry(key(3), &stays)]);
}

/// Expired records that are still stored are listed.
pub async fn expired_records_are_listed(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let expired = store.put_of("alice", key(1), &expiring(at(-60_000), &record(1))).await;
    assert_eq!(store.list("alice").await, [entry(key(1), &expired)]);
}

/// A subject may have many records: all of them are listed and ended.
pub async fn a_subject_may_have_many_records(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let expected = many(harness, &store).await;
    assert_eq!(store.list("alice").await, expected);
    assert_eq!(ended(&store, "alice", None).await, expected.len());
    assert_eq!(store.list("alice").await, []);
}

/// A page is about as long as was asked for, so that no store needs memory for all records of a user.
pub async fn a_page_is_not_all_of_a_subject(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let all = many(harness, &store).await.len();
    let page = store.list_page("alice", None, 10).await;
    assert!(page.items.len() <= all / 2, "{} instead of 10", page.items.len());
    assert!(page.next.is_some(), "that was not all");
}

/// Small pages lead to the end, list every record of the subject as it is, and none of another subject.
pub async fn a_list_in_small_pages_is_whole(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let expected = few(&store).await;
    for limit in [1, 3, 20] {
        assert_eq!(distinct(store.list_from("alice", None, limit).await), expected, "pages of {limit}");
    }
    for entry in &expected {
        let stored = store.stored(entry.key).await.expect("it is listed");
        assert_eq!(stored.expires_at, entry.expires_at);
    }
}

/// A cursor holds nothing open: another handle can continue from it.
pub async fn a_list_goes_on_through_another_handle(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let expected = few(&store).await;
    let first = store.list_page("alice", None, 5).await;
    drop(store);
    let mut seen = first.items;
    if first.next.is_some() {
        seen.extend(Probe::new(harness).list_from("alice", first.next, 5).await);
    }
    assert_eq!(distinct(seen), expected);
}

/// A record that names the subject throughout is listed, whatever happens to others meanwhile: some are deleted, some pass to
/// another subject, some are created.
pub async fn a_list_among_changes_holds_what_stays(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let stays = few(&store).await;
    for n in 100..140 {
        store.put_of("alice", key(n), &record(1)).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    for step in 0..1_000_u64 {
        let page = store.list_page("alice", cursor, 3).await;
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        cursor = Some(next);
        if step < 20 {
            let (gone, passed, comes) = (key(100 + step), key(120 + step), key(200 + step));
            assert!(store.delete(gone).await.expect("delete succeeds"));
            store.enroll("bob", passed).await;
            let replaced = store.replace(passed, &of("bob", &record(2)), &record(1)).await;
            replaced.expect("replace succeeds");
            store.put_of("alice", comes, &record(1)).await;
        }
        assert!(step < 999, "the walk has an end");
    }
    for entry in stays {
        assert!(seen.contains(&entry), "{entry:?} was there throughout");
    }
}

/// Subjects that differ in any byte are different: letter case, blanks, normal forms, NUL, the 255th byte.
pub async fn subjects_are_compared_byte_for_byte(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let mut stored = Vec::new();
    for (n, subject) in (1..).zip(odd_subjects()) {
        stored.push(entry(key(n), &store.put_of(&subject, key(n), &record(n)).await));
    }
    for (entry, subject) in stored.into_iter().zip(odd_subjects()) {
        assert_eq!(store.list(&subject).await, [entry], "{subject:?}");
    }
    for subject in odd_subjects() {
        assert_eq!(ended(&store, &subject, None).await, 1, "{subject:?}");
    }
}

/// `end_all` deletes the records that name the subject and no others, and returns how many.
pub async fn end_all_ends_the_subjects_records(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    for n in 1..=3 {
        store.put_of("alice", key(n), &record(n)).await;
    }
    let bobs = store.put_of("bob", key(4), &record(4)).await;
    store.put(key(5), &record(5)).await;
    assert_eq!(ended(&store, "alice", None).await, 3);
    for n in 1..=3 {
        assert_eq!(store.stored(key(n)).await, None);
    }
    assert_eq!(store.stored(key(4)).await, Some(bobs));
    assert_eq!(store.stored(key(5)).await, Some(record(5)));
    assert_eq!(ended(&store, "alice", None).await, 0, "none are left");
}

/// `end_all` leaves the record under `except`, and does not count it.
pub async fn end_all_spares_the_exception(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    store.put_of("alice", key(1), &record(1)).await;
    let spared = store.put_of("alice", key(2), &record(2)).await;
    let bobs = store.put_of("bob", key(3), &record(3)).await;
    assert_eq!(ended(&store, "alice", Some(key(2))).await, 1);
    assert_eq!(store.stored(key(1)).await, None);
    assert_eq!(store.stored(key(2)).await, Some(spared));
    assert_eq!(ended(&store, "alice", Some(key(3))).await, 1, "the exception is not one of hers");
    assert_eq!(store.stored(key(3)).await, Some(bobs));
}

/// `end_all` ends expired records too.
pub async fn end_all_ends_expired_records(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    store.put_of("alice", key(1), &expiring(at(-60_000), &record(1))).await;
    assert_eq!(ended(&store, "alice", None).await, 1);
    assert_eq!(store.stored(key(1)).await, None);
}

/// `end_all` leaves a record that has passed to another subject, or to none.
pub async fn end_all_spares_what_has_passed_to_another(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let first = store.put_of("alice", key(1), &record(1)).await;
    let second = store.put_of("alice", key(2), &record(2)).await;
    store.enroll("bob", key(1)).await;
    let bobs = of("bob", &record(3));
    store.replace(key(1), &bobs, &first).await.expect("replace succeeds");
    store.replace(key(2), &record(4), &second).await.expect("replace succeeds");
    assert_eq!(ended(&store, "alice", None).await, 0);
    assert_eq!(store.stored(key(1)).await, Some(bobs));
    assert_eq!(store.stored(key(2)).await, Some(record(4)));
}

/// `end_all` at the same time as a record passes to another subject: it is ended before that, or stays.
pub async fn end_all_against_a_change_of_subject_ends_it_or_spares_it(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    for (n, mode) in modes() {
        let alices = store.put_of("alice", key(n), &record(1)).await;
        let bobs = of("bob", &record(2));
        store.enroll("bob", key(n)).await;
        let replace = store.replace(key(n), &bobs, &alices);
        let (replaced, ended) =
            race(harness, mode, replace, Probe::new(harness).end_all("alice", None)).await;
        let passed = replaced.is_ok();
        if !passed {
            refused(replaced, &[Missing]);
        }
        assert_eq!(ended.expect("end_all succeeds"), usize::from(!passed), "{mode:?}");
        assert_eq!(store.stored(key(n)).await, passed.then_some(bobs), "{mode:?}");
    }
}

/// `end_all` at the same time as a save of one of the records: the record is gone afterwards.
pub async fn end_all_against_a_replace_leaves_nothing(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    for (n, mode) in modes() {
        let alices = store.put_of("alice", key(n), &record(1)).await;
        let replace = store.replace(key(n), &of("alice", &record(2)), &alices);
        let (replaced, ended) =
            race(harness, mode, replace, Probe::new(harness).end_all("alice", None)).await;
        if replaced.is_err() {
            refused(replaced, &[Missing]);
        }
        assert_eq!(ended.expect("end_all succeeds"), 1, "{mode:?}");
        assert_eq!(store.stored(key(n)).await, None, "{mode:?}");
    }
}

async fn ended(store: &Probe, subject: &str, except: Option<Key>) -> usize {
    store.end_all(subject, except).await.expect("end_all succeeds")
}

/// Twenty records of alice, each with an expiry of its own, and as many of others.
async fn few(store: &Probe) -> Vec<SubjectEntry> {
    let mut entries = Vec::new();
    for n in 0..20 {
        let alices = store.put_of("alice", key(n), &expiring(at(60_000 + n as i64), &record(n))).await;
        entries.push(entry(key(n), &alices));
        match n % 2 {
            0 => drop(store.put_of("bob", key(50 + n), &record(n)).await),
            _ => store.put(key(50 + n), &record(n)).await,
        }
    }
    sorted(entries)
}

/// Three hundred records of alice, created all at once, for stores that wait for a disk.
async fn many(harness: &dyn Harness, store: &Probe) -> Vec<SubjectEntry> {
    let puts = (0..300).map(|n| -> BoxFuture<'static, SubjectEntry> {
        let store = store.clone();
        Box::pin(async move { entry(key(n), &store.put_of("alice", key(n), &record(n)).await) })
    });
    sorted(race_all(harness, Mode::Interleaved { first: 0, head_start: 0 }, puts).await)
}

fn sorted(entries: impl Into<Vec<SubjectEntry>>) -> Vec<SubjectEntry> {
    let mut entries = entries.into();
    entries.sort_by_key(|entry| entry.key);
    entries
}

/// A walk in several pages may return an entry twice.
fn distinct(entries: Vec<SubjectEntry>) -> Vec<SubjectEntry> {
    let mut entries = sorted(entries);
    entries.dedup();
    entries
}
