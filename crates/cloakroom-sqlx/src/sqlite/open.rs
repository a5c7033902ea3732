//! Making a store: the file, its table, and SQLite itself looked at.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqliteSynchronous};
use sqlx::{ConnectOptions, query};
use tokio::time::{sleep, timeout};

use super::SqliteStore;
use super::statements::Statements;
use crate::connections::{Connections, lock_patience};
use crate::error::Failure;
use crate::record::column;
use crate::table::TableName;
use crate::{Builder, OpenError, schema};

impl SqliteStore {
    /// Opens the file at `path`, or makes it if there is none, with default settings.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(path).await
    }

    /// Makes the table and its indexes if they are not there, and checks that they are ours. Several processes may do this at
    /// the same time.
    ///
    /// # Errors
    /// [`OpenError`] if the table is somebody else's or of a later version, or cannot be made, or this SQLite is one that
    /// may lose data.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        self.check_version().await?;
        if self.is_made().await? {
            return Ok(());
        }
        // The script is one transaction: if it fails, nothing is made.
        let made = while_busy(|| self.writer.script(self.statements.schema.clone()));
        let made = timeout(PATIENCE, made).await.unwrap_or_else(|_| Err(Failure::late(true, PATIENCE)));
        made.map_err(|failure| self.not_made(failure))?;
        self.is_made().await.map(drop)
    }

    /// The statements that [`migrate`](SqliteStore::migrate) runs.
    pub fn schema(&self) -> &str {
        self.statements.schema.as_str()
    }

    async fn is_made(&self) -> Result<bool, OpenError> {
        let comment = self.writer.look(|| query(self.statements.comment.clone())).await;
        let comment = comment.map_err(|failure| self.not_made(failure))?;
        let Some(row) = comment.first() else { return Ok(false) };
        let comment: &str = column(row, 0).map_err(|error| self.not_made(error))?;
        schema::check(&self.table, comment).map(|()| true)
    }

    /// Older versions can lose acknowledged changes when one process resets the write-ahead log as another writes
    /// (<https://www.sqlite.org/wal.html>, "The WAL-reset bug"). An application that links SQLite otherwise than sqlx does by
    /// default may have one.
    async fn check_version(&self) -> Result<(), OpenError> {
        let rows = self.writer.look(|| query("SELECT sqlite_version()")).await;
        let rows = rows.map_err(|failure| self.not_made(failure))?;
        let version: &str = match rows.first().map(|row| column(row, 0)) {
            Some(version) => version.map_err(|error| self.not_made(error))?,
            None => "",
        };
        check_version(version)
    }

    fn not_made(&self, failure: impl std::error::Error + Send + Sync + 'static) -> OpenError {
        OpenError::Migrate { table: self.table.to_string(), source: failure.into() }
    }

    /// A setting of the file; it stays. Changing it needs the file for a moment, for which SQLite does not wait by itself.
    async fn use_write_ahead_log(&self, patience: Duration) -> Result<(), String> {
        let set = while_busy(|| self.writer.look(|| query("PRAGMA journal_mode = WAL")));
        let rows = timeout(patience, set).await.map_err(|_| "the database is locked".to_owned())?;
        let rows = rows.map_err(|failure| failure.to_string())?;
        match rows.first().map(|row| column(row, 0)) {
            Some(Ok("wal")) => Ok(()),
            _ => Err("there is no write-ahead log on this file system".to_owned()),
        }
    }
}

impl Builder<SqliteStore> {
    /// How many connections may read at once, beside the one that writes. Each has a thread. Has no meaning for a pool of
    /// the application. Defaults to 4.
    #[must_use]
    pub fn max_readers(mut self, max: u32) -> Self {
        self.max_connections = max;
        self
    }

