//! Every rule of the contract.

use std::sync::{Arc, Mutex};

use cloakroom_store::conformance::{Facet, Foreign, Harness, Outcome, suite};
use cloakroom_store::{BoxFuture, DynStore, Key};
use tokio::runtime::Handle;

use crate::dialect::{COPY, FACETS, PLANT};
use crate::shared::Table;

suite!(test = #[tokio::test(flavor = "multi_thread")], harness = Fresh::new().await);

/// A table of its own and two stores on it, like those of two processes, which take turns.
struct Fresh {
    table: Table,
    stores: Mutex<[Arc<dyn DynStore>; 2]>,
}

impl Fresh {
    async fn new() -> Self {
        let table = Table::named();
        let stores = Mutex::new(open(&table).await);
        Self { table, stores }
    }
}

/// Opens the stores, and creates the table if it does not exist.
async fn open(table: &Table) -> [Arc<dyn DynStore>; 2] {
    let (one, other) = (table.open().await, table.open().await);
    one.migrate().await.unwrap();
    [Arc::new(one), Arc::new(other)]
}

impl Harness for Fresh {
    fn store(&self) -> Arc<dyn DynStore> {
        let mut stores = self.stores.lock().unwrap();
        stores.reverse();
        Arc::clone(&stores[0])
    }

    fn facets(&self) -> &[Facet] {
        FACETS
    }

    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            match foreign {
                Foreign::Bytes(bytes) => self.table.run_with(PLANT, [key.as_bytes(), &bytes]).await,
                Foreign::CopyOf(other) => {
                    self.table.run_with(COPY, [key.as_bytes(), other.as_bytes()]).await;
                }
                _ => return Outcome::Impossible,
            }
            Outcome::Done
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            let opened = open(&self.table).await;
            *self.stores.lock().unwrap() = opened;
            Outcome::Done
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        tokio::task::block_in_place(|| Handle::current().block_on(self.table.run("DROP TABLE {table}")));
    }
}
