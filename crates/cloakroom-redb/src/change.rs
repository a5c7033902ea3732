//! The changes that the writer thread makes, and what each does inside a write transaction.

use std::result;

use cloakroom_store::{Error, ErrorKind, Key, Record, Result, Revision, Subject, Timestamp, decode, encode};
use redb::{ReadableTable, Table, WriteTransaction};

use crate::tables::{Attempt, EXPIRY, KeyBytes, RECORDS, SUBJECTS, keys_of};

/// One conditional change. It owns what it needs, because it can outlive its caller.
#[derive(Debug)]
pub(crate) enum Change {
    Create {
        key: Key,
        record: Record,
    },
    Replace {
        key: Key,
        record: Record,
        expected: Revision,
    },
    Touch {
        key: Key,
        now: Timestamp,
        expires_at: Timestamp,
    },
    Delete {
        key: Key,
    },
    Purge {
        cutoff: Timestamp,
        limit: usize,
    },
    EndAll {
        subject: Subject,
        except: Option<Key>,
    },
    /// Changes nothing; fails if the file cannot be written, which makes the writer reopen it.
    Probe,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// How many records it found to change, or to leave as they are.
    pub(crate) records: usize,
    pub(crate) effect: Effect,
}

/// How much of it has to survive a crash; in ascending order, so that a batch has the effect of its greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Nothing,
    /// Lives were lengthened, at this time on the caller's clock: may be lost.
    Touched(Timestamp),
    Changed,
}

/// The tables, open for writing.
pub(crate) struct Tables<'file> {
    records: Table<'file, KeyBytes, &'static [u8]>,
    expiry: Table<'file, (u64, KeyBytes), ()>,
    subjects: Table<'file, (&'static str, KeyBytes), ()>,
}

type Storage<T = ()> = result::Result<T, redb::Error>;

impl<'file> Tables<'file> {
    pub(crate) fn open(file: &'file WriteTransaction) -> Storage<Self> {
        Ok(Self {
            records: file.open_table(RECORDS)?,
            expiry: file.open_table(EXPIRY)?,
            subjects: file.open_table(SUBJECTS)?,
        })
    }

    /// Makes one change. An `Err` inside has changed nothing; after an `Err` outside the transaction can only be aborted.
    pub(crate) fn apply(&mut self, change: &Change) -> Attempt<Done> {
        match change {
            Change::Create { key, record } => self.create(key, record),
            Change::Replace { key, record, expected } => self.replace(key, record, *expected),
            Change::Touch { key, now, expires_at } => self.touch(key, *now, *expires_at),
            Change::Delete { key } => self.delete(key),
            Change::Purge { cutoff, limit } => self.purge(*cutoff, *limit),
            Change::EndAll { subject, except } => self.end_all(subject, except.as_ref()),
            Change::Probe => Ok(Ok(Done { records: 0, effect: Effect::Nothing })),
        }
    }

    fn create(&mut self, key: &Key, record: &Record) -> Attempt<Done> {
        // A damaged record still occupies its key.
        if self.get(key)?.is_some() {
            return Ok(Err(Error::exists()));
        }
        self.put(key, record)?;
        changed(1)
    }

    fn replace(&mut self, key: &Key, record: &Record, expected: Revision) -> Attempt<Done> {
        let stored = match self.get(key)? {
            None => return Ok(Err(Error::missing())),
            Some(Err(corrupt)) => return Ok(Err(corrupt)),
            Some(Ok(stored)) => stored,
        };
        if stored.revision != expected {
            return Ok(Err(Error::conflict()));
        }
        self.unindex(key, &stored)?;
        self.put(key, record)?;
        changed(1)
    }

