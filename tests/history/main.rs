//! Histories of seeded schedules over every store, and what the checker says of broken ones.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod canaries;

use std::sync::Arc;

use cloakroom::stores::MemoryStore;
use cloakroom_redb::RedbStore;
use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_tests::history::run::{Budget, Stores, forever_green};

#[test]
fn memory() {
    forever_green(&Stores::new("memory", |_| vec![MemoryStore::new()]), Budget::of(500));
}

#[test]
fn reference() {
    let stores = Stores::new("reference", |_| {
        let store = ReferenceStore::new();
        vec![store.clone(), store]
    });
    forever_green(&stores, Budget::of(500));
}

#[test]
fn hostile() {
    let stores = Stores::new("hostile", |_| {
        let store = ReferenceStore::new();
        vec![store.clone(), store]
    });
    forever_green(&stores.hostile(), Budget::of(500));
}

#[test]
fn redb() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(RedbStore::open(folder.path().join("sessions.redb")).unwrap());
    let stores = Stores::new("redb", move |_| vec![Arc::clone(&store)]);
    forever_green(&stores.with_threads(), Budget::of(100));
}
