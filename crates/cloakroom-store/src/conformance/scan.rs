//! A walk over all records misses none that was there all the time.

use super::harness::{Facet, Harness};
use super::probe::{Probe, at, expiring, key, of, purge_clock, record};
use crate::key::Key;
use crate::record::Record;

/// A walk over an empty store ends, and has seen nothing.
pub async fn an_empty_store_has_nothing_to_walk_over(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    assert_eq!(store.walk(None, 10).await, []);
    assert_eq!(store.count(at(0)).await, 0);
}

/// A walk sees every record as it is, expired ones included, and nothing that is not there.
pub async fn a_walk_sees_every_record(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    let mut expected = vec![
        (Key::new([0; Key::LEN]), record(100)),
        (Key::new([0xff; Key::LEN]), of("alice", &record(101))),
        (key(100), expiring(at(-60_000), &record(102))),
    ];
    expected.extend((0..20).map(|n| (key(n), record(n))));
    for (key, record) in &expected {
        store.put(*key, record).await;
    }
    store.put(key(200), &record(1)).await;
    assert!(store.delete(key(200)).await.expect("delete succeeds"));
    expected.sort_by_key(|(key, _)| *key);
    for limit in [1_000, 23, 7] {
        assert_eq!(distinct(store.walk(None, limit).await), expected, "pages of {limit}");
    }
}

/// The smallest pages lead to the end as well.
pub async fn a_walk_in_pages_of_one_sees_every_record(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    filled(&store, 20).await;
    let seen = distinct(store.walk(None, 1).await);
    assert_eq!(seen.len(), 20);
}

/// A page is about as long as was asked for, so that a walk never needs memory for the whole store.
pub async fn a_page_is_not_the_whole_store(harness: &dyn Harness) {
    const MANY: u64 = 300;
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    filled(&store, MANY).await;
    let page = store.page(None, 10).await;
    assert!(page.items.len() <= MANY as usize / 2, "{} instead of 10", page.items.len());
    assert!(page.next.is_some(), "that was not all");
}

/// A cursor holds nothing open: another handle goes on from it.
pub async fn a_walk_goes_on_through_another_handle(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    filled(&store, 20).await;
    let first = store.page(None, 5).await;
    drop(store);
    let mut seen = first.items;
    if first.next.is_some() {
        seen.extend(Probe::new(harness).walk(first.next, 5).await);
    }
    assert_eq!(distinct(seen).len(), 20);
}

/// A record that is there throughout is seen, whatever is created, replaced and deleted around it meanwhile.
pub async fn a_walk_among_changes_sees_what_stays(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    filled(&store, 40).await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    for step in 0..1_000_u64 {
        let page = store.page(cursor, 3).await;
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        cursor = Some(next);
        // Of the forty records the first twenty go, one at each step, and twenty others come.
        if step < 20 {
            assert!(store.delete(key(step)).await.expect("delete succeeds"));
            store.put(key(100 + step), &record(1)).await;
        }
        assert!(step < 999, "the walk has an end");
    }
    for n in 20..40 {
        assert!(seen.contains(&(key(n), record(n))), "the record {n} was there throughout");
    }
}

/// `count` counts the records that expire after `now`, and no others: not those that have expired and are still stored.
pub async fn count_counts_what_is_alive(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    filled(&store, 5).await;
    for (n, offset) in (10..).zip([-60_000, -1, 0, 1]) {
        store.put(key(n), &expiring(at(offset), &record(1))).await;
    }
    assert_eq!(store.count(at(-1)).await, 7, "two have expired, one of them just then");
    assert_eq!(store.count(at(0)).await, 6);
    assert_eq!(store.count(at(1)).await, 5);
    assert_eq!(store.count(at(60_000)).await, 0, "all have expired");
}

/// `count` goes by the present expiry of each record.
pub async fn count_follows_every_change(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Scan, harness) else { return };
    filled(&store, 5).await;
    assert!(store.touch(key(0), at(0), at(90_000)).await.expect("touch succeeds"));
    assert_eq!((store.count(at(0)).await, store.count(at(60_000)).await), (5, 1), "one lives longer");
    store.replace(key(1), &expiring(at(90_000), &record(9)), &record(1)).await.expect("replace succeeds");
    assert_eq!((store.count(at(0)).await, store.count(at(60_000)).await), (5, 2), "so does another");
    let expired = expiring(purge_clock(harness)(-1), &record(9));
    store.replace(key(2), &expired, &record(2)).await.expect("replace succeeds");
    assert_eq!(store.count(at(0)).await, 4, "one is a tombstone now");
    assert!(store.delete(key(3)).await.expect("delete succeeds"));
    assert_eq!(store.count(at(0)).await, 3);
    store.purge_one(harness).await;
    assert_eq!(store.count(at(0)).await, 3, "what is purged was not alive");
}

async fn filled(store: &Probe, records: u64) {
    for n in 0..records {
        store.put(key(n), &record(n)).await;
    }
}

/// A walk may see a record twice, which then is the same both times unless it changed in between.
fn distinct(mut seen: Vec<(Key, Record)>) -> Vec<(Key, Record)> {
    seen.sort_by_key(|(key, _)| *key);
    seen.dedup();
    seen
}
