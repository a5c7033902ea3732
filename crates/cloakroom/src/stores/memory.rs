//! Sessions in this process's memory.
//!
//! Invariant: no call waits for a lock of the subject index while it holds one of the records. A call that needs
//! both takes the subject's first, and never two of a kind, so there is no circle to deadlock in.

mod bounds;
mod due;
mod records;
mod snapshot;
mod subject_index;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use cloakroom_store::{
    Cursor, Error, ErrorKind, Facets, Key, OpenError, Page, Record, Result, Revision, Scan, Store, Subject,
    SubjectEntry, Subjects, Timestamp,
};

use self::bounds::Bounds;
use self::due::Class;
use self::records::{Records, lock};
use self::subject_index::SubjectIndex;

/// Keeps sessions in memory: the fastest store, for one process, and gone with it.
///
/// | | |
/// | --- | --- |
/// | atomic | yes: every call is one step under one short lock, and is ready at its first poll |
/// | durable | no, but for an optional [snapshot](MemoryStoreBuilder::snapshot) between two runs |
/// | shared | within the process; put it into an [`Arc`](std::sync::Arc) to keep access to it |
/// | facets | subjects and scan; no leases, for the engine orders the requests of one process |
///
/// It is bounded in sessions and in bytes. Once full, it evicts sessions without a user, so that a flood of
/// visitors who never come back does not keep users out:
///
/// 1. those that have ended or expired,
/// 2. those whose cookie never came back: neither touched nor replaced since they were created, the oldest first,
/// 3. the others, the least recently used first.
///
/// It never evicts a session that names a subject. Where only such sessions are left, it refuses new ones, and replacements
/// that need more room, with [`Full`](cloakroom_store::ErrorKind::Full), until sessions end or expired ones are purged. A
/// request that saves to an evicted session finds it [`Missing`](cloakroom_store::ErrorKind::Missing).
///
/// A session of 100 bytes takes about 400 bytes in all.
pub struct MemoryStore {
    records: Records,
    subjects: SubjectIndex,
    /// Locked while a snapshot is written.
    snapshot: Option<Mutex<PathBuf>>,
}

/// The bounds of a [`MemoryStore`], and where it keeps its snapshot.
#[derive(Clone, Debug)]
#[must_use]
pub struct MemoryStoreBuilder {
    max_sessions: usize,
    max_bytes: usize,
    snapshot: Option<PathBuf>,
}

impl MemoryStore {
    /// An empty store with the default bounds and no snapshot.
    pub fn new() -> Self {
        Self::bounded(DEFAULT_MAX_SESSIONS, DEFAULT_MAX_BYTES)
    }

    /// A store with other bounds, or with a snapshot.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder {
            max_sessions: DEFAULT_MAX_SESSIONS,
            max_bytes: DEFAULT_MAX_BYTES,
            snapshot: None,
        }
    }

    /// Writes all sessions to the [snapshot](MemoryStoreBuilder::snapshot), for the next run to begin with.
    ///
    /// Call it once, after the last request has been answered: what changes afterwards is not in it, so a
    /// session that ends then would be back in the next run. The file is there whole or not at all, and
    /// only its owner may read it (mode 0600 on Unix). It blocks while it writes.
    ///
    /// # Errors
    /// What the file system said, naming the file, which then is as it was before;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the builder was told of no snapshot.
    pub fn save_snapshot(&self) -> io::Result<()> {
        let path = self.snapshot.as_ref().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "this memory store was opened without a snapshot")
        })?;
        snapshot::write(&lock(path), self.records.iter())
    }

    fn bounded(max_sessions: usize, max_bytes: usize) -> Self {
        Self {
            records: Records::new(Bounds::new(max_sessions, max_bytes)),
            subjects: SubjectIndex::new(),
            snapshot: None,
        }
    }

    /// Inserts a record as `insert` does, and its entry in the index.
    fn insert(&self, key: &Key, record: &Record, insert: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut index = record.subject.as_ref().map(|subject| self.subjects.lock(subject));
        insert()?;
        if let (Some(index), Some(subject)) = (&mut index, &record.subject) {
            index.insert((subject.clone(), *key));
        }
        Ok(())
    }

    /// Removes the entry of `key` from the index of `subject`, unless the record names the subject (again). A call that makes
    /// it so holds the same lock until the entry is there.
    fn unindex(&self, subject: &Subject, key: &Key) {
        let mut index = self.subjects.lock(subject);
        if self.records.subject(key).as_ref() != Some(subject) {
            index.remove(&(subject.clone(), *key));
        }
    }
}

impl MemoryStoreBuilder {
    /// How many sessions are kept at most, expired ones that are not purged yet included.
    ///
    /// Defaults to 1,000,000.
    pub fn max_sessions(mut self, max_sessions: usize) -> Self {
        self.max_sessions = max_sessions;
        self
    }

    /// How much memory the sessions take at most, in bytes.
    ///
    /// A session counts with its data, 350 bytes for what surrounds it, and if it has a subject, that and
    /// 100 bytes more; but never with less than 512 bytes, so that ending a session, which leaves a small
    /// tombstone for a while, needs no more room than it had.
    ///
    /// Defaults to 1 GiB.
    pub fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The file that carries the sessions from one run to the next: [`open`](Self::open) begins with those
    /// it finds there, [`MemoryStore::save_snapshot`] writes it.
    ///
    /// It holds what the store holds: the sessions' data as it is, and nothing that opens one.
    ///
    /// A snapshot is used once. Opening removes it, so that a run that ends without saving, by a crash, loses
    /// its sessions and never brings back one that has been signed out since.
    ///
    /// Defaults to none.
    pub fn snapshot(mut self, path: impl Into<PathBuf>) -> Self {
        self.snapshot = Some(path.into());
        self
    }

