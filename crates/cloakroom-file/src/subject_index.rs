//! Which sessions a user has: an empty file for each.
//!
//! Invariant: while a record names a subject, that subject's marker of its key is on the disk, after a power failure
//! too. A marker is made, and synced, before a record may name the subject. It is removed under the record's lock
//! only, and when the record is a version that does not name the subject and is known to be on the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cloakroom_store::{Cursor, ErrorKind, Key, Page, Result, Revision, Subject, SubjectEntry};

use crate::disk::io_failed;
use crate::folder::{Folder, cut_short, last_key, unless_corrupt, unless_unreadable};
use crate::layout::Layout;
use crate::processes::WriteLock;

/// The marker of one session, held open: it tells whether it has been removed since.
#[derive(Debug)]
pub(crate) struct Marker(File);

impl Folder {
    /// Makes sure that the index knows `key` as one of `subject`'s, and will after a power failure.
    pub(crate) fn mark(&self, subject: &Subject, key: &Key) -> Result<Marker> {
        let folder = self.layout.subject(subject);
        let shard = shard_above(&folder);
        loop {
            self.still_there(shard)?;
            match self.try_to_mark(shard, &folder, key) {
                // The removal of the subject's last marker has removed its folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                marker => return marker.map_err(io_failed),
            }
        }
    }

    fn try_to_mark(&self, shard: &Path, folder: &Path, key: &Key) -> io::Result<Marker> {
        self.disk.make_folder(folder)?;
        // An empty file has only its name to lose.
        let marker = Marker(self.disk.write_volatile(&folder.join(key.to_string()), &[])?);
        self.disk.sync_folder(folder)?;
        self.disk.sync_folder(shard)?;
        Ok(marker)
    }

    /// Makes sure that the marker is still there, now that the record's lock is held.
    pub(crate) fn keep_marked(
        &self,
        _: &WriteLock<'_>,
        marker: &Marker,
        subject: &Subject,
        key: &Key,
    ) -> Result<()> {
        // Not by its name: that may be another marker in the meantime, which is not synced yet.
        if marker.0.metadata().map_err(io_failed)?.nlink() == 0 {
            self.mark(subject, key)?;
        }
        Ok(())
    }

    /// Forgets that the key was that subject's. A marker that stays behind does no harm.
    ///
    /// `synced` is the revision of a record that does not name the subject, or `None` if there is no record; that is known to
    /// be on the disk.
    pub(crate) fn forget_marker(&self, subject: Option<&Subject>, key: &Key, synced: Option<Revision>) {
        if let Some(subject) = subject {
            let _ = self.unmark(&self.layout.subject(subject), key, synced);
        }
    }

    /// Removes the marker of `key` in the folder of a subject if the record is still the synced one.
    fn unmark(&self, folder: &Path, key: &Key, synced: Option<Revision>) -> Result<()> {
        let _lock = self.locks.lock(key)?;
        if unless_corrupt(self.record(key))?.map(|record| record.revision) != synced {
            return Ok(());
        }
        self.disk.remove(&folder.join(key.to_string())).map_err(io_failed)?;
        // Fails while there are others.
        let _ = self.disk.remove_folder(folder);
        Ok(())
    }

