//! What the suite needs done to a store in a table, whatever the database.

use std::sync::{Arc, Mutex};

use cloakroom_store::conformance::{Facet, Foreign, Harness, Outcome};
use cloakroom_store::{BoxFuture, DynStore, Key};

/// Two stores on one table, like those of two processes.
pub(crate) type Stores = [Arc<dyn DynStore>; 2];

/// A table of its own in some database, and a way to it past the stores. Cleans up when dropped.
pub(crate) trait Table: Send + Sync {
    /// Puts the second parameter under the first, which is a key.
    const PLANT: &'static str;
    /// Copies the row of the second parameter to the first; both are keys.
    const COPY: &'static str;

    /// Opens the stores, and makes the table if it is not there.
    fn open(&self) -> BoxFuture<'_, Stores>;

    /// Runs a statement, in which `{table}` is the table.
    fn run<'a>(&'a self, statement: &'static str, parameters: [&'a [u8]; 2]) -> BoxFuture<'a, ()>;
}

/// A table and its stores, handed out in turn.
pub(crate) struct Fresh<T> {
    table: T,
    stores: Mutex<Stores>,
}

impl<T: Table> Fresh<T> {
    pub(crate) async fn new(table: T) -> Self {
        let stores = Mutex::new(table.open().await);
        Self { table, stores }
    }
}

impl<T: Table> Harness for Fresh<T> {
    fn store(&self) -> Arc<dyn DynStore> {
        let mut stores = self.stores.lock().unwrap();
        stores.reverse();
        Arc::clone(&stores[0])
    }

    fn facets(&self) -> &[Facet] {
        &[Facet::Leases, Facet::Subjects, Facet::Scan]
    }

    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            match foreign {
                Foreign::Bytes(bytes) => self.table.run(T::PLANT, [key.as_bytes(), &bytes]).await,
                Foreign::CopyOf(other) => self.table.run(T::COPY, [key.as_bytes(), other.as_bytes()]).await,
            }
            Outcome::Done
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            let opened = self.table.open().await;
            *self.stores.lock().unwrap() = opened;
            Outcome::Done
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}
