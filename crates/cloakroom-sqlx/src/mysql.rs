//! Sessions in MySQL and MariaDB.

use std::fmt;

use cloakroom_store::{
    Cursor, DynLeases, DynScan, DynSubjects, Error, ErrorKind, Key, Page, Record, Result, Revision, Scan,
    Store, Subject, Subjects, Timestamp,
};
use sqlx::mysql::MySqlRow;
use sqlx::{MySql, SqlStr, query};

use crate::Builder;
use crate::connections::{Connections, Statement};
use crate::record::{self, Columns, beginning, bits, bytes, column, key, millis, page_len, record, records};
use crate::table::TableName;

mod leases;
mod open;
mod purge;
mod refusal;
mod statements;
#[cfg(test)]
mod tests;

use statements::Statements;

/// Sessions in a table of a MySQL or MariaDB database. See the [crate] for what it promises.
pub struct MySqlStore {
    table: TableName,
    statements: Statements,
    connections: Connections<MySql>,
}

impl MySqlStore {
    /// The largest [`data`](Record::data) a record may have, in bytes: 16 MiB. The server may take less: its
    /// `max_allowed_packet` less a few hundred bytes.
    pub const MAX_DATA_LEN: usize = crate::record::MAX_DATA_LEN;

    /// Settings to make a store with.
    pub fn builder() -> Builder<Self> {
        Builder::new(10)
    }

    /// Sends a statement that changes something; answers how many rows it found.
    async fn change(&self, statement: Statement<MySql>) -> Result<u64> {
        Ok(self.connections.execute(statement).await?.rows_affected())
    }

    /// The record as columns, if the server takes so much: it would cut the connection, perhaps before it says why.
    async fn columns(&self, key: &Key, record: &Record) -> Result<Columns> {
        let columns = Columns::of(key, record)?;
        if columns.data.len() > SURELY_TAKEN {
            let rows = self.connections.read(|| query("SELECT CAST(@@max_allowed_packet AS SIGNED)")).await?;
            if columns.data.len() as u64 + BESIDE_THE_DATA > counted(&rows)? {
                return Err(
                    Error::new(ErrorKind::TooLarge).because("max_allowed_packet of the server is smaller")
                );
            }
        }
        Ok(columns)
    }

    /// Why a replace changed nothing: somebody else was there before, or there is nothing to replace.
    async fn refuse(&self, key: &Key) -> Result<()> {
        let found = self.connections.read(|| with_key(&self.statements.revision, key)).await?;
        Err(if found.is_empty() { Error::missing() } else { Error::conflict() })
    }
}

impl Store for MySqlStore {
    async fn create(&self, key: &Key, record: &Record) -> Result<()> {
        let columns = self.columns(key, record).await?;
        self.change(with_columns(query(self.statements.create.clone()), columns)).await.map(drop)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        let rows = self.connections.read(|| with_key(&self.statements.load, key)).await?;
        rows.first().map(|row| record(key, row)).transpose()
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        let columns = self.columns(key, record).await?;
        let replace = with_columns(query(self.statements.replace.clone()), columns)
            .bind(bits(expected.get()))
            .bind(beginning(key));
        if self.change(replace).await? == 0 { self.refuse(key).await } else { Ok(()) }
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let touch = query(self.statements.touch.clone())
            .bind(millis(expires_at))
            .bind(bytes(key))
            .bind(millis(now))
            .bind(beginning(key));
        Ok(self.change(touch).await? != 0)
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        Ok(self.change(with_key(&self.statements.delete, key)).await? != 0)
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.remove_expired(cutoff, limit).await
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

impl Subjects for MySqlStore {
    /// Nothing to do: the subject is a column of the record's own row.
    async fn enroll(&self, _subject: &Subject, _key: &Key, _until: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<(Key, Record)>> {
        Ok(records(&self.connections.read(|| with_subject(&self.statements.list, subject)).await?))
    }

    /// The keys first, then their rows by primary key: going by the index over the subject, a delete could lock rows in
    /// another order than a replace.
    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let rows = self.connections.read(|| with_subject(&self.statements.keys_of, subject)).await?;
        let keys = rows.iter().map(|row| column(row, 0).map(key)).collect::<Result<Vec<_>>>()?;
        let keys: Vec<_> = keys.into_iter().flatten().filter(|key| Some(key) != except).collect();
        self.remove(&keys, || with_subject(&self.statements.delete_of, subject)).await
    }
}

impl Scan for MySqlStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let limit = page_len(limit);
        let page = || match cursor {
            None => query(self.statements.first_page.clone()).bind(limit),
            Some(last) => query(self.statements.page.clone()).bind(last.as_bytes().to_vec()).bind(limit),
        };
        record::page(&self.connections.read(page).await?, limit)
    }

    async fn count(&self) -> Result<u64> {
        counted(&self.connections.read(|| query(self.statements.count.clone())).await?)
    }
}

impl fmt::Debug for MySqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStore").field("table", &self.table).finish_non_exhaustive()
    }
}

fn with_key(statement: &SqlStr, key: &Key) -> Statement<MySql> {
    query(statement.clone()).bind(bytes(key))
}

fn with_subject(statement: &SqlStr, subject: &Subject) -> Statement<MySql> {
    query(statement.clone()).bind(subject.as_str().as_bytes().to_vec())
}

/// A statement whose next five parameters are the columns of a record, its key at the end.
fn with_columns(statement: Statement<MySql>, columns: Columns) -> Statement<MySql> {
    let Columns { key, revision, expires_at, subject, data } = columns;
    statement.bind(revision).bind(expires_at).bind(subject).bind(data).bind(key)
}

fn counted(rows: &[MySqlRow]) -> Result<u64> {
    let row = rows.first().ok_or_else(|| Error::corrupt("the answer has no row"))?;
    u64::try_from(column::<_, i64>(row, 0)?).map_err(Error::corrupt)
}

/// Every server takes a packet of 1 MiB, unless told otherwise: MariaDB 16 MiB, MySQL 64 MiB, older ones 4 MiB or 1 MiB.
const SURELY_TAKEN: usize = 512 << 10;
/// More than a packet has beside the bytes of the record: key, subject, numbers, the statement's number.
const BESIDE_THE_DATA: u64 = 1 << 10;
