//! Every rule of the contract.

use std::path::Path;
use std::sync::{Arc, Mutex};

use cloakroom_sqlx::SqliteStore;
use cloakroom_store::conformance::{Facet, Foreign, Harness, Outcome, suite};
use cloakroom_store::{BoxFuture, DynStore, Key};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, query};
use tempfile::TempDir;

suite!(test = #[tokio::test(flavor = "multi_thread")], harness = Fresh::new().await);

/// A file of its own, and two stores on it like those of two processes, handed out in turn.
struct Fresh {
    folder: TempDir,
    stores: Mutex<[Arc<SqliteStore>; 2]>,
}

impl Fresh {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stores = Mutex::new(open(folder.path()).await);
        Self { folder, stores }
    }

    async fn run(&self, statement: &'static str, parameters: [&[u8]; 2]) {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("sessions.db"));
        let mut connection = options.connect().await.unwrap();
        let [one, other] = parameters;
        query(statement).bind(one).bind(other).execute(&mut connection).await.unwrap();
    }
}

async fn open(folder: &Path) -> [Arc<SqliteStore>; 2] {
    let path = folder.join("sessions.db");
    let stores = [SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap()];
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
                    let plant = "INSERT INTO cloakroom_sessions (key, revision, expires_at, data) \
                        VALUES (?1, 1, 4102444860000, ?2)";
                    self.run(plant, [key, &bytes]).await;
                }
                Foreign::CopyOf(other) => {
                    let plant = "INSERT INTO cloakroom_sessions \
                        SELECT ?1, revision, expires_at, subject, data, lease, lease_until \
                        FROM cloakroom_sessions WHERE key = ?2";
                    self.run(plant, [key, other.as_bytes()]).await;
                }
            }
            Outcome::Done
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            let opened = open(self.folder.path()).await;
            *self.stores.lock().unwrap() = opened;
            Outcome::Done
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}
