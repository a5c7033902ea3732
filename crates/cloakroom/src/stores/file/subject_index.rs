//! Which sessions a user has: an empty file for each.
//!
//! Invariant: while a record names a subject, that subject's marker of its key is on the disk. A marker is made, and
//! synced, before a record may name the subject, and removed under the record's lock only, after a look at what
//! the record says.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use cloakroom_store::{Error, Key, Record, Result, Subject};

use super::folder::{Folder, present, refused};
use super::layout::Layout;
use super::write_lock::WriteLock;

impl Folder {
    /// Makes sure that the index knows `key` as one of `subject`'s, and will after a power failure.
    pub(super) fn mark(&self, subject: &Subject, key: &Key) -> Result<()> {
        let folder = self.layout.subject(subject);
        let shard = folder.parent().expect("a subject's folder is in a shard");
        let marker = folder.join(key.to_string());
        self.still_there(shard)?;
        loop {
            self.disk.make_folder(&folder).map_err(refused)?;
            let marked = match self.disk.write_new(&marker, &[], SystemTime::UNIX_EPOCH) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                result => result,
            };
            match marked.and_then(|()| self.disk.sync_folder(&folder)) {
                // Whoever removed the subject's last marker has removed its folder. A sweep may even have taken this one
                // for stale: no record names the subject yet.
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.still_there(shard)?,
                result => break result.map_err(refused)?,
            }
        }
        self.disk.sync_folder(shard).map_err(refused)
    }

    /// The same for somebody who has marked it before and now holds the record's lock: since then it may have been
    /// removed.
    pub(super) fn keep_marked(&self, _: &WriteLock<'_>, subject: &Subject, key: &Key) -> Result<()> {
        let marker = self.layout.subject(subject).join(key.to_string());
        if marker.exists() { Ok(()) } else { self.mark(subject, key) }
    }

    /// Removes the marker of `key` in the folder of a subject, unless the record names that subject.
    pub(super) fn unmark(&self, folder: &Path, key: &Key) -> Result<()> {
        let _lock = self.locks.lock(key)?;
        if self.names(key, folder)? {
            return Ok(());
        }
        self.disk.remove(&folder.join(key.to_string())).map_err(refused)?;
        // Fails while there are others.
        let _ = self.disk.remove_folder(folder);
        Ok(())
    }

    /// Whether the record under `key` names the subject of this folder.
    pub(super) fn names(&self, key: &Key, folder: &Path) -> Result<bool> {
        let subject = present(self.load(key))?.and_then(|record| record.subject);
        Ok(subject.is_some_and(|subject| self.layout.subject(&subject) == folder))
    }

    pub(super) fn list(&self, subject: &Subject) -> Result<Vec<(Key, Record)>> {
        let mut records = Vec::new();
        for key in self.marked(&self.layout.subject(subject))? {
            if let Some(record) = present(self.load(&key))?
                && record.subject.as_ref() == Some(subject)
            {
                records.push((key, record));
            }
        }
        Ok(records)
    }

    pub(super) fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let folder = self.layout.subject(subject);
        let mut keys = self.marked(&folder)?;
        keys.retain(|key| Some(key) != except);
        let mut ended = BTreeSet::new();
        let mut failure = None;
        for key in keys {
            match present(self.remove_if(&key, |record| record.subject.as_ref() == Some(subject))) {
                Ok(Some(_)) => _ = ended.insert(key),
                Ok(None) => {}
                // The others end all the same.
                Err(error) => failure = Some(error),
            }
        }
        let shards: BTreeSet<_> = ended.iter().map(|key| self.layout.shard_of(key)).collect();
        for shard in shards {
            self.disk.sync_folder(&shard).map_err(Error::maybe_applied)?;
        }
        for key in &ended {
            // One that stays behind does no harm.
            let _ = self.unmark(&folder, key);
        }
        match failure {
            None => Ok(ended.len()),
            Some(error) if ended.is_empty() => Err(error),
            Some(error) => Err(Error::maybe_applied(error)),
        }
    }

    /// The keys of the markers in the folder of a subject.
    pub(super) fn marked(&self, folder: &Path) -> Result<Vec<Key>> {
        match Layout::keys_in(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.still_there(folder.parent().expect("a subject's folder is in a shard"))?;
                Ok(Vec::new())
            }
            keys => keys
                .map_err(Error::unavailable)?
                .map(|found| found.map(|(key, _)| key).map_err(Error::unavailable))
                .collect(),
        }
    }
}
