//! Expired records out, and with them what crashes left behind.

use std::sync::atomic::{AtomicU8, Ordering};
use std::{fs, io};

use cloakroom_store::{Error, Key, Result, Timestamp};

use super::folder::{Folder, present};
use super::layout::Layout;

/// Where the next batch begins, so that a batch does not look again at what the one before has cleared.
#[derive(Debug, Default)]
pub(super) struct Turn {
    sessions: AtomicU8,
    subjects: AtomicU8,
}

impl Folder {
    pub(super) fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let mut removed = 0;
        let mut failure = None;
        let first = self.purge_turn.sessions.load(Ordering::Relaxed);
        for step in 0..=u8::MAX {
            let shard = first.wrapping_add(step);
            self.purge_turn.sessions.store(shard, Ordering::Relaxed);
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

    /// Removes what has expired in a shard, and answers whether that was all of it.
    fn purge_shard(&self, shard: u8, cutoff: Timestamp, limit: usize, removed: &mut usize) -> Result<bool> {
        let mut marked = Vec::new();
        let mut complete = true;
        let mut failure = None;
        for key in self.expired_in(shard, cutoff)? {
            if *removed == limit {
                complete = false;
                break;
            }
            match present(self.remove_if(&key, |record| record.expires_at < cutoff)) {
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
            && self.settle(key).is_ok()
        {
            for (subject, key) in &marked {
                self.forget_marker(Some(subject), key, None);
            }
        }
        failure.map_or(Ok(complete), Err)
    }

    /// The records of a shard whose files say that they have expired, or may have.
    fn expired_in(&self, shard: u8, cutoff: Timestamp) -> Result<Vec<Key>> {
        let mut expired = Vec::new();
        for found in Layout::keys_in(&self.layout.shard(shard)).map_err(Error::unavailable)? {
            let (key, entry) = found.map_err(Error::unavailable)?;
            match entry.metadata().and_then(|metadata| metadata.modified()) {
                Ok(modified) if self.expiry.may_be_before(modified, cutoff) => expired.push(key),
                Ok(_) => {}
                // Somebody was quicker.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::unavailable(error)),
            }
        }
        Ok(expired)
    }

    /// Leases whose record is gone: left by somebody who died between the two.
    fn clear_leases(&self) -> io::Result<()> {
        for found in Layout::keys_in(&self.layout.leases)? {
            let (key, entry) = found?;
            let record = self.layout.record(&key);
            // Where nobody can tell, it stays.
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

    /// Markers whose record is gone or names another subject, in one shard of the index after the other: there may be
    /// many, and they do no harm but take room.
    fn clear_markers(&self) -> Result<()> {
        let shard = self.purge_turn.subjects.fetch_add(1, Ordering::Relaxed);
        let shard = self.layout.subject_shard(shard);
        for subject in fs::read_dir(shard).map_err(Error::unavailable)? {
            // One that cannot be looked into keeps nobody from the others.
            let _ = self.clear_markers_of(&subject.map_err(Error::unavailable)?.path());
        }
        Ok(())
    }
}

/// The error of a purge that may have removed something before.
fn cut_short(removed: usize, error: Error) -> Error {
    if removed == 0 { error } else { Error::maybe_applied(error) }
}