    fn touch(&mut self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Attempt<Done> {
        let mut stored = match self.get(key)? {
            None => return unchanged(0),
            Some(Err(corrupt)) => return Ok(Err(corrupt)),
            Some(Ok(stored)) => stored,
        };
        if stored.expires_at <= now {
            return unchanged(0);
        }
        if expires_at <= stored.expires_at {
            return unchanged(1);
        }
        self.unindex(key, &stored)?;
        stored.expires_at = expires_at;
        self.put(key, &stored)?;
        Ok(Ok(Done { records: 1, effect: Effect::Touched(now) }))
    }

    fn delete(&mut self, key: &Key) -> Attempt<Done> {
        match self.get(key)? {
            None => return unchanged(0),
            Some(Ok(stored)) => self.unindex(key, &stored)?,
            // Its index rows are not known; readers of the indexes expect rows without a record.
            Some(Err(_)) => {}
        }
        self.records.remove(key.as_bytes())?;
        changed(1)
    }

    fn purge(&mut self, cutoff: Timestamp, limit: usize) -> Attempt<Done> {
        let (mut removed, mut effect) = (0, Effect::Nothing);
        while removed < limit {
            let Some((expires_at, key)) = self.soonest()?.filter(|(at, _)| *at < cutoff) else { break };
            self.expiry.remove((expires_at.as_millis(), key.as_bytes()))?;
            effect = Effect::Changed;
            match self.get(&key)? {
                // A row that outlived a damaged record, or one that its record does not have any more.
                None => continue,
                Some(Ok(stored)) if stored.expires_at != expires_at => continue,
                Some(Ok(stored)) => self.unindex(&key, &stored)?,
                Some(Err(_)) => {}
            }
            self.records.remove(key.as_bytes())?;
            removed += 1;
        }
        Ok(Ok(Done { records: removed, effect }))
    }

    /// Takes the keys from the index a few at a time, so that a user with many records needs no memory for all of them.
    fn end_all(&mut self, subject: &Subject, except: Option<&Key>) -> Attempt<Done> {
        let (mut ended, mut last) = (0, None);
        loop {
            let keys = keys_of(&self.subjects, subject, last.as_ref(), KEYS_AT_ONCE)?;
            let Some(key) = keys.last() else { return changed(ended) };
            last = Some(*key);
            for key in keys.iter().filter(|key| Some(*key) != except) {
                ended += usize::from(self.end(key, subject)?);
            }
        }
    }

    /// Removes the record if it is the subject's.
    fn end(&mut self, key: &Key, subject: &Subject) -> Storage<bool> {
        match self.get(key)? {
            Some(Ok(stored)) if stored.subject.as_ref() == Some(subject) => self.unindex(key, &stored)?,
            // The index says whose it is. Its expiry is not known: a purge removes that row.
            Some(Err(error)) if error.kind() == ErrorKind::UnknownVersion => {
                self.subjects.remove((subject.as_str(), key.as_bytes()))?;
            }
            _ => return Ok(false),
        }
        self.records.remove(key.as_bytes())?;
        Ok(true)
    }

    fn get(&self, key: &Key) -> Storage<Option<Result<Record>>> {
        Ok(self.records.get(key.as_bytes())?.map(|row| decode(key, row.value())))
    }

    fn soonest(&self) -> Storage<Option<(Timestamp, Key)>> {
        Ok(self.expiry.first()?.map(|(row, _)| {
            let (millis, key) = row.value();
            (Timestamp::from_millis(millis), Key::new(*key))
        }))
    }

    fn put(&mut self, key: &Key, record: &Record) -> Storage {
        self.records.insert(key.as_bytes(), encode(key, record).as_slice())?;
        self.expiry.insert((record.expires_at.as_millis(), key.as_bytes()), ())?;
        if let Some(subject) = &record.subject {
            self.subjects.insert((subject.as_str(), key.as_bytes()), ())?;
        }
        Ok(())
    }

    fn unindex(&mut self, key: &Key, stored: &Record) -> Storage {
        self.expiry.remove((stored.expires_at.as_millis(), key.as_bytes()))?;
        if let Some(subject) = &stored.subject {
            self.subjects.remove((subject.as_str(), key.as_bytes()))?;
        }
        Ok(())
    }
}

const KEYS_AT_ONCE: usize = 256;

fn unchanged(records: usize) -> Attempt<Done> {
    Ok(Ok(Done { records, effect: Effect::Nothing }))
}

fn changed(records: usize) -> Attempt<Done> {
    let effect = if records == 0 { Effect::Nothing } else { Effect::Changed };
    Ok(Ok(Done { records, effect }))
}