    /// Makes the store, with the sessions of the snapshot if there is one. It blocks while it reads.
    ///
    /// # Errors
    /// A bound is zero; or the snapshot cannot be read, is damaged in any place, was written by a later version, or has more
    /// sessions than the bounds allow. Then the file stays unchanged, and the message says what to do.
    pub fn open(self) -> Result<MemoryStore, OpenError> {
        for (name, value) in [("max_sessions", self.max_sessions), ("max_bytes", self.max_bytes)] {
            if value == 0 {
                return Err(OpenError::config(format!("{name} = 0: must be at least 1")));
            }
        }
        let mut store = MemoryStore::bounded(self.max_sessions, self.max_bytes);
        if let Some(path) = self.snapshot {
            // Who came back in the run before is not known any more.
            snapshot::restore(&path, |key, record| {
                store.insert(key, record, || store.records.insert(key, record, Class::Returned))
            })?;
            store.snapshot = Some(Mutex::new(path));
        }
        Ok(store)
    }
}

impl Store for MemoryStore {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.insert(key, record, || self.records.create(key, record, now))
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        Ok(self.records.load(key))
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        let mut index = record.subject.as_ref().map(|subject| self.subjects.lock(subject));
        let subject_before = self.records.replace(key, record, expected, now)?;
        if subject_before == record.subject {
            return Ok(());
        }
        if let (Some(index), Some(subject)) = (&mut index, &record.subject) {
            index.insert((subject.clone(), *key));
        }
        drop(index);
        if let Some(subject) = subject_before {
            self.unindex(&subject, key);
        }
        Ok(())
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        Ok(self.records.touch(key, now, expires_at))
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let Some(record) = self.records.remove_if(key, |_| true) else { return Ok(false) };
        if let Some(subject) = &record.subject {
            self.unindex(subject, key);
        }
        Ok(true)
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        Ok(self.records.purge(cutoff, limit, |key, record| {
            if let Some(subject) = &record.subject {
                self.unindex(subject, key);
            }
        }))
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none().subjects(self).scan(self)
    }
}

impl Subjects for MemoryStore {
    /// Only counts: the index follows from the records.
    async fn enroll(
        &self,
        subject: &Subject,
        key: &Key,
        _now: Timestamp,
        _until: Timestamp,
    ) -> Result<usize> {
        Ok(self.subjects.count_with(subject, key))
    }

    /// A cursor is the last key of the page before.
    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        let after = cursor.map(|cursor| cursor.as_bytes().try_into().map(Key::new)).transpose();
        let after = after.map_err(|_| foreign_cursor())?;
        let keys = self.subjects.keys(subject, after.as_ref(), limit.max(1));
        let next = keys.last().filter(|_| keys.len() == limit.max(1));
        let entries = keys.iter().filter_map(|key| {
            let record = self.records.load(key).filter(|record| record.subject.as_ref() == Some(subject))?;
            Some(SubjectEntry::new(*key, record.expires_at))
        });
        Ok(Page::new(entries.collect(), next.map(|key| Cursor::new(*key.as_bytes()))))
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let (mut ended, mut last) = (0, None);
        loop {
            let keys = self.subjects.keys(subject, last.as_ref(), KEYS_AT_ONCE);
            let Some(key) = keys.last() else { return Ok(ended) };
            last = Some(*key);
            for key in keys.iter().filter(|key| Some(*key) != except) {
                if self.records.remove_if(key, |record| record.subject.as_ref() == Some(subject)).is_some() {
                    ended += 1;
                    self.unindex(subject, key);
                }
            }
        }
    }
}

impl Scan for MemoryStore {
    /// A page is whole shards, of about a thousand records each when the store is full.
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<(Key, Record)>> {
        let start = cursor.map(|cursor| cursor.as_bytes().try_into().map(u32::from_be_bytes)).transpose();
        let start = start.map_err(|_| foreign_cursor())?.unwrap_or(0);
        let mut page = Page::default();
        for shard in start..self.records.shards() {
            if page.items.len() >= limit.max(1) {
                page.next = Some(Cursor::new(shard.to_be_bytes()));
                break;
            }
            page.items.extend(self.records.in_shard(shard));
        }
        Ok(page)
    }

    /// Looks at the records that were due before `now` and at no others: few, if expired records are purged.
    async fn count(&self, now: Timestamp) -> Result<u64> {
        Ok(self.records.live(now))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    /// Shows how full it is, and how many sessions it has evicted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounds = self.records.bounds();
        f.debug_struct("MemoryStore")
            .field("sessions", &bounds.sessions())
            .field("max_sessions", &bounds.max_sessions())
            .field("bytes", &bounds.bytes())
            .field("max_bytes", &bounds.max_bytes())
            .field("evicted", &bounds.evictions())
            .finish_non_exhaustive()
    }
}

fn foreign_cursor() -> Error {
    Error::new(ErrorKind::Other).because("not a cursor of this store")
}

/// How many keys of a subject are copied out of the index at a time.
const KEYS_AT_ONCE: usize = 256;
const DEFAULT_MAX_SESSIONS: usize = 1_000_000;
const DEFAULT_MAX_BYTES: usize = 1 << 30;

#[cfg(test)]
mod tests;
