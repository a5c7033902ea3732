//! Changing one session, and the walk over all of them; done at once by the thread that asks.

use std::io;

use cloakroom_store::{Cursor, Error, Key, Page, Record, Result, Revision, Timestamp};

use crate::disk::io_failed;
use crate::folder::{Folder, StoredRecord, last_key, unless_unreadable};
use crate::layout::Layout;

impl Folder {
    pub(crate) fn create(&self, key: &Key, record: &Record) -> Result<()> {
        let draft = self.draft(key, record)?;
        let mut lock = None;
        if let Some(subject) = &record.subject {
            let marker = self.mark(subject, key)?;
            let lock = lock.insert(self.locks.lock(key)?);
            self.keep_marked(lock, &marker, subject, key)?;
        }
        let _pending = self.syncs.begin(key);
        match self.disk.link(draft.path(), &self.layout.record(key)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Error::exists()),
            linked => linked.map_err(io_failed)?,
        }
        drop(lock);
        self.sync(key)
    }

    pub(crate) fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        // What fails now would fail later; nothing needs to be written for it.
        let before = self.expect(key, expected)?;
        let draft = self.draft(key, record)?;
        let newcomer = record.subject.as_ref().filter(|subject| before.subject.as_ref() != Some(subject));
        let newcomer = newcomer.map(|subject| Ok((subject, self.mark(subject, key)?))).transpose()?;
        let lock = self.locks.lock(key)?;
        // The same revision is the same content, subject included.
        self.expect(key, expected)?;
        if let Some((subject, marker)) = &newcomer {
            self.keep_marked(&lock, marker, subject, key)?;
        }
        let pending = self.syncs.begin(key);
        self.put(&lock, &draft, key)?;
        drop(lock);
        self.sync(key)?;
        drop(pending);
        if before.subject != record.subject {
            self.forget_marker(before.subject.as_ref(), key, Some(record.revision));
        }
        Ok(())
    }

    pub(crate) fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let lock = self.locks.lock(key)?;
        let Some(StoredRecord { mut record, file }) = self.read(key)? else { return Ok(false) };
        if record.expires_at <= now {
            return Ok(false);
        }
        if record.expires_at >= expires_at {
            return Ok(true);
        }
        if self.times.fits(expires_at) {
            let modified = self.times.to_modified(expires_at);
            self.disk.set_modified(&file, &self.layout.record(key), modified).map_err(io_failed)?;
        } else {
            record.expires_at = expires_at;
            self.rewrite(&lock, key, &record)?;
        }
        Ok(true)
    }

    pub(crate) fn delete(&self, key: &Key) -> Result<bool> {
        let lock = self.locks.lock(key)?;
        // What cannot be read is removed like any other; its marker stays, and does no harm.
        let subject = self.record(key).ok().flatten().and_then(|record| record.subject);
        let pending = self.syncs.begin(key);
        let removed = self.remove(&lock, key)?;
        drop(lock);
        // Even if there was nothing: another call may have removed it a moment ago and not have synced it yet.
        self.sync(key)?;
        drop(pending);
        self.forget_marker(subject.as_ref(), key, None);
        Ok(removed)
    }

    /// The next records in the order of their keys.
    pub(crate) fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<(Key, Record)>> {
        let limit = limit.max(1);
        // The last key that was looked at.
        let mut last = last_key(cursor)?;
        let mut records = Vec::new();
        for shard in last.map_or(0, |key| key.as_bytes()[0])..=u8::MAX {
            let folder = self.layout.shard(shard);
            loop {
                let wanted = limit - records.len();
                let keys = Layout::keys_after(&folder, last, wanted).map_err(io_failed)?;
                let is_end = keys.len() < wanted;
                for key in keys {
                    records.extend(unless_unreadable(self.record(&key))?.map(|record| (key, record)));
                    last = Some(key);
                }
                if records.len() == limit {
                    return Ok(Page::new(records, last.map(|key| Cursor::new(*key.as_bytes()))));
                }
                if is_end {
                    break;
                }
            }
        }
        Ok(Page::new(records, None))
    }

    pub(crate) fn count(&self, now: Timestamp) -> Result<u64> {
        let mut count = 0;
        for shard in 0..=u8::MAX {
            for found in self.times_in(shard)? {
                let (key, modified) = found?;
                let expires_at = match self.times.told(modified) {
                    Some(told) => Some(told),
                    None => unless_unreadable(self.record(&key))?.map(|record| record.expires_at),
                };
                count += u64::from(expires_at.is_some_and(|expires_at| expires_at > now));
            }
        }
        Ok(count)
    }
}
