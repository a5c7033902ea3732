//! PostgreSQL, on a real server.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod failures;
mod migration;
mod pool;
#[path = "../support/mod.rs"]
mod support;
mod waiting;

use std::time::Duration;

use cloakroom_sqlx::PostgresStore;
use cloakroom_store::{Acquired, Key, Leases};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, query, raw_sql};

use support::{claim, fresh_table};

fn url() -> &'static str {
    cloakroom_test_services::postgres()
}

/// A store on a table of its own, and the table's name.
async fn fresh() -> (PostgresStore, String) {
    let table = fresh_table();
    let store = PostgresStore::builder().table(&table).connect(url()).await.unwrap();
    store.migrate().await.unwrap();
    (store, table)
}

/// Waits for the lease as the engine does, until it is ours or there is no record.
async fn acquire(store: &PostgresStore, key: &Key) -> Acquired {
    loop {
        match store.acquire(key, &claim(2)).await.unwrap() {
            Acquired::Busy => store.wait(key, Duration::from_secs(3600)).await.unwrap(),
            acquired => return acquired,
        }
    }
}

async fn run(statement: &str) {
    let mut connection = PgConnection::connect(url()).await.unwrap();
    raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
}

/// The number that a statement answers.
async fn number(statement: &str) -> i64 {
    let mut connection = PgConnection::connect(url()).await.unwrap();
    query(AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap().get(0)
}
