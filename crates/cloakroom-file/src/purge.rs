//! Expired records out, and with them what crashes left behind.

use std::sync::atomic::Ordering;
use std::{fs, io};

use cloakroom_store::{Error, Key, Record, Result, Timestamp};

use crate::disk::io_failed;
use crate::folder::{Folder, cut_short, unless_unreadable};
use crate::layout::Layout;

impl Folder {
    pub(crate) fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let mut removed = 0;
        let mut failure = None;
        let first = self.purge_position.sessions.load(Ordering::Relaxed);
        for step in 0..=u8::MAX {
            let shard = first.wrapping_add(step);
            self.purge_position.sessions.store(shard, Ordering::Relaxed);
            if self.closing.load(Ordering::Relaxed) {
                return Err(cut_short(removed, Error::unavailable("the store is being closed")));
            }
            match self.purge_shard(shard, cutoff, limit, &mut removed) {
                Ok(true) => {}
                Ok(false) => return Ok(removed),
                // The others go all the same.
                Err(error) => failure = Some(error),
            }
        }
        // What cannot be cleared now will be in another round.
        let _ = self.presence.clear_the_dead(&self.layout.drafts);
        let _ = self.clear_leases();
        let _ = self.clear_markers();
        failure.map_or(Ok(removed), |error| Err(cut_short(removed, error)))
    }

    /// Removes what has expired in a shard, and returns whether that was all of it.
    fn purge_shard(&self, shard: u8, cutoff: Timestamp, limit: usize, removed: &mut usize) -> Result<bool> {
        let mut marked = Vec::new();
        let mut complete = true;
        let mut failure = None;
        for key in self.expired_in(shard, cutoff)? {
            if *removed == limit {
                complete = false;
                break;
            }
            match self.purge_record(&key, cutoff) {
                Ok(Some(record)) => {
                    *removed += 1;
                    marked.extend(record.subject.map(|subject| (subject, key)));
                }
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        // Synced for the index alone: what a crash brings back has expired all the same.
        if let Some((_, key)) = marked.first()
            && self.sync(key).is_ok()
        {
            for (subject, key) in &marked {
                self.forget_marker(Some(subject), key, None);
            }
        }
        failure.map_or(Ok(complete), Err)
    }

    /// Removes a record if it has expired; returns what it was.
    fn purge_record(&self, key: &Key, cutoff: Timestamp) -> Result<Option<Record>> {
        let lock = self.locks.lock(key)?;
        let record = unless_unreadable(self.record(key))?.filter(|record| record.expires_at < cutoff);
        if record.is_some() {
            self.remove(&lock, key)?;
        }
        Ok(record)
    }

    /// The records of a shard whose files say that they have expired, or may have.
    fn expired_in(&self, shard: u8, cutoff: Timestamp) -> Result<Vec<Key>> {
        let mut expired = Vec::new();
        for found in self.times_in(shard)? {
            let (key, modified) = found?;
            if self.times.may_be_before(modified, cutoff) {
                expired.push(key);
            }
        }
        Ok(expired)
    }

    /// Removes leases whose record is gone: their process died between the two removals.
    fn clear_leases(&self) -> io::Result<()> {
        for found in Layout::keys_in(&self.layout.leases)? {
            let (key, entry) = found?;
            let record = self.layout.record(&key);
            // Where that cannot be known, it stays.
            let is_gone = || matches!(record.try_exists(), Ok(false));
            if is_gone()
                && let Ok(_lock) = self.locks.lock(&key)
                && is_gone()
            {
                self.disk.remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes markers whose record is gone or names another subject, in one shard of the index at a time: there may be
    /// many, and they do no harm but take room.
    fn clear_markers(&self) -> Result<()> {
        let shard = self.purge_position.subjects.fetch_add(1, Ordering::Relaxed);
        let shard = self.layout.subject_shard(shard);
        for subject in fs::read_dir(shard).map_err(io_failed)? {
            // One that cannot be read does not stop the others.
            let _ = self.clear_markers_of(&subject.map_err(io_failed)?.path());
        }
        Ok(())
    }
}
