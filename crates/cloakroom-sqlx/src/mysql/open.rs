//! Making a store, and its table.

use std::str::FromStr;

use sqlx::mysql::{MySqlConnectOptions, MySqlPool};
use sqlx::{ConnectOptions, MySql, query};

use super::statements::Statements;
use super::{MySqlStore, counted};
use crate::connections::Connections;
use crate::error::describe;
use crate::record::column;
use crate::{Builder, OpenError, schema};

impl MySqlStore {
    /// Connects to the database at `url`, with default settings: `mysql://user:password@host:port/database`.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::builder().connect(url).await
    }

    /// Makes the table if it is not there, and checks that it is ours. Several instances may do this at the same time; a
    /// table that is there already needs no rights to make one.
    ///
    /// # Errors
    /// [`OpenError`] if the table is somebody else's or of a later version, or cannot be made; and if
    /// the connections do not commit by themselves.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        self.check_autocommit().await?;
        if self.is_made().await? {
            return Ok(());
        }
        let made = self.connections.script(self.statements.schema.clone()).await;
        made.map_err(|failure| self.not_made(failure))?;
        self.is_made().await.map(drop)
    }

    /// The statement that [`migrate`](MySqlStore::migrate) runs, for a user who may create tables.
    pub fn schema(&self) -> &str {
        self.statements.schema.as_str()
    }

    async fn is_made(&self) -> Result<bool, OpenError> {
        let comment = || {
            query(self.statements.comment.clone())
                .bind(self.table.schema().map(str::to_owned))
                .bind(self.table.name().to_owned())
        };
        let rows = self.connections.look(comment).await.map_err(|failure| self.not_made(failure))?;
        let Some(row) = rows.first() else { return Ok(false) };
        let comment: &[u8] = column(row, 0).map_err(|error| self.not_made(error))?;
        schema::check(&self.table, &String::from_utf8_lossy(comment)).map(|()| true)
    }

    /// Without it, what is acknowledged would be lost.
    async fn check_autocommit(&self) -> Result<(), OpenError> {
        let rows = self.connections.look(|| query("SELECT CAST(@@autocommit AS SIGNED)")).await;
        let rows = rows.map_err(|failure| self.not_made(failure))?;
        if counted(&rows).map_err(|error| self.not_made(error))? == 0 {
            let reason = "the connections have autocommit off: set it to 1 in the server, or in the pool";
            return Err(OpenError::Unsafe { reason: reason.to_owned() });
        }
        Ok(())
    }

    fn not_made(&self, failure: impl std::error::Error + Send + Sync + 'static) -> OpenError {
        OpenError::Migrate { table: self.table.to_string(), source: failure.into() }
    }
}

impl Builder<MySqlStore> {
    /// How many connections the store may have at once. They are made when they are needed. Has no meaning for a pool
    /// of the application. Defaults to 10.
    #[must_use]
    pub fn max_connections(mut self, max: u32) -> Self {
        self.max_connections = max;
        self
    }

    /// Connects to the database at `url`, with connections of its own. Makes one of them, to see that it works; does not
    /// look for the table: call [`MySqlStore::migrate`] before serving.
    ///
    /// # Errors
    /// [`OpenError`] if the table's name or the URL cannot be used, or the database cannot be reached.
    pub async fn connect(&self, url: &str) -> Result<MySqlStore, OpenError> {
        let table = self.checked_table()?;
        let options = MySqlConnectOptions::from_str(url)
            .map_err(|error| OpenError::InvalidUrl { reason: describe::<MySql>(&error) })?
            .disable_statement_logging();
        let place = format!("mysql at {}:{}", options.get_host(), options.get_port());
        let connections = Connections::own(options, self.max_connections, self.deadline);
        connections.check().await.map_err(|failure| OpenError::connect(place, failure))?;
        Ok(MySqlStore { statements: Statements::new(&table), table, connections })
    }

    /// Uses a pool that the application has, and no connection beside it.
    ///
    /// Each call ends the transaction that may have been left open on its connection first: one round trip more.
    ///
    /// Let the pool's `acquire_timeout` be shorter than the [`deadline`](Builder::deadline). Its connections must commit by
    /// themselves (`autocommit`), which [`migrate`](MySqlStore::migrate) checks.
    ///
    /// # Errors
    /// [`OpenError::InvalidTable`].
    pub fn pool(&self, pool: MySqlPool) -> Result<MySqlStore, OpenError> {
        let table = self.checked_table()?;
        let connections = Connections::theirs(pool, self.deadline);
        Ok(MySqlStore { statements: Statements::new(&table), table, connections })
    }
}
