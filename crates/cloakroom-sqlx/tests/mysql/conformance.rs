//! Every rule of the contract.

use std::sync::{Arc, Mutex};

use cloakroom_sqlx::MySqlStore;
use cloakroom_store::conformance::{Facet, Foreign, Harness, Outcome, suite};
use cloakroom_store::{BoxFuture, DynStore, Key};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, query};
use tokio::runtime::Handle;

use crate::support::fresh_table;
use crate::url;

suite!(test = #[tokio::test(flavor = "multi_thread")], harness = Fresh::new().await);

/// A table of its own, and two stores on it like those of two processes, handed out in turn.
struct Fresh {
    table: String,
    stores: Mutex<[Arc<MySqlStore>; 2]>,
}

impl Fresh {
    async fn new() -> Self {
        let table = fresh_table();
        let stores = Mutex::new(open(&table).await);
        Self { table, stores }
    }

    async fn run(&self, statement: &str, parameters: &[&[u8]]) {
        let mut statement = query(AssertSqlSafe(statement.replace("{table}", &self.table)));
        for parameter in parameters {
            statement = statement.bind(*parameter);
        }
        let mut connection = MySqlConnection::connect(url()).await.unwrap();
        statement.execute(&mut connection).await.unwrap();
    }
}

async fn open(table: &str) -> [Arc<MySqlStore>; 2] {
    let builder = MySqlStore::builder().table(table).max_connections(4);
    let stores = [builder.connect(url()).await.unwrap(), builder.connect(url()).await.unwrap()];
    stores[0].migrate().await.unwrap();
    stores.map(Arc::new)
}

impl Harness for Fresh {
    fn store(&self) -> Arc<dyn DynStore> {
        let mut stores = self.stores.lock().unwrap();
        stores.reverse();
        stores[0].clone()
    }

    fn facets(&self) -> &[Facet] {
        &[Facet::Leases, Facet::Subjects, Facet::Scan]
    }

    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let key = key.as_bytes();
            match foreign {
                Foreign::Bytes(bytes) => {
                    let plant = "INSERT INTO {table} (`key`, revision, expires_at, data) VALUES (?, 1, 4102444860000, ?)";
                    self.run(plant, &[key, &bytes]).await;
                }
                Foreign::CopyOf(other) => {
                    let plant = "INSERT INTO {table} SELECT ?, revision, expires_at, subject, data, lease, lease_until \
                        FROM {table} WHERE `key` = ?";
                    self.run(plant, &[key, other.as_bytes()]).await;
                }
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
        tokio::task::block_in_place(|| Handle::current().block_on(self.run("DROP TABLE {table}", &[])));
    }
}
