//! Histories of seeded schedules over every store, and what the checker says of broken ones.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod canaries;
mod servers;

use std::sync::Arc;

use cloakroom::stores::MemoryStore;
use cloakroom_redb::RedbStore;
use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_test_checker::{Budget, Lot, Stores, forever_green};
use cloakroom_tests::file_store;

#[test]
fn memory() {
    forever_green(&Stores::new("memory", |_| vec![MemoryStore::new()]), Budget::of(1000));
}

#[test]
fn redb() {
    let folder = tempfile::tempdir().unwrap();
    // Opening it takes longer than a history, so all go over one. Each has users of its own.
    let store = Arc::new(RedbStore::open(folder.path().join("sessions.redb")).unwrap());
    let stores = Stores::new("redb", move |_| vec![Arc::clone(&store)]);
    forever_green(&stores.with_threads(), Budget::of(200));
}

/// Two instances of the application, each with a store of its own on one folder, as two processes would have. Nothing is
/// synced: a schedule does not cut the power.
#[test]
fn file() {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::new("file", move |_| [(); 2].map(|()| file_store(folder.path(), "relaxed")).into());
    forever_green(&stores.with_threads(), Budget::of(200));
}

#[test]
fn reference() {
    forever_green(&Stores::new("reference", two_instances), Budget::of(1000));
}

#[test]
fn hostile() {
    forever_green(&Stores::new("hostile", two_instances).hostile(), Budget::of(1000));
}

/// One store with leases, shared by two instances of the application.
fn two_instances(_: &Arc<Lot>) -> Vec<ReferenceStore> {
    let store = ReferenceStore::new();
    vec![store.clone(), store]
}
