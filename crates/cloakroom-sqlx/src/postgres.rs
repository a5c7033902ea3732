//! Sessions in PostgreSQL.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cloakroom_store::codec::strip_prefix;
use cloakroom_store::{
    Acquired, Claim, Cursor, Error, Facets, Key, LeaseId, Leases, OpenError, Page, Record, Result, Revision,
    Scan, Store, Subject, SubjectEntry, Subjects, Timestamp,
};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgQueryResult};
use sqlx::{ConnectOptions, Postgres, query};
use tokio::time::timeout;

use crate::connections::{Connections, lock_timeout};
use crate::error::{Dialect, Failure, Refusal, describe};
use crate::record::{
    Columns, Statement, Walk, bits, bytes, check_prefix, column, entry, guard, length, millis, number,
    prefix_bytes, record, with_key, with_subject,
};
use crate::store::{Builder, implement_store, in_steps, invalid_url};
use crate::table::TableName;

mod listener;
mod notices;
mod statements;
#[cfg(test)]
mod tests;

use listener::Listener;
use statements::Statements;

/// Sessions in a table of a PostgreSQL database. See the [crate] for its guarantees.
pub struct PostgresStore {
    table: TableName,
    statements: Statements,
    connections: Connections<Postgres>,
    listener: Listener,
}

impl PostgresStore {
    /// Settings to make a store with.
    pub fn builder() -> Builder<Self> {
        Builder::new(10)
    }

    /// Connects to the database at `url`, with default settings: `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::builder().connect(url).await
    }

    /// Creates the table and its indexes if they do not exist, and checks that they are cloakroom's. Several instances may do
    /// this at the same time. If the table exists, this needs no rights to create one.
    ///
    /// # Errors
    /// [`OpenError`] if the table belongs to something else or to a later version, lacks an index, or cannot be created.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        if !self.is_made().await? {
            let made = self.connections.script(self.statements.schema.clone()).await;
            made.map_err(|failure| self.not_made(failure))?;
            self.is_made().await?;
        }
        self.check_indexes().await
    }

    /// PostgreSQL does not create an index if anything else in the schema has its name, and that is no error there.
    async fn check_indexes(&self) -> Result<(), OpenError> {
        let missing = self.connections.fetch(|| query(self.statements.unindexed.clone())).await;
        let missing = missing.map_err(|failure| self.not_made(failure))?;
        let Some(row) = missing.first() else { return Ok(()) };
        let columns: &str = column(row, 0).map_err(|error| self.unexpected(error))?;
        Err(OpenError::refused(format!(
            "the table {} has no index over ({columns}), without which a purge or a sign-out reads all of it: create the one \
             in schema(), under another name if something has its name",
            self.table
        )))
    }

    async fn columns(&self, key: &Key, record: &Record) -> Result<Columns> {
        Columns::new(key, record)
    }

    async fn remove_expired(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let purge = |most| query(self.statements.purge.clone()).bind(millis(cutoff)).bind(most);
        in_steps(limit, |most| Box::pin(self.connections.change(purge(most)))).await
    }

    async fn remove_all_of(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let end_all = with_subject(&self.statements.end_all, subject);
        self.connections.change(end_all.bind(except.map_or_else(Vec::new, bytes))).await
    }

    /// In steps by expiry, because the deadline is for each of them. A session that is touched during the walk may be counted
    /// twice.
    async fn count_live(&self, now: Timestamp) -> Result<u64> {
        let (mut count, mut last) = (0, millis(now));
        loop {
            let step = || query(self.statements.count.clone()).bind(last).bind(COUNT_STEP);
            let rows = self.connections.read(step).await?;
            let found = number(&rows)?;
            count += found;
            if found <= COUNT_STEP as u64 {
                return Ok(count);
            }
            last = column(&rows[0], 1)?;
        }
    }
}

implement_store!(PostgresStore, Postgres, read by connections, write by connections, and notices);

impl PostgresStore {
    async fn acquire_lease(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let acquire = with_key(&self.statements.acquire, key)
            .bind(bits(claim.lease.get()))
            .bind(length(claim))
            .bind(bits(claim.takeover.get()))
            .bind(prefix_bytes(key))
            .bind(guard(claim))
            .bind(millis(claim.now))
            .bind(claim.overrule.map(|seen| bits(seen.lease.get())))
            .bind(claim.overrule.map(|seen| millis(seen.until)));
        let rows = self.connections.write(acquire).await?;
        let Some(row) = rows.first() else { return Ok(Acquired::Missing) };
        match column(row, 4)? {
            statements::HELD => {}
            statements::MISMATCH => return record(key, row).map(Acquired::Mismatch),
            _ => return strip_prefix(key, column(row, 3)?).map(|_| Acquired::Busy(None)),
        }
        let record = record(key, row);
        if record.is_err() {
            // The caller does not learn that it has the lease, which would keep others from learning of the damage.
            _ = self.release(key, claim.lease).await;
        }
        record.map(Acquired::Held)
    }

    async fn renew_lease(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let renew = with_key(&self.statements.renew, key).bind(bits(claim.lease.get())).bind(length(claim));
        Ok(self.connections.change(renew).await? != 0)
    }

