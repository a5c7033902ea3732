//! Every rule of the contract, on a real folder.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cloakroom_file::FileStore;
use cloakroom_store::conformance::{Facet, Foreign, Harness, Outcome, suite};
use cloakroom_store::{BoxFuture, DynStore, Key};
use tempfile::TempDir;

suite!(test = #[tokio::test(flavor = "multi_thread", worker_threads = 2)], harness = Fresh::new());

/// A folder of its own. Every handle is another store on it, as another process would have.
struct Fresh {
    folder: TempDir,
    /// Kept open, for a store's leases end with it.
    opened: Mutex<Vec<Arc<FileStore>>>,
}

impl Fresh {
    fn new() -> Self {
        // In memory if it can be: hundreds of folders with all their shards are made and synced.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { folder, opened: Mutex::default() }
    }

    fn open(&self) -> FileStore {
        FileStore::open(self.folder.path()).unwrap()
    }

    fn record(&self, key: Key) -> PathBuf {
        let name = key.to_string();
        self.folder.path().join("sessions").join(&name[..2]).join(name)
    }
}

impl Harness for Fresh {
    fn store(&self) -> Arc<dyn DynStore> {
        let store = Arc::new(self.open());
        self.opened.lock().unwrap().push(Arc::clone(&store));
        store
    }

    fn facets(&self) -> &[Facet] {
        &[Facet::Leases, Facet::Subjects, Facet::Scan]
    }

    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            // Something to plant it in, if this comes first.
            drop(self.open());
            match foreign {
                Foreign::Bytes(bytes) => fs::write(self.record(key), bytes).unwrap(),
                Foreign::CopyOf(other) => fs::hard_link(self.record(other), self.record(key)).unwrap(),
                _ => return Outcome::Impossible,
            }
            Outcome::Done
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            self.opened.lock().unwrap().clear();
            Outcome::Done
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}
