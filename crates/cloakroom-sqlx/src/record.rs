//! A record as a row: the bytes of `encode`, and beside them the columns that change without them.

use cloakroom_store::codec::{prefix, strip_prefix};
use cloakroom_store::{
    Claim, Cursor, Error, ErrorKind, Key, Page, Record, Result, Revision, Subject, SubjectEntry, Timestamp,
    decode, encode,
};
use sqlx::query::Query;
use sqlx::{ColumnIndex, Database, Decode, Encode, Row, SqlStr, Type, query};

/// The largest [`data`](Record::data) that a record may have, in bytes: 16 MiB.
pub(crate) const MAX_DATA_LEN: usize = 16 << 20;

/// A statement with its parameters.
pub(crate) type Statement<DB> = Query<'static, DB, <DB as Database>::Arguments>;

/// The columns that a record is written to.
pub(crate) struct Columns {
    revision: i64,
    expires_at: i64,
    subject: Option<Vec<u8>>,
    pub(crate) data: Vec<u8>,
    key: Vec<u8>,
}

impl Columns {
    /// # Errors
    /// [`TooLarge`](ErrorKind::TooLarge) if the record has more than [`MAX_DATA_LEN`] bytes of data.
    pub(crate) fn new(key: &Key, record: &Record) -> Result<Self> {
        if record.data.len() > MAX_DATA_LEN {
            return Err(Error::new(ErrorKind::TooLarge));
        }
        Ok(Self {
            revision: bits(record.revision.get()),
            expires_at: millis(record.expires_at),
            subject: record.subject.as_ref().map(subject_bytes),
            data: encode(key, record),
            key: bytes(key),
        })
    }

    /// Binds the next five parameters of a statement: revision, expiry, subject, data, key.
    pub(crate) fn bind_to<DB: Database>(self, statement: Statement<DB>) -> Statement<DB>
    where
        i64: Encode<'static, DB> + Type<DB>,
        Vec<u8>: Encode<'static, DB> + Type<DB>,
        Option<Vec<u8>>: Encode<'static, DB> + Type<DB>,
    {
        let Self { revision, expires_at, subject, data, key } = self;
        statement.bind(revision).bind(expires_at).bind(subject).bind(data).bind(key)
    }
}

/// A statement whose first parameter is a key.
pub(crate) fn with_key<DB: Database>(statement: &SqlStr, key: &Key) -> Statement<DB>
where
    Vec<u8>: Encode<'static, DB> + Type<DB>,
{
    query(statement.clone()).bind(bytes(key))
}

/// A statement whose first parameter is a subject.
pub(crate) fn with_subject<DB: Database>(statement: &SqlStr, subject: &Subject) -> Statement<DB>
where
    Vec<u8>: Encode<'static, DB> + Type<DB>,
{
    query(statement.clone()).bind(subject_bytes(subject))
}

/// Decodes a row that begins with `revision, expires_at, subject, data`.
///
/// Revision and expiry come from the columns, because a takeover and a touch change only those. The subject is in both
/// places, and must be the same.
pub(crate) fn record<'r, R: Row>(key: &Key, row: &'r R) -> Result<Record>
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let (revision, expires_at): (i64, i64) = (column(row, 0)?, column(row, 1)?);
    let subject: Option<&[u8]> = column(row, 2)?;
    let mut record = decode(key, column(row, 3)?)?;
    if record.subject.as_ref().map(|subject| subject.as_str().as_bytes()) != subject {
        return Err(Error::corrupt("the row and the record in it name different subjects"));
    }
    record.revision = Revision::new(revision.cast_unsigned());
    record.expires_at = timestamp(expires_at)?;
    Ok(record)
}

/// Why a statement that expects the key's record changed nothing, from the prefix of the data that the row has now,
/// if there is one: `Ok` if that is a record of this key.
pub(crate) fn check_prefix<'r, R: Row>(key: &Key, rows: &'r [R]) -> Result<()>
where
    usize: ColumnIndex<R>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let row = rows.first().ok_or_else(Error::missing)?;
    strip_prefix(key, column(row, 0)?).map(drop)
}

/// A column, by its position.
pub(crate) fn column<'r, R: Row, T>(row: &'r R, at: usize) -> Result<T>
where
    usize: ColumnIndex<R>,
    T: Decode<'r, R::Database> + Type<R::Database>,
{
    row.try_get(at).map_err(|_| Error::corrupt(format!("column {at} of the reply has another type")))
}