    async fn wait_for_release(&self, key: &Key, at_most: Duration) -> Result<()> {
        // Registered before the row says so: from then on this hears of every release.
        let waiter = self.listener.register(key);
        if at_most.is_zero() || timeout(at_most.min(PAUSE), self.listener.ready()).await.is_err() {
            // Without a connection that listens the caller polls.
            return Ok(());
        }
        let rows = self.connections.write(with_key(&self.statements.wait, key)).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let left = Duration::from_millis(column::<_, i64>(row, 0)?.max(1) as u64);
        // Whether notified or not, the caller tries again.
        _ = timeout(at_most.min(left).min(LONGEST_WAIT), waiter.woken()).await;
        Ok(())
    }
}

impl Builder<PostgresStore> {
    /// How many connections the store may have at once, beside the one that listens for released leases. They are made when
    /// they are needed. Not used with a pool of the application. Defaults to 10.
    #[must_use]
    pub fn max_connections(mut self, max: u32) -> Self {
        self.max_connections = max;
        self
    }

    /// Where to listen for released leases, if not where the sessions are. A pooler such as PgBouncer in transaction mode does
    /// not pass notifications on: name the database itself here. Otherwise a request that waits for a session waits until the
    /// lease would have ended.
    ///
    /// Checked when the store is made. Defaults to the store's URL, or to that of the pool.
    #[must_use]
    pub fn listen_url(mut self, url: impl Into<String>) -> Self {
        self.listen_url = Some(url.into());
        self
    }

    /// Connects to the database at `url`, with the store's own connections. Makes one of them, to see that it works. Does not
    /// look for the table: call [`PostgresStore::migrate`] before serving.
    ///
    /// # Errors
    /// [`OpenError`] if the table's name or the URL is invalid, the database cannot be reached, or it rejects the login.
    pub async fn connect(&self, url: &str) -> Result<PostgresStore, OpenError> {
        let options = parsed(url)?;
        let place = format!("cannot connect to postgres at {}:{}", options.get_host(), options.get_port());
        let connections = Connections::own(options.clone(), self.max_connections, self.deadline);
        let store = self.store(options, connections)?;
        store.connections.check().await.map_err(|failure| failure.of_connect(place))?;
        Ok(store)
    }

    /// Uses a pool of the application. Only waiting for leases takes a connection beside it, made with the pool's options when
    /// it is first needed.
    ///
    /// Each call first ends the transaction that may have been left open on its connection: one more round trip.
    ///
    /// Set the pool's `acquire_timeout` below the [`deadline`](Builder::deadline).
    ///
    /// # Errors
    /// [`OpenError`] if the table's name or the [`listen_url`](Builder::listen_url) is invalid.
    pub fn pool(&self, pool: PgPool) -> Result<PostgresStore, OpenError> {
        let options = PgConnectOptions::clone(&pool.connect_options());
        self.store(options, Connections::app_pool(pool, self.deadline))
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
    let options =
        PgConnectOptions::from_str(url).map_err(|error| invalid_url(describe::<Postgres>(&error)))?;
    Ok(options.disable_statement_logging())
}

impl Dialect for Postgres {
    /// Codes are those of PostgreSQL's documentation, appendix A.
    fn refusal(error: &dyn DatabaseError) -> Refusal {
        let code = error.code().unwrap_or_default();
        match &*code {
            "23505" => Refusal::Exists,
            "53100" => Refusal::Full,
            "54000" => Refusal::TooLarge,
            // Undefined table, invalid schema name.
            "42P01" | "3F000" => Refusal::NoTable,
            "42501" => Refusal::NoRights,
            // Invalid authorization, invalid password, invalid catalog name.
            "28000" | "28P01" | "3D000" => Refusal::NoLogin,
            // Statement completion unknown.
            "40003" => Refusal::Lost,
            // Query canceled, lock not available.
            "57014" | "55P03" => Refusal::NotNow,
            // A prepared statement that is gone, or whose table was changed.
            "26000" | "0A000" => Refusal::NotHere,
            _ => match code.get(..2) {
                // Read only (a standby), or in a failed transaction of the application.
                Some("25") => Refusal::NotHere,
                // Serialization failures and deadlocks; too many connections, out of memory.
                Some("40" | "53") => Refusal::NotNow,
                // Connection exceptions; the server stops or starts.
                Some("08" | "57") => Refusal::Lost,
                _ => Refusal::Other,
            },
        }
    }

    fn rows_affected(result: &PgQueryResult) -> u64 {
        result.rows_affected()
    }

    /// `ROLLBACK` alone would be a warning in the server's log if there is no transaction. `BEGIN` is one if there is.
    const END_TRANSACTION: &'static str = "BEGIN; ROLLBACK";

    /// A limit of the server, the role or the URL that is as short stays as it is.
    fn limits(deadline: Duration) -> Option<String> {
        let lock = lock_timeout(deadline).as_millis();
        let statement = (deadline * 9 / 10).as_millis().max(1);
        Some(format!(
            "SELECT set_config(name, most::text, false) FROM pg_settings \
             JOIN (VALUES ('lock_timeout', {lock}), ('statement_timeout', {statement})) AS ours (name, most) USING (name) \
             WHERE setting::bigint NOT BETWEEN 1 AND most"
        ))
    }
}

/// How many rows are counted at once.
const COUNT_STEP: i64 = 10_000;
/// Pause of a caller that polls.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a waiter waits for a notification: one is lost if the connection breaks without a sign.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
