//! The tables in the file, and how they are read.
//!
//! A record is stored as [`cloakroom_store::encode`] writes it, key and checksum inside. The two indexes hold no
//! values; they change in the same transaction as the record they follow from.

use std::ops::Bound;
use std::result;

use cloakroom_store::{
    Cursor, Error, ErrorKind, Key, Page, Record, Result, Subject, SubjectEntry, Timestamp, decode,
};
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition};

/// What the file is: one row, [`VERSION_ROW`] to [`VERSION`].
pub(crate) const FORMAT: TableDefinition<'_, &str, u64> = TableDefinition::new("cloakroom.format");
pub(crate) const VERSION_ROW: &str = "version";
pub(crate) const VERSION: u64 = 1;

pub(crate) type KeyBytes = &'static [u8; Key::LEN];

/// Key to encoded record.
pub(crate) const RECORDS: TableDefinition<'_, KeyBytes, &[u8]> = TableDefinition::new("cloakroom.records");
/// Expiry in milliseconds and key, soonest first: what `purge` walks.
pub(crate) const EXPIRY: TableDefinition<'_, (u64, KeyBytes), ()> = TableDefinition::new("cloakroom.expiry");
/// Subject and key: a user's sessions side by side.
pub(crate) const SUBJECTS: TableDefinition<'_, (&str, KeyBytes), ()> =
    TableDefinition::new("cloakroom.subjects");

/// Outside, whether the file could be read or written at all; inside, the result of the call.
pub(crate) type Attempt<T> = result::Result<Result<T>, redb::Error>;

pub(crate) fn load(file: &ReadTransaction, key: &Key) -> Attempt<Option<Record>> {
    let records = file.open_table(RECORDS)?;
    let Some(row) = records.get_owned(key.as_bytes())? else { return Ok(Ok(None)) };
    Ok(decode(key, row.value()).map(Some))
}

/// The cursors of `list` and `page` are the last key that was looked at.
pub(crate) fn list(
    file: &ReadTransaction,
    subject: &Subject,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Attempt<Page<SubjectEntry>> {
    let after = match last_key(cursor) {
        Ok(after) => after,
        Err(foreign) => return Ok(Err(foreign)),
    };
    let records = file.open_table(RECORDS)?;
    let limit = limit.max(1);
    let keys = keys_of(&file.open_table(SUBJECTS)?, subject, after.as_ref(), limit)?;
    let next = if keys.len() == limit { keys.last().map(cursor_at) } else { None };
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys {
        // A record that cannot be decoded names no subject.
        if let Some(row) = records.get(key.as_bytes())?
            && let Ok(record) = decode(&key, row.value())
            && record.subject.as_ref() == Some(subject)
        {
            entries.push(SubjectEntry::new(key, record.expires_at));
        }
    }
    Ok(Ok(Page::new(entries, next)))
}

/// How many keys the index knows of this subject, with `key`, whether it is there yet or not.
pub(crate) fn count_of(file: &ReadTransaction, subject: &Subject, key: &Key) -> Attempt<usize> {
    let subjects = file.open_table(SUBJECTS)?;
    let subject = subject.as_str();
    let mut count = 1;
    let rows = subjects.range((subject, &[0; Key::LEN])..=(subject, &[u8::MAX; Key::LEN]))?;
    for row in rows.take(MOST_COUNTED) {
        count += usize::from(row?.0.value().1 != key.as_bytes());
    }
    Ok(Ok(count))
}

/// The first `limit` keys after `after` that the index knows of this subject.
pub(crate) fn keys_of(
    subjects: &impl ReadableTable<(&'static str, KeyBytes), ()>,
    subject: &Subject,
    after: Option<&Key>,
    limit: usize,
) -> result::Result<Vec<Key>, redb::Error> {
    let subject = subject.as_str();
    let start = match after {
        None => Bound::Included((subject, &[0; Key::LEN])),
        Some(key) => Bound::Excluded((subject, key.as_bytes())),
    };
    let rows = subjects.range((start, Bound::Included((subject, &[u8::MAX; Key::LEN]))))?;
    rows.take(limit).map(|row| Ok(Key::new(*row?.0.value().1))).collect()
}

pub(crate) fn page(
    file: &ReadTransaction,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Attempt<Page<(Key, Record)>> {
    let after = match last_key(cursor) {
        Ok(after) => after,
        Err(foreign) => return Ok(Err(foreign)),
    };
    let records = file.open_table(RECORDS)?;
    let start = after.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_bytes()));
    let rows = records.range::<&[u8; Key::LEN]>((start, Bound::Unbounded))?;
    let mut page = Page::default();
    let limit = limit.max(1);
    for (seen, row) in rows.take(limit).enumerate() {
        let (key, value) = row?;
        let key = Key::new(*key.value());
        if let Ok(record) = decode(&key, value.value()) {
            page.items.push((key, record));
        }
        if seen + 1 == limit {
            page.next = Some(cursor_at(&key));
        }
    }
    Ok(Ok(page))
}

fn last_key(cursor: Option<&Cursor>) -> Result<Option<Key>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let bytes = cursor.as_bytes().try_into();
    let bytes =
        bytes.map_err(|_| Error::new(ErrorKind::Other).because("the cursor is not one of this store's"))?;
    Ok(Some(Key::new(bytes)))
}

fn cursor_at(key: &Key) -> Cursor {
    Cursor::new(*key.as_bytes())
}

/// The rows of all records, less those that have expired: the former number is kept, the latter rows are few.
pub(crate) fn count(file: &ReadTransaction, now: Timestamp) -> Attempt<u64> {
    let rows = file.open_table(EXPIRY)?;
    let mut live = rows.len()?;
    for expired in rows.range(..=(now.as_millis(), &[u8::MAX; Key::LEN]))? {
        expired?;
        live -= 1;
    }
    Ok(Ok(live))
}

/// A user who has more sessions has them counted up to this number.
const MOST_COUNTED: usize = 10_000;
