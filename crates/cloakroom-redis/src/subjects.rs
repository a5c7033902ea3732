//! The index of a user's records: a sorted set of keys by when they end, in a slot of its own.

use std::sync::Arc;

use cloakroom_store::codec::prefix;
use cloakroom_store::{
    Cursor, Error, ErrorKind, Key, Page, Result, Subject, SubjectEntry, Subjects, Timestamp,
};

use crate::error::foreign_cursor;
use crate::keyspace::{self, Keyspace, for_each_key, read_each_key};
use crate::store::RedisStore;
use crate::{record_fields, reply, script};

impl Subjects for RedisStore {
    async fn enroll(&self, subject: &Subject, key: &Key, now: Timestamp, until: Timestamp) -> Result<usize> {
        let (member, kept) = (key.to_string(), record_fields::kept(until, now));
        let [until, now] = [until, now].map(|time| record_fields::millis(time.as_millis()));
        let args = [member.as_bytes(), until.as_bytes(), kept.as_bytes(), now.as_bytes()];
        let entries = self.keyspace.run(&script::ENROLL, &self.keyspace.index(subject), &args).await?;
        let entries = reply::number(&entries).and_then(|entries| usize::try_from(entries).ok());
        entries.ok_or_else(|| Error::maybe_applied("a reply that is no number"))
    }

    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        let from = cursor.map(|cursor| IndexPosition::read(cursor.as_bytes())).transpose()?;
        let (keys, next) = index_page(&self.keyspace, subject, from, limit).await?;
        let entry = |keyspace, key| entry(keyspace, key, subject.clone());
        let entries = read_each_key(&self.keyspace, keys, entry).await?;
        Ok(Page::new(entries, next.map(|next| Cursor::new(next.write()))))
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let (mut ended, mut failure, mut from) = (0, None, None);
        loop {
            let (mut keys, next) = match index_page(&self.keyspace, subject, from, MOST).await {
                Ok(page) => page,
                // Nothing was ended yet.
                Err(error) if ended == 0 && failure.is_none() => return Err(error),
                Err(error) => return Err(Error::maybe_applied(error)),
            };
            keys.retain(|key| Some(key) != except);
            let end = |keyspace, key| end(keyspace, key, subject.clone());
            // All that can be ended are, also when one fails.
            for result in for_each_key(&self.keyspace, keys, end).await {
                match result {
                    Ok(was_ended) => ended += usize::from(was_ended),
                    Err(error) => failure = Some(error),
                }
            }
            from = next;
            if from.is_none() {
                return failure.map_or(Ok(ended), |error| Err(Error::maybe_applied(error)));
            }
        }
    }
}

/// The entry of a record, if it names this subject.
async fn entry(keyspace: Arc<Keyspace>, key: Key, subject: Subject) -> Result<Option<SubjectEntry>> {
    let args: [&[u8]; 2] = [&prefix(&key), subject.as_str().as_bytes()];
    let expires_at = keyspace.read(&script::LIST_ENTRY, &keyspace.record(&key), &args).await?;
    let Some(expires_at) = reply::string(expires_at).flatten() else { return Ok(None) };
    Ok(Some(SubjectEntry::new(key, record_fields::expires_at(&expires_at)?)))
}

/// Removes a record if it names this subject.
async fn end(keyspace: Arc<Keyspace>, key: Key, subject: Subject) -> Result<bool> {
    let args = [subject.as_str().as_bytes(), keyspace.channels.as_bytes()];
    match keyspace.change(&script::DELETE_OF, &key, &args).await {
        // Something else is under that key, which is no session.
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(false),
        ended => Ok(ended? == 1),
    }
}

/// The last entry of a page of an index.
///
/// An entry that is in the index throughout a walk is seen: what is removed moves no other entry to before this position, and an entry
/// whose end becomes later moves on.
#[derive(Debug, PartialEq, Eq)]
struct IndexPosition {
    /// Its end, in milliseconds: the score, as Redis prints it.
    end: Vec<u8>,
    /// Its key.
    member: Vec<u8>,
}

impl IndexPosition {
    /// Both, with a colon between.
    fn write(&self) -> Vec<u8> {
        [&self.end[..], b":", &self.member].concat()
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let colon = bytes.iter().position(|byte| *byte == b':').ok_or_else(foreign_cursor)?;
        let (end, member) = (bytes[..colon].to_vec(), bytes[colon + 1..].to_vec());
        let is_number = std::str::from_utf8(&end).is_ok_and(|end| end.parse::<f64>().is_ok());
        if !is_number || member.is_empty() {
            return Err(foreign_cursor());
        }
        Ok(Self { end, member })
    }
}

/// Some keys in a user's index, and where to go on. Their records may be gone, or another's.
async fn index_page(
    keyspace: &Keyspace,
    subject: &Subject,
    from: Option<IndexPosition>,
    limit: usize,
) -> Result<(Vec<Key>, Option<IndexPosition>)> {
    let limit = limit.clamp(1, MOST);
    let count = limit.to_string();
    let mut args = vec![count.as_bytes()];
    if let Some(from) = &from {
        args.extend([&from.end[..], &from.member]);
    }
    let reply = keyspace.read(&script::LIST, &keyspace.index(subject), &args).await?;
    let mut entries = reply::strings(reply).ok_or_else(|| Error::corrupt("a reply that is no list"))?;
    let keys = entries.chunks_exact(2).filter_map(|entry| keyspace::key(&entry[0])).collect();
    let is_full = entries.len() == 2 * limit;
    let last = entries.pop().zip(entries.pop()).map(|(end, member)| IndexPosition { end, member });
    Ok((keys, last.filter(|_| is_full)))
}

/// The most entries of an index that are read at once.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests;
