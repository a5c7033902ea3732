//! Sessions in SQLite.

use std::fmt;
use std::time::Duration;

use cloakroom_store::{
    Cursor, DynLeases, DynScan, DynSubjects, Error, Key, Page, Record, Result, Revision, Scan, Store,
    Subject, Subjects, Timestamp,
};
use sqlx::error::DatabaseError;
use sqlx::{SqlStr, Sqlite, query};

use crate::connections::{Connections, Statement};
use crate::error::{Dialect, Refusal};
use crate::record::{self, Columns, beginning, bits, bytes, column, millis, page_len, record, records};
use crate::table::TableName;
use crate::{Builder, purge};

mod leases;
mod open;
mod statements;
#[cfg(test)]
mod tests;

use statements::Statements;

/// Sessions in a table of an SQLite file. See the [crate] for what it promises.
pub struct SqliteStore {
    table: TableName,
    statements: Statements,
    /// SQLite lets one write at a time: whoever waits for this one connection waits in turn, and not for a lock.
    writer: Connections<Sqlite>,
    readers: Connections<Sqlite>,
}

impl SqliteStore {
    /// The largest [`data`](Record::data) a record may have, in bytes: 16 MiB.
    pub const MAX_DATA_LEN: usize = crate::record::MAX_DATA_LEN;

    /// Settings to make a store with.
    pub fn builder() -> Builder<Self> {
        Builder::new(4)
    }

    /// Runs a statement that changes rows; answers how many.
    async fn change(&self, statement: Statement<Sqlite>) -> Result<usize> {
        Ok(self.writer.execute(statement).await?.rows_affected() as usize)
    }

    /// Why a replace changed nothing: somebody else was there before, or there is nothing to replace.
    async fn refuse(&self, key: &Key) -> Result<()> {
        let found =
            self.readers.read(|| with_key(&self.statements.is_record, key).bind(beginning(key))).await?;
        Err(if found.is_empty() { Error::missing() } else { Error::conflict() })
    }
}

impl Store for SqliteStore {
    async fn create(&self, key: &Key, record: &Record) -> Result<()> {
        let create = with_columns(&self.statements.create, Columns::of(key, record)?);
        if self.change(create).await? == 0 { Err(Error::exists()) } else { Ok(()) }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        let rows = self.readers.read(|| with_key(&self.statements.load, key)).await?;
        rows.first().map(|row| record(key, row)).transpose()
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        let replace = with_columns(&self.statements.replace, Columns::of(key, record)?)
            .bind(beginning(key))
            .bind(bits(expected.get()));
        if self.change(replace).await? == 0 { self.refuse(key).await } else { Ok(()) }
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let touch = with_key(&self.statements.touch, key)
            .bind(millis(now))
            .bind(millis(expires_at))
            .bind(beginning(key));
        Ok(self.change(touch).await? != 0)
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        Ok(self.change(with_key(&self.statements.delete, key)).await? != 0)
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let step = |most| self.change(query(self.statements.purge.clone()).bind(millis(cutoff)).bind(most));
        purge::in_steps(limit, |most| Box::pin(step(most))).await
    }

    fn leases(&self) -> Option<&dyn DynLeases> {
        Some(self)
    }

    fn subjects(&self) -> Option<&dyn DynSubjects> {
        Some(self)
    }

    fn scan(&self) -> Option<&dyn DynScan> {
        Some(self)
    }
}

impl Subjects for SqliteStore {
    /// Nothing to do: the subject is a column of the record's own row.
    async fn enroll(&self, _subject: &Subject, _key: &Key, _until: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<(Key, Record)>> {
        let list = || query(self.statements.list.clone()).bind(subject.as_str().as_bytes().to_vec());
        Ok(records(&self.readers.read(list).await?))
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let end_all = query(self.statements.end_all.clone())
            .bind(subject.as_str().as_bytes().to_vec())
            .bind(except.map(bytes));
        self.change(end_all).await
    }
}

impl Scan for SqliteStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let limit = page_len(limit);
        let after = cursor.map_or_else(Vec::new, |cursor| cursor.as_bytes().to_vec());
        let page = || query(self.statements.page.clone()).bind(after.clone()).bind(limit);
        record::page(&self.readers.read(page).await?, limit)
    }

    async fn count(&self) -> Result<u64> {
        let rows = self.readers.read(|| query(self.statements.count.clone())).await?;
        let row = rows.first().ok_or_else(|| Error::corrupt("the answer has no row"))?;
        Ok(column::<_, i64>(row, 0)? as u64)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("table", &self.table).finish_non_exhaustive()
    }
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
            // Read only, cannot be opened.
            (8 | 14, _) => Refusal::NotHere,
            (1, _) if error.message().starts_with("no such table") => Refusal::NoTable,
            // A failed read or write of the file: perhaps the sync that a commit waits for.
            (10, _) => Refusal::Lost,
            _ => Refusal::Other,
        }
    }

    /// `ROLLBACK` alone fails if there is no transaction. `BEGIN` fails if there is one; then the connection is closed, which
    /// ends it too. A dropped `begin()` leaves none: sqlx's thread rolls back by itself what nobody waits for any more.
    const END_TRANSACTION: &'static str = "BEGIN; ROLLBACK";

    /// `busy_timeout` is one of the options.
    fn limits(_deadline: Duration) -> Option<String> {
        None
    }
}

fn with_key(statement: &SqlStr, key: &Key) -> Statement<Sqlite> {
    query(statement.clone()).bind(bytes(key))
}

/// A statement whose first five parameters are the columns of a record.
fn with_columns(statement: &SqlStr, columns: Columns) -> Statement<Sqlite> {
    let Columns { key, revision, expires_at, subject, data } = columns;
    query(statement.clone()).bind(key).bind(revision).bind(expires_at).bind(subject).bind(data)
}
