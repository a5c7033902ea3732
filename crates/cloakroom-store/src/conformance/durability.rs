//! What was acknowledged is there after a restart. These hold as a matter of course where
//! [`reopen`](Harness::reopen) is impossible.

use super::harness::{Expiry, Facet, Harness, Outcome};
use super::probe::{Probe, at, entry, expiring, key, of, purge_clock, record, refused};
use crate::error::ErrorKind::{Conflict, Exists};

/// Acknowledged creates and replaces survive a restart, revisions included.
pub async fn writes_survive_a_restart(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let replaced = expiring(at(90_000), &of("alice", &record(2)));
    store.put(key(1), &record(1)).await;
    store.put(key(2), &record(1)).await;
    store.replace(key(2), &replaced, &record(1)).await.expect("replace succeeds");
    let Some(store) = reopened(harness, store).await else { return };
    assert_eq!(store.stored(key(1)).await, Some(record(1)));
    assert_eq!(store.stored(key(2)).await, Some(replaced.clone()));
    refused(store.create(key(1), &record(9)).await, &[Exists]);
    refused(store.replace(key(2), &record(9), &record(1)).await, &[Conflict]);
    store.replace(key(2), &record(9), &replaced).await.expect("the stored revision is replaced");
}

/// Acknowledged touches survive a restart.
pub async fn touches_survive_a_restart(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let at = purge_clock(harness);
    store.put(key(1), &expiring(at(60_000), &record(1))).await;
    assert!(store.touch(key(1), at(0), at(90_000)).await.expect("touch succeeds"));
    let Some(store) = reopened(harness, store).await else { return };
    assert_eq!(store.stored(key(1)).await, Some(expiring(at(90_000), &record(1))));
    let purged = usize::from(harness.expiry() == Expiry::Purged);
    assert_eq!(store.purge(at(80_000), 10).await.expect("purge succeeds"), 0);
    assert_eq!(store.purge(at(90_001), 10).await.expect("purge succeeds"), purged);
}

/// What was deleted or purged does not come back by a restart.
pub async fn removals_survive_a_restart(harness: &dyn Harness) {
    let store = Probe::new(harness);
    store.put(key(1), &record(1)).await;
    store.put(key(2), &expiring(purge_clock(harness)(-1), &record(1))).await;
    let purged = store.purge_one(harness).await;
    assert!(store.delete(key(1)).await.expect("delete succeeds"));
    let Some(store) = reopened(harness, store).await else { return };
    assert_eq!(store.stored(key(1)).await, None);
    assert_eq!(store.stored(key(2)).await.is_none(), purged);
}

/// The records of a subject are found after a restart.
pub async fn subjects_survive_a_restart(harness: &dyn Harness) {
    let Some(store) = Probe::with(Facet::Subjects, harness) else { return };
    let alices = store.put_of("alice", key(1), &record(1)).await;
    let Some(store) = reopened(harness, store).await else { return };
    assert_eq!(store.list("alice").await, [entry(key(1), &alices)]);
    assert_eq!(store.end_all("alice", None).await.expect("end_all succeeds"), 1);
}

async fn reopened(harness: &dyn Harness, store: Probe) -> Option<Probe> {
    drop(store);
    (harness.reopen().await == Outcome::Done).then(|| Probe::new(harness))
}
