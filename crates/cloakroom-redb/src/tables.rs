//! The tables in the file, and how they are read.
//!
//! A record is stored as [`cloakroom_store::encode`] writes it, key and checksum inside. The two indexes hold no
//! values; they change in the same transaction as the record they follow from.

use std::result;

use cloakroom_store::{Cursor, Error, Key, Page, Record, Result, Subject, decode};
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

/// Outside, whether the file could be read or written at all; inside, what the call answers.
pub(crate) type Attempt<T> = result::Result<Result<T>, redb::Error>;

pub(crate) fn load(file: &ReadTransaction, key: &Key) -> Attempt<Option<Record>> {
    let records = file.open_table(RECORDS)?;
    let Some(row) = records.get_owned(key.as_bytes())? else { return Ok(Ok(None)) };
    Ok(decode(key, row.value()).map(Some))
}

pub(crate) fn list(file: &ReadTransaction, subject: &Subject) -> Attempt<Vec<(Key, Record)>> {
    let records = file.open_table(RECORDS)?;
    let mut found = Vec::new();
    for key in keys_of(&file.open_table(SUBJECTS)?, subject)? {
        // A damaged record names nobody.
        if let Some(row) = records.get_owned(key.as_bytes())?
            && let Ok(record) = decode(&key, row.value())
            && record.subject.as_ref() == Some(subject)
        {
            found.push((key, record));
        }
    }
    Ok(Ok(found))
}

/// The keys that the index knows of this subject.
pub(crate) fn keys_of(
    subjects: &impl ReadableTable<(&'static str, KeyBytes), ()>,
    subject: &Subject,
) -> result::Result<Vec<Key>, redb::Error> {
    let rows =
        subjects.range((subject.as_str(), &[0; Key::LEN])..=(subject.as_str(), &[u8::MAX; Key::LEN]))?;
    rows.map(|row| Ok(Key::new(*row?.0.value().1))).collect()
}

/// A cursor is the last key of the page before.
pub(crate) fn page(file: &ReadTransaction, cursor: Option<&Cursor>, limit: usize) -> Attempt<Page> {
    let records = file.open_table(RECORDS)?;
    let rows = match cursor.map(|cursor| <&[u8; Key::LEN]>::try_from(cursor.as_bytes())) {
        None => records.range::<KeyBytes>(..)?,
        Some(Ok(last)) => {
            records.range::<&[u8; Key::LEN]>((std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded))?
        }
        Some(Err(_)) => {
            let foreign = "the cursor is not one of this store's";
            return Ok(Err(Error::new(cloakroom_store::ErrorKind::Other).because(foreign)));
        }
    };
    let mut page = Page::default();
    let limit = limit.max(1);
    for (seen, row) in rows.take(limit).enumerate() {
        let (key, value) = row?;
        let key = Key::new(*key.value());
        if let Ok(record) = decode(&key, value.value()) {
            page.records.push((key, record));
        }
        if seen + 1 == limit {
            page.next = Some(Cursor::new(*key.as_bytes()));
        }
    }
    Ok(Ok(page))
}

pub(crate) fn count(file: &ReadTransaction) -> Attempt<u64> {
    Ok(Ok(file.open_table(RECORDS)?.len()?))
}
