//! Sessions in MySQL and MariaDB.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cloakroom_store::{
    Acquired, Claim, Cursor, Error, ErrorKind, Facets, Key, LeaseId, Leases, OpenError, Page, Record, Result,
    Revision, Scan, SeenLease, Store, Subject, SubjectEntry, Subjects, Timestamp,
};
use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlPool, MySqlQueryResult};
use sqlx::{ConnectOptions, MySql, query};
use tokio::time::sleep;

use crate::connections::Connections;
use crate::error::{Dialect, Failure, Refusal, describe};
use crate::record::{
    Columns, Statement, Walk, bits, bytes, check_prefix, column, entry, key, length, millis, number,
    prefix_bytes, record, timestamp, with_key, with_subject,
};
use crate::store::{Builder, STEP, STEP_PAUSE, after, implement_store, invalid_url, poll_while_held};
use crate::table::TableName;

mod statements;
#[cfg(test)]
mod tests;

use statements::Statements;

/// Sessions in a table of a MySQL or MariaDB database. See the [crate] for its guarantees.
///
/// The server may accept less data than [`MAX_DATA_LEN`](MySqlStore::MAX_DATA_LEN): its `max_allowed_packet` less a few hundred
/// bytes.
pub struct MySqlStore {
    table: TableName,
    statements: Statements,
    connections: Connections<MySql>,
}

impl MySqlStore {
    /// Settings to make a store with.
    pub fn builder() -> Builder<Self> {
        Builder::new(10)
    }

    /// Connects to the database at `url`, with default settings: `mysql://user:password@host:port/database`.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::builder().connect(url).await
    }

    /// Creates the table if it does not exist, and checks that it is cloakroom's. Several instances may do this at the same
    /// time. If the table exists, this needs no rights to create one.
    ///
    /// # Errors
    /// [`OpenError`] if the table belongs to something else or to a later version, or cannot be created; and if the
    /// connections do not commit by themselves.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        self.check_autocommit().await?;
        if !self.is_made().await? {
            let made = self.connections.script(self.statements.schema.clone()).await;
            made.map_err(|failure| self.not_made(failure))?;
            self.is_made().await?;
        }
        Ok(())
    }

    /// Without autocommit, acknowledged changes would be lost.
    async fn check_autocommit(&self) -> Result<(), OpenError> {
        let rows = self.connections.fetch(|| query("SELECT CAST(@@autocommit AS SIGNED)")).await;
        let rows = rows.map_err(|failure| self.not_made(failure))?;
        if number(&rows).map_err(|error| self.unexpected(error))? == 0 {
            return Err(OpenError::refused(
                "the connections have autocommit off: set it to 1 in the server, or in the pool",
            ));
        }
        Ok(())
    }

    /// The record as columns, if the server accepts so much. Otherwise it would close the connection, perhaps before it says
    /// why.
    async fn columns(&self, key: &Key, record: &Record) -> Result<Columns> {
        let columns = Columns::new(key, record)?;
        if columns.data.len() > ALWAYS_ACCEPTED {
            let rows = self.connections.read(|| query("SELECT CAST(@@max_allowed_packet AS SIGNED)")).await?;
            if columns.data.len() as u64 + BESIDE_THE_DATA > number(&rows)? {
                return Err(
                    Error::new(ErrorKind::TooLarge).because("max_allowed_packet of the server is smaller")
                );
            }
        }
        Ok(columns)
    }

    /// Removes expired records in short steps: one statement reads the index, which locks nothing, and another deletes by
    /// primary key and compares the expiry again. So no live row is locked, nor the gap beside one, and of several callers each
    /// counts what it removed itself. The disk and the log are still shared, hence the pause after each step.
    async fn remove_expired(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let mut removed = 0;
        let mut last = ExpiryPosition { expires_at: -1, key: Key::new([0; Key::LEN]) };
        while removed < limit {
            let most = STEP.min(limit - removed);
            // From where the last step ended, so that rows that others are deleting are not read twice.
            let found = self.expired(cutoff, last, most).await.map_err(after(removed))?;
            let keys: Vec<_> = found.iter().map(|position| position.key).collect();
            let delete = query(self.statements.delete_expired.clone()).bind(millis(cutoff));
            removed += self.remove(&keys, delete).await.map_err(after(removed))?;
            match found.last() {
                Some(position) if found.len() == most => last = *position,
                _ => break,
            }
            sleep(STEP_PAUSE).await;
        }
        Ok(removed)
    }

    async fn expired(
        &self,
        cutoff: Timestamp,
        last: ExpiryPosition,
        most: usize,
    ) -> Result<Vec<ExpiryPosition>> {
        let expired = || {
            query(self.statements.expired.clone())
                .bind(millis(cutoff))
                .bind(last.expires_at)
                .bind(last.expires_at)
                .bind(bytes(&last.key))
                .bind(most as i64)
        };
        let rows = self.connections.read(expired).await?;
        let positions = rows.iter().map(|row| {
            let key = key(column(row, 0)?).ok_or_else(|| Error::corrupt("the reply has no key"))?;
            Ok(ExpiryPosition { key, expires_at: column(row, 1)? })
        });
        positions.collect()
    }

    /// Reads a page of keys, then deletes their rows by primary key: a delete by the index over the subject could lock rows in
    /// another order than a replace.
    async fn remove_all_of(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let mut removed = 0;
        let mut walk = Walk::new(None, STEP);
        loop {
            let keys = || walk.bind_to(with_subject(&self.statements.keys_of, subject));
            let rows = self.connections.read(keys).await.map_err(after(removed))?;
            let mut page = walk.page(&rows, 0, |key, _| Ok(key))?;
            page.items.retain(|key| Some(key) != except);
            let delete = with_subject(&self.statements.delete_of, subject);
            removed += self.remove(&page.items, delete).await.map_err(after(removed))?;
            match page.next {
                Some(next) => walk = Walk::new(Some(&next), STEP),
                None => return Ok(removed),
            }
        }
    }

    /// Removes the rows under these keys, [`STEP`] at most, that `delete` finds. Only the keys remain to be bound to it.
    async fn remove(&self, keys: &[Key], delete: Statement<MySql>) -> Result<usize> {
        let Some(first) = keys.first() else { return Ok(0) };
        // Repeating a key changes nothing, so any number of keys is the same statement, which is prepared once.
        let padded = keys.iter().chain(std::iter::repeat(first)).take(STEP);
        self.connections.change(padded.fold(delete, |delete, key| delete.bind(bytes(key)))).await
    }

    async fn count_live(&self, now: Timestamp) -> Result<u64> {
        let count = || query(self.statements.count.clone()).bind(millis(now));
        number(&self.connections.read(count).await?)
    }
}

