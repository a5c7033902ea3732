//! Sessions in SQLite.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;
use std::{fmt, io};

use cloakroom_store::codec::strip_prefix;
use cloakroom_store::{
    Acquired, Claim, Cursor, Error, Facets, Key, LeaseId, Leases, OpenError, Page, Record, Result, Revision,
    Scan, SeenLease, Store, Subject, SubjectEntry, Subjects, Timestamp,
};
use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqliteQueryResult, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite, query};
use tokio::time::{sleep, timeout};

use crate::connections::{Connections, lock_timeout};
use crate::error::{Dialect, Failure, Refusal};
use crate::record::{
    Columns, Statement, Walk, bits, bytes, check_prefix, column, entry, guard, millis, number, prefix_bytes,
    record, timestamp, with_key, with_subject,
};
use crate::store::{Builder, implement_store, in_steps, poll_while_held};
use crate::table::TableName;

mod statements;
#[cfg(test)]
mod tests;

use statements::Statements;

/// Sessions in a table of an SQLite file. See the [crate] for its guarantees.
pub struct SqliteStore {
    table: TableName,
    statements: Statements,
    /// SQLite lets one connection write at a time. Callers wait for this one in turn, and not for a lock of the file.
    writer: Connections<Sqlite>,
    readers: Connections<Sqlite>,
}

impl SqliteStore {
    /// Settings to make a store with.
    pub fn builder() -> Builder<Self> {
        Builder::new(4)
    }

    /// Opens the file at `path`, or creates it if there is none, with default settings.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(path).await
    }

    /// Creates the table and its indexes if they do not exist, and checks that they are cloakroom's. Several processes may do
    /// this at the same time.
    ///
    /// # Errors
    /// [`OpenError`] if the table belongs to something else or to a later version, or cannot be created; and if this version of
    /// SQLite can lose data.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        self.check_version().await?;
        if !self.is_made().await? {
            // The script is one transaction: if it fails, nothing is created.
            let made = while_busy(|| self.writer.script(self.statements.schema.clone()));
            let made = timeout(BUSY_TIMEOUT, made).await;
            made.unwrap_or_else(|_| Err(Failure::late(true, BUSY_TIMEOUT)))
                .map_err(|failure| self.not_made(failure))?;
            self.is_made().await?;
        }
        Ok(())
    }

    /// Older versions can lose acknowledged changes when one process resets the write-ahead log while another writes
    /// (<https://www.sqlite.org/wal.html>, "The WAL-reset bug"). An application that links SQLite in another way than sqlx does
    /// by default may have one.
    async fn check_version(&self) -> Result<(), OpenError> {
        let rows = self.writer.fetch(|| query("SELECT sqlite_version()")).await;
        let rows = rows.map_err(|failure| self.not_made(failure))?;
        let version: &str = match rows.first().map(|row| column(row, 0)) {
            Some(version) => version.map_err(|error| self.unexpected(error))?,
            None => "",
        };
        check_version(version)
    }

    /// A setting of the file, which stays. Changing it needs the file exclusively for a moment, for which SQLite does not wait
    /// by itself.
    async fn use_write_ahead_log(&self, patience: Duration) -> Result<(), Failure> {
        let set = while_busy(|| self.writer.fetch(|| query("PRAGMA journal_mode = WAL")));
        let rows = timeout(patience, set).await.unwrap_or_else(|_| Err(Failure::late(true, patience)))?;
        match rows.first().map(|row| column(row, 0)) {
            Some(Ok("wal")) => Ok(()),
            _ => Err(Failure::other("there is no write-ahead log on this file system")),
        }
    }

    async fn columns(&self, key: &Key, record: &Record) -> Result<Columns> {
        Columns::new(key, record)
    }

    async fn remove_expired(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let purge = |most| query(self.statements.purge.clone()).bind(millis(cutoff)).bind(most);
        in_steps(limit, |most| Box::pin(self.writer.change(purge(most)))).await
    }

    async fn remove_all_of(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let end_all = with_subject(&self.statements.end_all, subject);
        self.writer.change(end_all.bind(except.map_or_else(Vec::new, bytes))).await
    }

    async fn count_live(&self, now: Timestamp) -> Result<u64> {
        let count = || query(self.statements.count.clone()).bind(millis(now));
        number(&self.readers.read(count).await?)
    }
}

implement_store!(SqliteStore, Sqlite, read by readers, write by writer);

