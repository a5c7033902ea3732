//! Transactions, for the tests that are the same for every database.

use sqlx::{AssertSqlSafe, Executor};

use crate::dialect::{Connection, Pool, PoolOptions, Store};
use crate::shared::{Table, until};

pub(crate) const DROPPED_BEGIN_STAYS_OPEN: bool = true;

pub(crate) async fn is_in_transaction(pool: &Pool) -> bool {
    let in_transaction = sqlx::query_scalar::<_, i64>("SELECT CAST(@@in_transaction AS SIGNED)");
    in_transaction.fetch_one(pool).await.unwrap() != 0
}

pub(crate) async fn no_transaction_is_open(table: &Table) {
    let open = "SELECT COUNT(*) FROM information_schema.innodb_trx JOIN information_schema.processlist \
        ON trx_mysql_thread_id = id \
        WHERE trx_query LIKE '%{table}%' OR (command = 'Sleep' AND time >= 1)";
    until("no transaction is open", async || table.number(open).await == 0).await;
}

/// Locks all rows, until the connection rolls back.
pub(crate) async fn lock_rows(table: &Table) -> Connection {
    let mut connection = table.connection().await;
    connection.execute("START TRANSACTION").await.unwrap();
    connection.execute(AssertSqlSafe(table.fill("SELECT * FROM {table} FOR UPDATE"))).await.unwrap();
    connection
}

/// A store whose connections begin with this statement.
pub(crate) async fn beginning_with(table: &Table, statement: &'static str) -> Store {
    let options = PoolOptions::new().max_connections(1).after_connect(move |connection, _| {
        Box::pin(async move { connection.execute(AssertSqlSafe(statement)).await.map(drop) })
    });
    table.builder().pool(table.database.pool(options).await).unwrap()
}