/// The position of a row in the index over the expiry.
#[derive(Clone, Copy)]
struct ExpiryPosition {
    expires_at: i64,
    key: Key,
}

implement_store!(MySqlStore, MySql, read by connections, write by connections);

impl MySqlStore {
    /// Two round trips, because no statement both changes a row and returns it here: one reads the record and its lease, and the
    /// other takes the lease if all of that is still so. Again if it is not.
    async fn acquire_lease(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        for _ in 0..TRIES {
            let rows = self.connections.read(|| with_key(&self.statements.seen, key)).await?;
            let Some(row) = rows.first() else { return Ok(Acquired::Missing) };
            let mut record = record(key, row)?;
            if !claim.admits(&record) {
                return Ok(Acquired::Mismatch(record));
            }
            let (lease, until): (Option<i64>, Option<i64>) = (column(row, 4)?, column(row, 5)?);
            let is_over = has_ended(claim, lease, until, timestamp(column(row, 6)?)?);
            let is_ours = lease == Some(bits(claim.lease.get()));
            if lease.is_some() && !is_over && !is_ours {
                return Ok(Acquired::Busy(None));
            }
            let found = record.revision;
            if is_over {
                record.revision = claim.takeover;
            }
            let acquire = query(self.statements.acquire.clone())
                .bind(bits(record.revision.get()))
                .bind(bits(claim.lease.get()))
                .bind(until.filter(|_| is_ours && !is_over).unwrap_or_default())
                .bind(length(claim))
                .bind(bytes(key))
                .bind(bits(found.get()))
                .bind(millis(record.expires_at))
                .bind(lease)
                .bind(until)
                .bind(prefix_bytes(key));
            if self.connections.change(acquire).await? != 0 {
                return Ok(Acquired::Held(record));
            }
        }
        Ok(Acquired::Busy(None))
    }

    async fn renew_lease(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let renew = query(self.statements.renew.clone())
            .bind(length(claim))
            .bind(length(claim))
            .bind(length(claim))
            .bind(bytes(key))
            .bind(bits(claim.lease.get()));
        Ok(self.connections.change(renew).await? != 0)
    }

    async fn wait_for_release(&self, key: &Key, at_most: Duration) -> Result<()> {
        let held = || async {
            let rows = self.connections.read(|| with_key(&self.statements.held, key)).await?;
            Ok(!rows.is_empty())
        };
        poll_while_held(at_most.min(LONGEST_WAIT), held).await
    }
}

/// Whether there is a lease that counts as expired for the claim, at this time of the server.
fn has_ended(claim: &Claim, lease: Option<i64>, until: Option<i64>, now: Timestamp) -> bool {
    lease.is_some_and(|lease| match until.map(timestamp) {
        Some(Ok(until)) => {
            claim.finds_expired(SeenLease::new(LeaseId::new(lease.cast_unsigned()), until), now)
        }
        // No end, or one before all times.
        _ => true,
    })
}