/// All processes that share the file are on one machine and use its clock, which is in the claims.
impl SqliteStore {
    async fn acquire_lease(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let acquire = with_key(&self.statements.acquire, key)
            .bind(guard(claim))
            .bind(millis(claim.now))
            .bind(millis(claim.now.saturating_add(claim.ttl)))
            .bind(bits(claim.takeover.get()))
            .bind(prefix_bytes(key))
            .bind(millis(latest_end(claim)))
            .bind(bits(claim.lease.get()))
            .bind(claim.overrule.map(|seen| bits(seen.lease.get())))
            .bind(claim.overrule.map(|seen| millis(seen.until)));
        if let Some(row) = self.writer.write(acquire).await?.first() {
            let record = record(key, row);
            if record.is_err() {
                // The caller does not learn that it has the lease, and would not release it. If this fails, the lease expires.
                _ = self.release(key, claim.lease).await;
            }
            return record.map(Acquired::Held);
        }
        let seen = || with_key(&self.statements.seen, key).bind(guard(claim)).bind(millis(claim.now));
        let rows = self.readers.read(seen).await?;
        let Some(row) = rows.first() else { return Ok(Acquired::Missing) };
        if column::<_, i64>(row, 4)? == 0 {
            return record(key, row).map(Acquired::Mismatch);
        }
        strip_prefix(key, column(row, 3)?)?;
        let (lease, until): (Option<i64>, Option<i64>) = (column(row, 5)?, column(row, 6)?);
        // None if it was released meanwhile.
        let seen = lease.zip(until).and_then(|(lease, until)| {
            Some(SeenLease::new(LeaseId::new(lease.cast_unsigned()), timestamp(until).ok()?))
        });
        Ok(Acquired::Busy(seen))
    }

    async fn renew_lease(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let renew = with_key(&self.statements.renew, key)
            .bind(bits(claim.lease.get()))
            .bind(millis(claim.now))
            .bind(millis(claim.now.saturating_add(claim.ttl)))
            .bind(millis(latest_end(claim)));
        Ok(self.writer.change(renew).await? != 0)
    }

    async fn wait_for_release(&self, key: &Key, at_most: Duration) -> Result<()> {
        let held =
            || async { Ok(!self.readers.read(|| with_key(&self.statements.held, key)).await?.is_empty()) };
        // Only the caller knows the time, and so whether the lease has expired.
        poll_while_held(at_most.min(LONGEST_WAIT), held).await
    }
}

/// A lease that ends later than this was written by a clock that ran ahead.
fn latest_end(claim: &Claim) -> Timestamp {
    claim.now.saturating_add(claim.ttl).saturating_add(Claim::TOLERANCE)
}

impl Builder<SqliteStore> {
    /// How many connections may read at once, beside the one that writes. Each has a thread. Not used with a pool of the
    /// application. Defaults to 4.
    #[must_use]
    pub fn max_readers(mut self, max: u32) -> Self {
        self.max_connections = max;
        self
    }

    /// Does not wait until a change is on the disk. When the machine loses power, the changes of the last moments are lost,
    /// although they were acknowledged; the file stays consistent. When only the process ends, nothing is lost.
    ///
    /// This is SQLite's `synchronous = NORMAL`. Not used with a pool of the application. Defaults to waiting (`FULL`).
    #[must_use]
    pub fn danger_relaxed_durability(mut self) -> Self {
        self.relaxed = true;
        self
    }

    /// Opens the file at `path`, or creates it if there is none, readable only for its owner (on Unix); its folder must
    /// exist. Does not look for the table: call [`SqliteStore::migrate`] before serving.
    ///
    /// # Errors
    /// [`OpenError`] if the table's name or the path is invalid, the file is not an SQLite file, or this version of SQLite can
    /// lose data.
    pub async fn open(&self, path: impl AsRef<Path>) -> Result<SqliteStore, OpenError> {
        let path = path.as_ref();
        if path.as_os_str().is_empty() || path == ":memory:" {
            return Err(OpenError::config(
                "SQLite needs a file here: to keep sessions in memory use MemoryStore",
            ));
        }
        if path.as_os_str().as_encoded_bytes().starts_with(b"file:") {
            return Err(OpenError::config(
                "SQLite would read a path that begins with `file:` as a URI: give the path alone (`./file:…` if that is the \
                 file's name)",
            ));
        }
        let table = self.file_table()?;
        make_private(path).map_err(|error| not_opened(path).because(error))?;
        let synchronous = if self.relaxed { SqliteSynchronous::Normal } else { SqliteSynchronous::Full };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(lock_timeout(self.deadline))
            .synchronous(synchronous)
            .disable_statement_logging();
        let writer = Connections::permanent(options.clone(), 1, self.deadline);
        let readers = Connections::permanent(options, self.max_connections, self.deadline);
        let store = SqliteStore { statements: Statements::new(&table), table, writer, readers };
        store.writer.check().await.map_err(|failure| cannot_use(path, failure))?;
        store.check_version().await?;
        store.use_write_ahead_log(self.deadline).await.map_err(|failure| cannot_use(path, failure))?;
        Ok(store)
    }