    /// Does not wait until a change is on the disk. When the machine loses power, the changes of the last moments are lost,
    /// though acknowledged; the file stays sound. When only the process ends, nothing is lost.
    ///
    /// That is SQLite's `synchronous = NORMAL`. Has no meaning for a pool of the application. Defaults to waiting (`FULL`).
    #[must_use]
    pub fn danger_relaxed_durability(mut self) -> Self {
        self.relaxed = true;
        self
    }

    /// Opens the file at `path`, or makes it if there is none, readable for its owner only (on Unix); its folder must
    /// exist. Does not look for the table: call [`SqliteStore::migrate`] before serving.
    ///
    /// # Errors
    /// [`OpenError`] if the table's name or the path cannot be used, the file is none of SQLite's, or this SQLite is one that
    /// may lose data.
    pub async fn open(&self, path: impl AsRef<Path>) -> Result<SqliteStore, OpenError> {
        let path = path.as_ref();
        let not_opened = |reason: String| OpenError::Open { path: path.to_owned(), source: reason.into() };
        if path.as_os_str().is_empty() || path == ":memory:" {
            return Err(OpenError::InvalidUrl {
                reason: "sessions in SQLite need a file; to keep them in memory use MemoryStore".to_owned(),
            });
        }
        if path.as_os_str().as_encoded_bytes().starts_with(b"file:") {
            return Err(OpenError::InvalidUrl {
                reason: "SQLite would read a path that begins with `file:` as a URI: name the path alone (`./file:…` if \
                         that is what the file is called)"
                    .to_owned(),
            });
        }
        let table = self.file_table()?;
        make_private(path).map_err(|error| not_opened(error.to_string()))?;
        let synchronous = if self.relaxed { SqliteSynchronous::Normal } else { SqliteSynchronous::Full };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(lock_patience(self.deadline))
            .synchronous(synchronous)
            .disable_statement_logging();
        let writer = Connections::kept(options.clone(), 1, self.deadline);
        let readers = Connections::kept(options, self.max_connections, self.deadline);
        let store = SqliteStore { statements: Statements::new(&table), table, writer, readers };
        store.writer.check().await.map_err(|failure: Failure| not_opened(failure.to_string()))?;
        store.check_version().await?;
        store.use_write_ahead_log(self.deadline).await.map_err(not_opened)?;
        Ok(store)
    }

    /// Uses a pool that the application has. Let it use a write-ahead log (`journal_mode`), and let its `busy_timeout` and
    /// `acquire_timeout` be shorter than the [`deadline`](Builder::deadline).
    ///
    /// # Errors
    /// [`OpenError::InvalidTable`].
    pub fn pool(&self, pool: SqlitePool) -> Result<SqliteStore, OpenError> {
        let table = self.file_table()?;
        let writer = Connections::theirs(pool.clone(), self.deadline);
        let readers = Connections::theirs(pool, self.deadline);
        Ok(SqliteStore { statements: Statements::new(&table), table, writer, readers })
    }

    /// The table, which in a file has no schema.
    fn file_table(&self) -> Result<TableName, OpenError> {
        let table = self.checked_table()?;
        if table.schema().is_some() {
            return Err(OpenError::InvalidTable { table: table.to_string() });
        }
        Ok(table)
    }
}

/// Makes an empty file, which is an empty database. SQLite gives the files beside it the same mode.
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

/// Tries again for as long as somebody else has the file.
async fn while_busy<T, F>(attempt: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    loop {
        match attempt().await {
            Err(failure) if failure.may_pass() => sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

pub(super) fn check_version(version: &str) -> Result<(), OpenError> {
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    if numbers < vec![3, 51, 3] {
        return Err(OpenError::Unsafe {
            reason: format!(
                "SQLite {version} can lose data in its write-ahead log: use 3.51.3 or later (sqlx's feature \
                 `sqlite`, with libsqlite3-sys 0.37 or later)"
            ),
        });
    }
    Ok(())
}

const PAUSE: Duration = Duration::from_millis(10);
/// How long a program that starts waits for others that make the same table.
const PATIENCE: Duration = Duration::from_secs(10);