/// The number in the first column of the only row.
pub(crate) fn number<'r, R: Row>(rows: &'r [R]) -> Result<u64>
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let row = rows.first().ok_or_else(|| Error::corrupt("the reply has no row"))?;
    column::<_, i64>(row, 0)?.try_into().map_err(Error::corrupt)
}

/// The part of a walk that one statement reads: rows whose key is at least [`from`](Walk::from), in the order of their keys.
pub(crate) struct Walk {
    from: Vec<u8>,
    limit: i64,
}

impl Walk {
    pub(crate) fn new(cursor: Option<&Cursor>, limit: usize) -> Self {
        // Not the empty string, which MySQL pads to a key of zeros.
        let from = cursor.map_or_else(|| vec![0; Key::LEN], |cursor| cursor.as_bytes().to_vec());
        Self { from, limit: i64::try_from(limit.max(1)).unwrap_or(i64::MAX) }
    }

    /// Binds the next two parameters of a statement: the first key, the number of rows.
    pub(crate) fn bind_to<DB: Database>(&self, statement: Statement<DB>) -> Statement<DB>
    where
        i64: Encode<'static, DB> + Type<DB>,
        Vec<u8>: Encode<'static, DB> + Type<DB>,
    {
        statement.bind(self.from.clone()).bind(self.limit)
    }

    /// The page of these rows. `item` decodes a row; a row that it cannot decode is left out. Column `key_at` is the key.
    pub(crate) fn page<'r, R: Row, T>(
        &self,
        rows: &'r [R],
        key_at: usize,
        item: impl Fn(Key, &'r R) -> Result<T>,
    ) -> Result<Page<T>>
    where
        usize: ColumnIndex<R>,
        &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    {
        let items = rows.iter().filter_map(|row| item(key(column(row, key_at).ok()?)?, row).ok()).collect();
        let last = rows.last().filter(|_| rows.len() as i64 == self.limit);
        let last: Option<&[u8]> = last.map(|row| column(row, key_at)).transpose()?;
        Ok(Page::new(items, last.and_then(successor).map(Cursor::new)))
    }
}

/// A row of a user's walk: expiry, key, whether the data is a record of the key. Without one there is no entry.
pub(crate) fn entry<'r, R: Row>(key: Key, row: &'r R) -> Result<SubjectEntry>
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    if column::<_, i64>(row, 2)? == 0 {
        return Err(Error::corrupt("the record of another key"));
    }
    Ok(SubjectEntry::new(key, timestamp(column(row, 0)?)?))
}

/// The next key after this one.
fn successor(key: &[u8]) -> Option<Vec<u8>> {
    let last = key.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = key.to_vec();
    next[last] += 1;
    next[last + 1..].fill(0);
    Some(next)
}

/// How long a lease lasts, in milliseconds; at most so long that adding it to the time does not overflow.
pub(crate) fn length(claim: &Claim) -> i64 {
    const MOST: i64 = i64::MAX / 2;
    i64::try_from(claim.ttl.as_millis()).unwrap_or(MOST).min(MOST)
}

/// The guard of a claim as a parameter.
pub(crate) fn guard(claim: &Claim) -> Option<Vec<u8>> {
    claim.guard.map(|guard| guard.to_vec())
}

/// The key of these bytes, if they have the length of one.
pub(crate) fn key(bytes: &[u8]) -> Option<Key> {
    bytes.try_into().ok().map(Key::new)
}

/// A key as a parameter.
pub(crate) fn bytes(key: &Key) -> Vec<u8> {
    key.as_bytes().to_vec()
}

/// The prefix of the data of the key's record as a parameter: a statement that changes a row compares it, so that it changes
/// no row that holds another key's record, or none.
pub(crate) fn prefix_bytes(key: &Key) -> Vec<u8> {
    prefix(key).to_vec()
}

/// All 64 bits of a number, in a column that has a sign.
pub(crate) fn bits(number: u64) -> i64 {
    number.cast_signed()
}

/// A time as a column keeps it; there is none above `i64::MAX`.
pub(crate) fn millis(time: Timestamp) -> i64 {
    bits(time.as_millis())
}

/// The time that a column keeps.
pub(crate) fn timestamp(millis: i64) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(millis.try_into().map_err(Error::corrupt)?))
}

fn subject_bytes(subject: &Subject) -> Vec<u8> {
    subject.as_str().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_key_counts_up_and_ends_after_the_last() {
        assert_eq!(successor(&[0, 7]), Some(vec![0, 8]));
        assert_eq!(successor(&[7, 255, 255]), Some(vec![8, 0, 0]));
        assert_eq!(successor(&[255, 255]), None);
        assert_eq!(successor(&[]), None);
    }
}
