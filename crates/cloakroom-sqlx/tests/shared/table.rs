//! A table for one test.

use std::fmt;

use cloakroom_sqlx::Builder;
use sqlx::{AssertSqlSafe, Row, query, raw_sql};

use super::fresh_table;
use crate::database::Database;
use crate::dialect::{Connection, Pool, PoolOptions, Store, blob};

/// A table, and a way to it past the stores.
pub(crate) struct Table {
    pub(crate) database: Database,
    name: String,
}

impl Table {
    /// The name of a table that does not exist.
    pub(crate) fn named() -> Self {
        Self { database: Database::new(), name: fresh_table() }
    }

    pub(crate) fn builder(&self) -> Builder<Store> {
        Store::builder().table(&self.name)
    }

    /// Another store on this table.
    pub(crate) async fn open(&self) -> Store {
        self.database.open(self.builder()).await.unwrap()
    }

    /// A store that has one connection of a pool of the application.
    pub(crate) async fn in_pool(&self) -> (Store, Pool) {
        let options = PoolOptions::new().max_connections(1).test_before_acquire(false);
        let pool = self.database.pool(options).await;
        (self.builder().pool(pool.clone()).unwrap(), pool)
    }

    pub(crate) async fn connection(&self) -> Connection {
        self.database.connection().await
    }

    /// Runs statements in which `{table}` is the table.
    pub(crate) async fn run(&self, statements: &str) {
        let statements = AssertSqlSafe(self.fill(statements));
        raw_sql(statements).execute(&mut self.connection().await).await.unwrap();
    }

    /// Runs a statement with parameters.
    pub(crate) async fn run_with(&self, statement: &str, parameters: [&[u8]; 2]) {
        let [one, other] = parameters.map(<[u8]>::to_vec);
        let statement = query(AssertSqlSafe(self.fill(statement))).bind(one).bind(other);
        statement.execute(&mut self.connection().await).await.unwrap();
    }

    /// Replaces the data of every row.
    pub(crate) async fn set_data(&self, data: &[u8]) {
        self.run(&format!("UPDATE {{table}} SET data = {}", blob(data))).await;
    }

    /// The number that a statement returns.
    pub(crate) async fn number(&self, statement: &str) -> i64 {
        let statement = query(AssertSqlSafe(self.fill(statement)));
        statement.fetch_one(&mut self.connection().await).await.unwrap().get(0)
    }

    pub(crate) fn fill(&self, statement: &str) -> String {
        statement.replace("{table}", &self.name)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A store on a table of its own, and the table.
pub(crate) async fn fresh() -> (Store, Table) {
    let table = Table::named();
    let store = table.open().await;
    store.migrate().await.unwrap();
    (store, table)
}