    /// Uses a pool of the application. Set its `journal_mode` to a write-ahead log, and its `busy_timeout` and
    /// `acquire_timeout` below the [`deadline`](Builder::deadline).
    ///
    /// # Errors
    /// [`OpenError`] if the table's name is invalid.
    pub fn pool(&self, pool: SqlitePool) -> Result<SqliteStore, OpenError> {
        let table = self.file_table()?;
        let writer = Connections::app_pool(pool.clone(), self.deadline);
        let readers = Connections::app_pool(pool, self.deadline);
        Ok(SqliteStore { statements: Statements::new(&table), table, writer, readers })
    }

    /// The table, which has no schema in a file.
    fn file_table(&self) -> Result<TableName, OpenError> {
        let table = self.checked_table()?;
        if table.schema().is_some() {
            return Err(OpenError::config(format!("the table {table} is in a file: leave the schema out")));
        }
        Ok(table)
    }
}

/// Creates an empty file, which is an empty database. SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn cannot_use(path: &Path, failure: Failure) -> OpenError {
    match failure.refusal() {
        None | Some(Refusal::NotNow) => OpenError::unavailable(format!(
            "the session file {} is in use: let the other program finish its transaction",
            path.display()
        ))
        .because(failure),
        Some(_) => not_opened(path).because(failure),
    }
}

fn not_opened(path: &Path) -> OpenError {
    OpenError::refused(format!(
        "cannot open the session file {}: name an SQLite file, or a new one, in a folder that this program may write to",
        path.display()
    ))
}

/// Tries again for as long as another connection has the file.
async fn while_busy<T, F>(attempt: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    loop {
        match attempt().await {
            Err(failure) if failure.refusal() == Some(Refusal::NotNow) => sleep(BUSY_PAUSE).await,
            done => return done,
        }
    }
}

fn check_version(version: &str) -> Result<(), OpenError> {
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    if numbers < vec![3, 51, 3] {
        return Err(OpenError::refused(format!(
            "SQLite {version} can lose data in its write-ahead log: use 3.51.3 or later (sqlx's feature `sqlite`, with \
             libsqlite3-sys 0.37 or later)"
        )));
    }
    Ok(())
}

impl Dialect for Sqlite {
    /// Codes are those of <https://www.sqlite.org/rescode.html>; the lowest byte is the primary one.
    fn refusal(error: &dyn DatabaseError) -> Refusal {
        let code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or_default();
        match (code & 0xff, code) {
            (_, 1555 | 2067) => Refusal::Exists,
            (13, _) => Refusal::Full,
            (18, _) => Refusal::TooLarge,
            // Busy, locked, out of memory, interrupted.
            (5 | 6 | 7 | 9, _) => Refusal::NotNow,
            // Read only without the rights to the file or its folder.
            (_, 8 | 1544) => Refusal::NoRights,
            // Read only for another reason, cannot be opened.
            (8 | 14, _) => Refusal::NotHere,
            (1, _) if error.message().starts_with("no such table") => Refusal::NoTable,
            // A failed read or write of the file: perhaps the sync that a commit waits for.
            (10, _) => Refusal::Lost,
            _ => Refusal::Other,
        }
    }

    fn rows_affected(result: &SqliteQueryResult) -> u64 {
        result.rows_affected()
    }

    /// `ROLLBACK` alone fails if there is no transaction. `BEGIN` fails if there is one; then the connection is closed, which
    /// ends it too. A dropped `begin()` leaves none: sqlx's thread rolls it back by itself.
    const END_TRANSACTION: &'static str = "BEGIN; ROLLBACK";

    /// `busy_timeout` is one of the options.
    fn limits(_deadline: Duration) -> Option<String> {
        None
    }
}

const BUSY_PAUSE: Duration = Duration::from_millis(10);
/// How long a starting program waits for others that create the same table.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// After this, a waiter tells the caller to look whether the lease has expired.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
