//! A record as a row: the bytes of `encode`, and beside them what moves without them.

use cloakroom_store::{
    Claim, Cursor, Error, ErrorKind, Key, Page, Record, Result, Revision, Timestamp, decode, encode,
};
use sqlx::{ColumnIndex, Decode, Row, Type};

/// The largest [`data`](Record::data) a record may have, in bytes: 16 MiB.
pub(crate) const MAX_DATA_LEN: usize = 16 << 20;

/// The columns that a record is written to.
pub(crate) struct Columns {
    pub(crate) key: Vec<u8>,
    pub(crate) revision: i64,
    pub(crate) expires_at: i64,
    pub(crate) subject: Option<Vec<u8>>,
    pub(crate) data: Vec<u8>,
}

impl Columns {
    /// # Errors
    /// [`TooLarge`](ErrorKind::TooLarge) if the record has more than [`MAX_DATA_LEN`] bytes of data.
    pub(crate) fn of(key: &Key, record: &Record) -> Result<Self> {
        if record.data.len() > MAX_DATA_LEN {
            return Err(Error::new(ErrorKind::TooLarge));
        }
        Ok(Self {
            key: bytes(key),
            revision: bits(record.revision.get()),
            expires_at: millis(record.expires_at),
            subject: record.subject.as_ref().map(|subject| subject.as_str().into()),
            data: encode(key, record),
        })
    }
}

/// The record of a row that begins with `revision, expires_at, subject, data`.
///
/// The columns tell the revision and the expiry, since a takeover and a touch change them alone. The subject is in both
/// places, and must be the same.
pub(crate) fn record<'r, R: Row>(key: &Key, row: &'r R) -> Result<Record>
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let revision: i64 = column(row, 0)?;
    let expires_at: i64 = column(row, 1)?;
    let subject: Option<&[u8]> = column(row, 2)?;
    let record = decode(key, column(row, 3)?)?;
    if record.subject.as_ref().map(|subject| subject.as_str().as_bytes()) != subject {
        return Err(Error::corrupt("the row and the record in it name different subjects"));
    }
    Ok(Record {
        revision: Revision::new(revision.cast_unsigned()),
        expires_at: Timestamp::from_millis(expires_at.try_into().map_err(Error::corrupt)?),
        ..record
    })
}

/// A column, by its place.
pub(crate) fn column<'r, R: Row, T>(row: &'r R, at: usize) -> Result<T>
where
    usize: ColumnIndex<R>,
    T: Decode<'r, R::Database> + Type<R::Database>,
{
    row.try_get(at).map_err(|_| Error::corrupt(format!("column {at} of the answer has another type")))
}

/// The keys and records of rows whose fifth column is the key. Damaged ones are passed over.
pub(crate) fn records<'r, R: Row>(rows: &'r [R]) -> Vec<(Key, Record)>
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let found = rows.iter().filter_map(|row| {
        let key = key(column(row, 4).ok()?)?;
        Some((key, record(&key, row).ok()?))
    });
    found.collect()
}

/// A page of a walk: rows as for [`records`], `limit` of them if there may be more.
pub(crate) fn page<'r, R: Row>(rows: &'r [R], limit: i64) -> Result<Page>
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let last = rows.last().filter(|_| rows.len() as i64 == limit);
    let next = last.map(|row| column::<_, &[u8]>(row, 4)).transpose()?.map(Cursor::new);
    Ok(Page { records: records(rows), next })
}

/// How many rows a page has, as a parameter.
pub(crate) fn page_len(limit: usize) -> i64 {
    i64::try_from(limit.max(1)).unwrap_or(i64::MAX)
}

/// How long a lease shall last, in milliseconds: so long at most that the end of it is a number.
pub(crate) fn length(claim: &Claim) -> i64 {
    const MOST: i64 = i64::MAX / 2;
    i64::try_from(claim.ttl.as_millis()).unwrap_or(MOST).min(MOST)
}

/// The key that these bytes are, if they are one.
pub(crate) fn key(bytes: &[u8]) -> Option<Key> {
    bytes.try_into().ok().map(Key::new)
}

/// A key as a parameter.
pub(crate) fn bytes(key: &Key) -> Vec<u8> {
    key.as_bytes().to_vec()
}

/// All 64 bits of a number, in a column that has a sign.
pub(crate) fn bits(number: u64) -> i64 {
    number.cast_signed()
}

/// A point in time as a column keeps it; there is none above `i64::MAX`.
pub(crate) fn millis(time: Timestamp) -> i64 {
    bits(time.as_millis())
}

/// What the bytes of a record of `key` begin with: a statement that changes a row compares it, so that it changes no row
/// that holds another key's record, or none.
pub(crate) fn beginning(key: &Key) -> Vec<u8> {
    [b"CR\x01", &key.as_bytes()[..]].concat()
}
