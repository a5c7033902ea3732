//! Every rule of the contract, over a real file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cloakroom_redb::RedbStore;
use cloakroom_store::conformance::{Facet, Foreign, Harness, Outcome, suite};
use cloakroom_store::{BoxFuture, DynStore, Key};
use redb::{Database, ReadableTable, TableDefinition};
use tempfile::TempDir;

suite!(harness = Fresh::new());

/// A file of its own, opened once and shared; closed while something is planted in it.
struct Fresh {
    store: Mutex<Option<Arc<RedbStore>>>,
    folder: TempDir,
}

impl Fresh {
    fn new() -> Self {
        Self { store: Mutex::new(None), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("sessions.redb")
    }

    fn close(&self) {
        if let Some(store) = self.store.lock().unwrap().take() {
            Arc::into_inner(store).expect("no check holds a handle now");
        }
    }
}

impl Harness for Fresh {
    fn store(&self) -> Arc<dyn DynStore> {
        let mut store = self.store.lock().unwrap();
        Arc::clone(store.get_or_insert_with(|| Arc::new(RedbStore::open(self.path()).unwrap()))) as _
    }

    fn facets(&self) -> &[Facet] {
        &[Facet::Subjects, Facet::Scan]
    }

    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            // Something to plant it in, if this comes first.
            drop(self.store());
            self.close();
            let file = Database::open(self.path()).unwrap();
            let transaction = file.begin_write().unwrap();
            let mut records = transaction.open_table(RECORDS).unwrap();
            let bytes = match foreign {
                Foreign::Bytes(bytes) => bytes,
                Foreign::CopyOf(other) => records.get(other.as_bytes()).unwrap().unwrap().value().to_vec(),
                _ => return Outcome::Impossible,
            };
            records.insert(key.as_bytes(), bytes.as_slice()).unwrap();
            drop(records);
            transaction.commit().unwrap();
            Outcome::Done
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            self.close();
            Outcome::Done
        })
    }
}

/// As the store names it in the file.
const RECORDS: TableDefinition<'_, &[u8; Key::LEN], &[u8]> = TableDefinition::new("cloakroom.records");
