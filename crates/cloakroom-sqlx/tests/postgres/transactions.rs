//! Transactions, for the tests that are the same for every database.

use sqlx::{AssertSqlSafe, Executor};

use crate::dialect::{Connection, Pool};
use crate::shared::{Table, until};

pub(crate) const DROPPED_BEGIN_STAYS_OPEN: bool = true;

pub(crate) async fn is_in_transaction(pool: &Pool) -> bool {
    sqlx::query("SELECT 1").execute(pool).await.is_ok()
        && sqlx::query_scalar("SELECT now() <> statement_timestamp()").fetch_one(pool).await.unwrap()
}

pub(crate) async fn no_transaction_is_open(table: &Table) {
    let open = "SELECT COUNT(*) FROM pg_stat_activity \
        WHERE query LIKE '%{table}%' AND state LIKE 'idle in transaction%'";
    until("no transaction is open", async || table.number(open).await == 0).await;
}

/// Locks all rows, until the connection rolls back.
pub(crate) async fn lock_rows(table: &Table) -> Connection {
    let mut connection = table.connection().await;
    let lock = table.fill("BEGIN; SELECT 1 FROM {table} FOR UPDATE");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(lock))).await.unwrap();
    connection
}