impl Builder<MySqlStore> {
    /// How many connections the store may have at once. They are made when they are needed. Not used with a pool of the
    /// application. Defaults to 10.
    #[must_use]
    pub fn max_connections(mut self, max: u32) -> Self {
        self.max_connections = max;
        self
    }

    /// Connects to the database at `url`, with the store's own connections. Makes one of them, to see that it works. Does not
    /// look for the table: call [`MySqlStore::migrate`] before serving.
    ///
    /// # Errors
    /// [`OpenError`] if the table's name or the URL is invalid, the database cannot be reached, or it rejects the login.
    pub async fn connect(&self, url: &str) -> Result<MySqlStore, OpenError> {
        let table = self.checked_table()?;
        let options = MySqlConnectOptions::from_str(url)
            .map_err(|error| invalid_url(describe::<MySql>(&error)))?
            .disable_statement_logging();
        let place = format!("cannot connect to mysql at {}:{}", options.get_host(), options.get_port());
        let connections = Connections::own(options, self.max_connections, self.deadline);
        connections.check().await.map_err(|failure| failure.of_connect(place))?;
        Ok(MySqlStore { statements: Statements::new(&table), table, connections })
    }

    /// Uses a pool of the application, and no connection beside it.
    ///
    /// Each call first ends the transaction that may have been left open on its connection: one more round trip.
    ///
    /// Set the pool's `acquire_timeout` below the [`deadline`](Builder::deadline). Its connections must commit by themselves
    /// (`autocommit`), which [`migrate`](MySqlStore::migrate) checks.
    ///
    /// # Errors
    /// [`OpenError`] if the table's name is invalid.
    pub fn pool(&self, pool: MySqlPool) -> Result<MySqlStore, OpenError> {
        let table = self.checked_table()?;
        let connections = Connections::app_pool(pool, self.deadline);
        Ok(MySqlStore { statements: Statements::new(&table), table, connections })
    }
}

impl Dialect for MySql {
    /// By number, because the codes of the standard are coarse here. Numbers and meanings: the error references of MySQL 8.4
    /// and of MariaDB.
    fn refusal(error: &dyn DatabaseError) -> Refusal {
        let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() else { return Refusal::Lost };
        match error.number() {
            1062 => Refusal::Exists,
            // Table full, disk full.
            1114 | 1021 => Refusal::Full,
            // A write failed, or the storage engine did: only the message of the system tells these apart.
            1026 | 1030 if error.message().contains("No space left") => Refusal::Full,
            // Packet, blob for the log, column, intermediate result.
            1153 | 1118 | 1406 | 1301 => Refusal::TooLarge,
            // Lock wait timeout, deadlock (also what a Galera cluster calls a conflict), no room for locks.
            1205 | 1213 | 1206 => Refusal::NotNow,
            // Too many connections, by server and by user.
            1040 | 1203 | 1226 => Refusal::NotNow,
            // Too many prepared statements, an unknown one, one that must be prepared again.
            1461 | 1243 | 1615 => Refusal::NotHere,
            // Read-only in three ways, locked for a backup, a Galera node that is not ready.
            1290 | 1792 | 1836 | 1223 | 1047 => Refusal::NotHere,
            1146 => Refusal::NoTable,
            // Access denied: to a database, a table, a column.
            1044 | 1142 | 1143 => Refusal::NoRights,
            // Access denied to the user, an unknown database.
            1045 | 1049 => Refusal::NoLogin,
            // Not allowed, syntax error, bad value: classes 28, 42, 22, 21, 23 of the standard.
            _ => match error.code().and_then(|code| code.get(..2)) {
                Some("28" | "42" | "22" | "21" | "23") => Refusal::Other,
                // Rolled back, for example by a cluster.
                Some("40") => Refusal::NotNow,
                // Shut down, killed, timed out, and anything else.
                _ => Refusal::Lost,
            },
        }
    }

    fn rows_affected(result: &MySqlQueryResult) -> u64 {
        result.rows_affected()
    }

    /// Whatever `completion_type` is.
    const END_TRANSACTION: &'static str = "ROLLBACK AND NO CHAIN NO RELEASE";

    /// In whole seconds, the shortest there is. MySQL has no limit for statements that write.
    fn limits(_deadline: Duration) -> Option<String> {
        Some("SET innodb_lock_wait_timeout = 1, lock_wait_timeout = 1".to_owned())
    }
}

/// How often a lease is tried for when others change the record or its lease between the look and the try.
const TRIES: usize = 8;
/// After this, a waiter tells the caller to look whether the lease has expired: only a claim knows which end is too far ahead.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Every server accepts a packet of 1 MiB unless it is told otherwise: MariaDB 16 MiB, MySQL 64 MiB, older ones 4 MiB or
/// 1 MiB.
const ALWAYS_ACCEPTED: usize = 512 << 10;
/// More than a packet has beside the bytes of the record: key, subject, numbers, the statement's number.
const BESIDE_THE_DATA: u64 = 1 << 10;
