//! Sessions in PostgreSQL.

use std::fmt;
use std::time::Duration;

use cloakroom_store::{
    Cursor, DynLeases, DynScan, DynSubjects, Error, Key, Page, Record, Result, Revision, Scan, Store,
    Subject, Subjects, Timestamp,
};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Postgres, SqlStr, query};

use crate::connections::{Connections, Statement, lock_patience};
use crate::error::{Dialect, Refusal};
use crate::record::{self, Columns, beginning, bits, bytes, column, millis, page_len, record, records};
use crate::table::TableName;
use crate::{Builder, purge};

mod leases;
mod listener;
mod open;
mod statements;
#[cfg(test)]
mod tests;
mod waiters;

use listener::Listener;
use statements::Statements;

/// Sessions in a table of a PostgreSQL database. See the [crate] for what it promises.
pub struct PostgresStore {
    table: TableName,
    statements: Statements,
    connections: Connections<Postgres>,
    listener: Listener,
}

impl PostgresStore {
    /// The largest [`data`](Record::data) a record may have, in bytes: 16 MiB.
    pub const MAX_DATA_LEN: usize = crate::record::MAX_DATA_LEN;

    /// Settings to make a store with.
    pub fn builder() -> Builder<Self> {
        Builder::new(10)
    }

    /// The first column of the only row of an answer: a number.
    async fn count(&self, statement: Statement<Postgres>) -> Result<usize> {
        counted(&self.connections.write(statement).await?)
    }

    /// Why a replace changed nothing: somebody else was there before, or there is nothing to replace.
    async fn refuse(&self, key: &Key) -> Result<()> {
        let found = self.connections.read(|| with_key(&self.statements.revision, key)).await?;
        Err(if found.is_empty() { Error::missing() } else { Error::conflict() })
    }
}

impl Store for PostgresStore {
    async fn create(&self, key: &Key, record: &Record) -> Result<()> {
        let create = with_columns(&self.statements.create, Columns::of(key, record)?);
        if self.connections.write(create).await?.is_empty() { Err(Error::exists()) } else { Ok(()) }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        let rows = self.connections.read(|| with_key(&self.statements.load, key)).await?;
        rows.first().map(|row| record(key, row)).transpose()
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        let replace = with_columns(&self.statements.replace, Columns::of(key, record)?)
            .bind(beginning(key))
            .bind(bits(expected.get()));
        if self.connections.write(replace).await?.is_empty() { self.refuse(key).await } else { Ok(()) }
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let touch = with_key(&self.statements.touch, key)
            .bind(millis(now))
            .bind(millis(expires_at))
            .bind(beginning(key));
        Ok(!self.connections.write(touch).await?.is_empty())
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        Ok(self.count(with_key(&self.statements.delete, key)).await? != 0)
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let step = |most| self.count(query(self.statements.purge.clone()).bind(millis(cutoff)).bind(most));
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

impl Subjects for PostgresStore {
    /// Nothing to do: the subject is a column of the record's own row.
    async fn enroll(&self, _subject: &Subject, _key: &Key, _until: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<(Key, Record)>> {
        let list = || query(self.statements.list.clone()).bind(subject.as_str().as_bytes().to_vec());
        Ok(records(&self.connections.read(list).await?))
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let end_all = query(self.statements.end_all.clone())
            .bind(subject.as_str().as_bytes().to_vec())
            .bind(except.map(bytes));
        self.count(end_all).await
    }
}

impl Scan for PostgresStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let limit = page_len(limit);
        let after = cursor.map_or_else(Vec::new, |cursor| cursor.as_bytes().to_vec());
        let page = || query(self.statements.page.clone()).bind(after.clone()).bind(limit);
        record::page(&self.connections.read(page).await?, limit)
    }

    /// In steps, for the deadline is for each of them: what comes and goes meanwhile may be counted or not.
    async fn count(&self) -> Result<u64> {
        let (mut count, mut after) = (0, Vec::new());
        loop {
            let step = || query(self.statements.count.clone()).bind(after.clone()).bind(COUNT_STEP);
            let rows = self.connections.read(step).await?;
            let Some(row) = rows.first() else { return Ok(count) };
            count += column::<_, i64>(row, 1)? as u64;
            after = column::<_, &[u8]>(row, 0)?.to_vec();
        }
    }
}

/// How many rows are counted at once.
const COUNT_STEP: i64 = 10_000;

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("table", &self.table).finish_non_exhaustive()
    }
}

impl Dialect for Postgres {
    /// Codes are those of PostgreSQL's documentation, appendix A.
    fn refusal(error: &dyn DatabaseError) -> Refusal {
        let code = error.code().unwrap_or_default();
        match &*code {
            "23505" => Refusal::Exists,
            // Disk full, out of memory; more than the program takes.
            "53100" | "53200" => Refusal::Full,
            "54000" => Refusal::TooLarge,
            "42P01" => Refusal::NoTable,
            // Whether it was committed is not known.
            "40003" => Refusal::Lost,
            // Cancelled, a lock not had in time.
            "57014" | "55P03" => Refusal::NotNow,
            // A prepared statement that is gone, or whose table was changed.
            "26000" | "0A000" => Refusal::NotHere,
            _ => match code.get(..2) {
                // Read only (a standby), or a transaction that is not ours.
                Some("25") => Refusal::NotHere,
                // Serialization failures and deadlocks; too many connections.
                Some("40" | "53") => Refusal::NotNow,
                // Connection exceptions; the server is told to stop, or starts.
                Some("08" | "57") => Refusal::Lost,
                _ => Refusal::Other,
            },
        }
    }

    /// `ROLLBACK` alone would be a warning in the server's log whenever there is no transaction. `BEGIN` is one if there is.
    const END_TRANSACTION: &'static str = "BEGIN; ROLLBACK";

    /// Where the server, the role or the URL has a limit that is as short, that one is kept.
    fn limits(deadline: Duration) -> Option<String> {
        let lock = lock_patience(deadline).as_millis();
        let statement = (deadline * 9 / 10).as_millis().max(1);
        Some(format!(
            "SELECT set_config(name, most::text, false) FROM pg_settings \
             JOIN (VALUES ('lock_timeout', {lock}), ('statement_timeout', {statement})) AS ours (name, most) USING (name) \
             WHERE setting::bigint NOT BETWEEN 1 AND most"
        ))
    }
}

fn with_key(statement: &SqlStr, key: &Key) -> sqlx::query::Query<'static, Postgres, PgArguments> {
    query(statement.clone()).bind(bytes(key))
}

/// A statement whose first five parameters are the columns of a record.
fn with_columns(statement: &SqlStr, columns: Columns) -> Statement<Postgres> {
    let Columns { key, revision, expires_at, subject, data } = columns;
    query(statement.clone()).bind(key).bind(revision).bind(expires_at).bind(subject).bind(data)
}

fn counted(rows: &[PgRow]) -> Result<usize> {
    let row = rows.first().ok_or_else(|| Error::corrupt("the answer has no row"))?;
    Ok(column::<_, i64>(row, 0)? as usize)
}
