//! Making a store, and its table.

use std::str::FromStr;

use cloakroom_store::Result;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{ConnectOptions, Postgres, query};

use super::statements::Statements;
use super::{Listener, PostgresStore};
use crate::connections::Connections;
use crate::error::describe;
use crate::record::column;
use crate::{Builder, OpenError, schema};

impl PostgresStore {
    /// Connects to the database at `url`, with default settings: `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::builder().connect(url).await
    }

    /// Makes the table and its indexes if they are not there, and checks that they are ours. Several instances may do
    /// this at the same time; a table that is there already needs no rights to make one.
    ///
    /// # Errors
    /// [`OpenError`] if the table is somebody else's or of a later version, lacks an index, or cannot be made.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        if self.is_made().await? {
            return Ok(());
        }
        let made = self.connections.script(self.statements.schema.clone()).await;
        made.map_err(|failure| self.not_made(failure))?;
        self.is_made().await.map(drop)
    }

    /// The statements that [`migrate`](PostgresStore::migrate) runs, for a user who may create tables.
    pub fn schema(&self) -> &str {
        self.statements.schema.as_str()
    }

    async fn is_made(&self) -> Result<bool, OpenError> {
        let comment = self.connections.look(|| query(self.statements.comment.clone())).await;
        let comment = comment.map_err(|error| self.not_made(error))?;
        let Some(row) = comment.first() else { return Ok(false) };
        let comment: &str = column(row, 0).map_err(|error| self.not_made(error))?;
        schema::check(&self.table, comment)?;
        self.check_indexes().await?;
        Ok(true)
    }

    /// An index is not made if anything else in the schema has its name, and PostgreSQL does not call that an error.
    async fn check_indexes(&self) -> Result<(), OpenError> {
        let missing = self.connections.look(|| query(self.statements.unindexed.clone())).await;
        let missing = missing.map_err(|error| self.not_made(error))?;
        let Some(row) = missing.first() else { return Ok(()) };
        let column: &str = column(row, 0).map_err(|error| self.not_made(error))?;
        Err(OpenError::Unindexed { table: self.table.to_string(), column: column.to_owned() })
    }

    fn not_made(&self, failure: impl std::error::Error + Send + Sync + 'static) -> OpenError {
        OpenError::Migrate { table: self.table.to_string(), source: failure.into() }
    }
}

impl Builder<PostgresStore> {
    /// How many connections the store may have at once, beside the one on which it hears of released leases. They are made
    /// when they are needed. Has no meaning for a pool of the application. Defaults to 10.
    #[must_use]
    pub fn max_connections(mut self, max: u32) -> Self {
        self.max_connections = max;
        self
    }

    /// Where to listen for released leases, if that is not where the sessions are: a pooler such as PgBouncer in its
    /// transaction mode does not pass on what is announced, so name the database itself here. Otherwise whoever waits for
    /// a session there waits until the lease on it would have ended.
    ///
    /// Checked when the store is made. Defaults to the store's URL, or to that of the pool.
    #[must_use]
    pub fn listen_url(mut self, url: impl Into<String>) -> Self {
        self.listen_url = Some(url.into());
        self
    }

    /// Connects to the database at `url`, with connections of its own. Makes one of them, to see that it works; does not
    /// look for the table: call [`PostgresStore::migrate`] before serving.
    ///
    /// # Errors
    /// [`OpenError`] if the table's name or the URL cannot be used, or the database cannot be reached.
    pub async fn connect(&self, url: &str) -> Result<PostgresStore, OpenError> {
        let options = parsed(url)?;
        let place = format!("postgres at {}:{}", options.get_host(), options.get_port());
        let connections = Connections::own(options.clone(), self.max_connections, self.deadline);
        let store = self.store(options, connections)?;
        store.connections.check().await.map_err(|failure| OpenError::connect(place, failure))?;
        Ok(store)
    }

    /// Uses a pool that the application has. Only waiting for leases takes a connection beside it, made with the
    /// pool's options when it is first needed.
    ///
    /// Each call ends the transaction that may have been left open on its connection first: one round trip more.
    ///
    /// Let the pool's `acquire_timeout` be shorter than the [`deadline`](Builder::deadline).
    ///
    /// # Errors
    /// [`OpenError`] if the table's name or the [`listen_url`](Builder::listen_url) cannot be used.
    pub fn pool(&self, pool: PgPool) -> Result<PostgresStore, OpenError> {
        let options = PgConnectOptions::clone(&pool.connect_options());
        self.store(options, Connections::theirs(pool, self.deadline))
    }

    fn store(
        &self,
        options: PgConnectOptions,
        connections: Connections<Postgres>,
    ) -> Result<PostgresStore, OpenError> {
        let table = self.checked_table()?;
        let options = self.listen_url.as_deref().map_or(Ok(options), parsed)?;
        Ok(PostgresStore {
            statements: Statements::new(&table),
            listener: Listener::new(options, table.name()),
            connections,
            table,
        })
    }
}

fn parsed(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(url);
    let options = options.map_err(|error| OpenError::InvalidUrl { reason: describe::<Postgres>(&error) })?;
    Ok(options.disable_statement_logging())
}
