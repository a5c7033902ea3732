//! MySQL, on a real MariaDB.

#![cfg(feature = "mysql")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod contention;
mod failures;
mod leases;
mod migration;
mod pool;
mod rows;
#[path = "../support/mod.rs"]
mod support;

use cloakroom_sqlx::MySqlStore;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row, query, raw_sql};

use support::fresh_table;

fn url() -> &'static str {
    cloakroom_test_services::mysql()
}

/// A store on a table of its own, and the table's name.
async fn fresh() -> (MySqlStore, String) {
    let table = fresh_table();
    let store = MySqlStore::builder().table(&table).connect(url()).await.unwrap();
    store.migrate().await.unwrap();
    (store, table)
}

async fn run(statement: &str) {
    let mut connection = MySqlConnection::connect(url()).await.unwrap();
    raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
}

/// The number that a statement answers.
async fn number(statement: &str) -> i64 {
    let mut connection = MySqlConnection::connect(url()).await.unwrap();
    query(AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap().get(0)
}
