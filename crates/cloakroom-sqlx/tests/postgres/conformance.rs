//! Every rule of the contract.

use std::sync::Arc;

use cloakroom_sqlx::PostgresStore;
use cloakroom_store::BoxFuture;
use cloakroom_store::conformance::suite;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, raw_sql};
use tokio::runtime::Handle;

use crate::support::fresh_table;
use crate::support::harness::{Fresh, Stores, Table};
use crate::url;

suite!(test = #[tokio::test(flavor = "multi_thread")], harness = Fresh::new(InServer(fresh_table())).await);

struct InServer(String);

impl Table for InServer {
    const PLANT: &'static str =
        "INSERT INTO {table} (key, revision, expires_at, data) VALUES ($1, 1, 4102444860000, $2)";
    const COPY: &'static str = "INSERT INTO {table} SELECT $1, revision, expires_at, subject, data, lease, lease_start, lease_until, waiting \
        FROM {table} WHERE key = $2";

    fn open(&self) -> BoxFuture<'_, Stores> {
        Box::pin(async {
            let builder = PostgresStore::builder().table(&self.0).max_connections(4);
            let stores = [builder.connect(url()).await.unwrap(), builder.connect(url()).await.unwrap()];
            stores[0].migrate().await.unwrap();
            stores.map(|store| Arc::new(store) as _)
        })
    }

    fn run<'a>(&'a self, statement: &'static str, [one, other]: [&'a [u8]; 2]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let statement = query(AssertSqlSafe(statement.replace("{table}", &self.0))).bind(one).bind(other);
            let mut connection = PgConnection::connect(url()).await.unwrap();
            statement.execute(&mut connection).await.unwrap();
        })
    }
}

impl Drop for InServer {
    fn drop(&mut self) {
        let drop = AssertSqlSafe(format!("DROP TABLE {}", self.0));
        tokio::task::block_in_place(|| {
            Handle::current().block_on(async {
                let mut connection = PgConnection::connect(url()).await.unwrap();
                raw_sql(drop).execute(&mut connection).await.unwrap();
            });
        });
    }
}
