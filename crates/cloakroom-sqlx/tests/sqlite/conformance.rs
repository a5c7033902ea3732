//! Every rule of the contract.

use std::path::PathBuf;
use std::sync::Arc;

use cloakroom_sqlx::SqliteStore;
use cloakroom_store::BoxFuture;
use cloakroom_store::conformance::suite;
use sqlx::{AssertSqlSafe, query};
use tempfile::TempDir;

use crate::support::harness::{Fresh, Stores, Table};
use crate::{beside, path};

suite!(test = #[tokio::test(flavor = "multi_thread")], harness = {
    let (path, folder) = path();
    Fresh::new(InFile { path, _folder: folder }).await
});

struct InFile {
    path: PathBuf,
    _folder: TempDir,
}

impl Table for InFile {
    const PLANT: &'static str =
        "INSERT INTO {table} (key, revision, expires_at, data) VALUES (?1, 1, 4102444860000, ?2)";
    const COPY: &'static str = "INSERT INTO {table} SELECT ?1, revision, expires_at, subject, data, lease, lease_until \
        FROM {table} WHERE key = ?2";

    fn open(&self) -> BoxFuture<'_, Stores> {
        Box::pin(async {
            let stores =
                [SqliteStore::open(&self.path).await.unwrap(), SqliteStore::open(&self.path).await.unwrap()];
            stores[0].migrate().await.unwrap();
            stores.map(|store| Arc::new(store) as _)
        })
    }

    fn run<'a>(&'a self, statement: &'static str, [one, other]: [&'a [u8]; 2]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let statement = AssertSqlSafe(statement.replace("{table}", "cloakroom_sessions"));
            let mut connection = beside(&self.path).await;
            query(statement).bind(one).bind(other).execute(&mut connection).await.unwrap();
        })
    }
}
