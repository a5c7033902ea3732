//! Transactions, for the tests that are the same for every database.

use crate::dialect::Pool;
use crate::shared::{Table, until};

/// sqlx's thread rolls back a dropped `begin()`.
pub(crate) const DROPPED_BEGIN_STAYS_OPEN: bool = false;

pub(crate) async fn is_in_transaction(pool: &Pool) -> bool {
    sqlx::raw_sql("BEGIN; ROLLBACK").execute(pool).await.is_err()
}

/// Only without any transaction the whole log is moved into the file, and truncated.
pub(crate) async fn no_transaction_is_open(table: &Table) {
    let mut connection = table.connection().await;
    until("no transaction is open", async || {
        let busy = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
        busy.unwrap_or(1) == 0
    })
    .await;
}