    /// How many markers the subject has, with that of `key`, whether it is there yet or not.
    pub(crate) fn count_marked(&self, subject: &Subject, key: &Key) -> Result<usize> {
        let folder = self.layout.subject(subject);
        let others = match Layout::keys_in(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.still_there(shard_above(&folder))?;
                return Ok(1);
            }
            keys => keys.map_err(io_failed)?,
        };
        let mut count = 1;
        for other in others.take(MOST_COUNTED) {
            count += usize::from(other.map_err(io_failed)?.0 != *key);
        }
        Ok(count)
    }

    /// The sessions that name `subject`, in the order of their keys.
    pub(crate) fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        let limit = limit.max(1);
        let keys = self.marked_after(&self.layout.subject(subject), last_key(cursor)?, limit)?;
        let next = keys.last().filter(|_| keys.len() == limit).map(|last| Cursor::new(*last.as_bytes()));
        let mut entries = Vec::new();
        for key in keys {
            if let Some(record) = unless_unreadable(self.load(&key))?
                && record.subject.as_ref() == Some(subject)
            {
                entries.push(SubjectEntry::new(key, record.expires_at));
            }
        }
        Ok(Page::new(entries, next))
    }

    /// Removes the sessions that name `subject`, a page of markers at a time.
    pub(crate) fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let mut ended = 0;
        let failure = self.end_pages(subject, except, &mut ended);
        failure.map(|()| ended).map_err(|error| cut_short(ended, error))
    }

    fn end_pages(&self, subject: &Subject, except: Option<&Key>, ended: &mut usize) -> Result<()> {
        let folder = self.layout.subject(subject);
        let (mut last, mut result) = (None, Ok(()));
        loop {
            let mut keys = self.marked_after(&folder, last, MARKERS_AT_A_TIME)?;
            let is_end = keys.len() < MARKERS_AT_A_TIME;
            last = keys.last().copied().or(last);
            keys.retain(|key| Some(key) != except);
            let _pending: Vec<_> = keys.iter().map(|key| self.syncs.begin(key)).collect();
            let mut removed = Vec::new();
            for key in &keys {
                match self.end(subject, key) {
                    Ok(true) => removed.push(key),
                    Ok(false) => {}
                    // The others end all the same.
                    Err(error) => result = Err(error),
                }
            }
            *ended += removed.len();
            // All of them: what another call has just removed may not be synced yet.
            self.sync_all(&keys)?;
            for key in removed {
                self.forget_marker(Some(subject), key, None);
            }
            if is_end {
                return result;
            }
        }
    }

    /// Removes a record if it names that subject, for whom it has a marker.
    fn end(&self, subject: &Subject, key: &Key) -> Result<bool> {
        let lock = self.locks.lock(key)?;
        let is_theirs = match unless_corrupt(self.record(key)) {
            // Of a later version: all that can be read is the marker, and what must end must not stay.
            Err(error) if error.kind() == ErrorKind::UnknownVersion => true,
            record => record?.is_some_and(|record| record.subject.as_ref() == Some(subject)),
        };
        Ok(is_theirs && self.remove(&lock, key)?)
    }

    /// Removes the markers in the folder of a subject whose records are gone or name another one.
    pub(crate) fn clear_markers_of(&self, folder: &Path) -> Result<()> {
        let mut last = None;
        loop {
            let keys = self.marked_after(folder, last, MARKERS_AT_A_TIME)?;
            if keys.is_empty() && last.is_none() {
                // A process died between making the folder and the first marker.
                let _ = self.disk.remove_folder(folder);
            }
            let mut stale = Vec::new();
            for key in &keys {
                let record = match unless_corrupt(self.record(key)) {
                    // It may name this subject.
                    Err(error) if error.kind() == ErrorKind::UnknownVersion => continue,
                    record => record?,
                };
                let subject = record.as_ref().and_then(|record| record.subject.as_ref());
                if subject.is_none_or(|subject| self.layout.subject(subject) != folder) {
                    stale.push((key, record.map(|record| record.revision)));
                }
            }
            self.sync_all(stale.iter().map(|(key, _)| *key))?;
            stale.iter().try_for_each(|(key, synced)| self.unmark(folder, key, *synced))?;
            if keys.len() < MARKERS_AT_A_TIME {
                return Ok(());
            }
            last = keys.last().copied();
        }
    }

    /// The first keys after `last` of the markers in the folder of a subject.
    fn marked_after(&self, folder: &Path, last: Option<Key>, limit: usize) -> Result<Vec<Key>> {
        match Layout::keys_after(folder, last, limit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.still_there(shard_above(folder))?;
                Ok(Vec::new())
            }
            keys => keys.map_err(io_failed),
        }
    }
}

fn shard_above(subject_folder: &Path) -> &Path {
    subject_folder.parent().expect("a subject's folder is in a shard")
}

/// How many keys of a user are held in memory. Each such page costs a sync for each shard that it is in.
const MARKERS_AT_A_TIME: usize = if cfg!(test) { 4 } else { 1_024 };
/// A user who has more sessions has them counted up to this number.
const MOST_COUNTED: usize = 10_000;
