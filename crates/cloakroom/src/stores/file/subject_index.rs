//! Which sessions a user has: an empty file for each.
//!
//! Invariant: while a record names a subject, that subject's marker of its key is on the disk, after a power failure
//! too. A marker is made, and synced, before a record may name the subject. It is removed under the record's lock
//! only, and when the record is a version that does not name the subject and is known to be on the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cloakroom_store::{Error, Key, Record, Result, Revision, Subject};

use super::folder::{Folder, present, refused};
use super::layout::Layout;
use super::write_lock::WriteLock;

/// The marker of one session, held open: it tells whether it has been removed since.
#[derive(Debug)]
pub(super) struct Marker(File);

impl Folder {
    /// Makes sure that the index knows `key` as one of `subject`'s, and will after a power failure.
    pub(super) fn mark(&self, subject: &Subject, key: &Key) -> Result<Marker> {
        let folder = self.layout.subject(subject);
        let shard = folder.parent().expect("a subject's folder is in a shard");
        loop {
            self.still_there(shard)?;
            match self.try_to_mark(shard, &folder, key) {
                // Whoever removed the subject's last marker has removed its folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                marker => return marker.map_err(refused),
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

    /// Makes sure that the marker is there still, for somebody who holds the record's lock now.
    pub(super) fn keep_marked(
        &self,
        _: &WriteLock<'_>,
        marker: &Marker,
        subject: &Subject,
        key: &Key,
    ) -> Result<()> {
        // Not by its name: that may be another one's by now, and not synced yet.
        if marker.0.metadata().map_err(Error::unavailable)?.nlink() == 0 {
            self.mark(subject, key)?;
        }
        Ok(())
    }

    /// Forgets that the key was that subject's. A marker that stays behind does no harm.
    ///
    /// `settled` is the revision of a record that names nobody or somebody else, or says that there is none; and this is
    /// known to be on the disk.
    pub(super) fn forget_marker(&self, subject: Option<&Subject>, key: &Key, settled: Option<Revision>) {
        if let Some(subject) = subject {
            let _ = self.unmark(&self.layout.subject(subject), key, settled);
        }
    }

    /// Removes the marker of `key` in the folder of a subject if the record is still the settled one.
    fn unmark(&self, folder: &Path, key: &Key, settled: Option<Revision>) -> Result<()> {
        let _lock = self.locks.lock(key)?;
        if present(self.record(key))?.map(|record| record.revision) != settled {
            return Ok(());
        }
        self.disk.remove(&folder.join(key.to_string())).map_err(refused)?;
        // Fails while there are others.
        let _ = self.disk.remove_folder(folder);
        Ok(())
    }

    /// Removes the markers in the folder of a subject whose records are gone or name another one.
    pub(super) fn clear_markers_of(&self, folder: &Path) -> Result<()> {
        let keys = self.marked(folder)?;
        if keys.is_empty() {
            // Somebody died between making the folder and the first marker.
            let _ = self.disk.remove_folder(folder);
        }
        let mut stale = Vec::new();
        for key in keys {
            let record = present(self.record(&key))?;
            let subject = record.as_ref().and_then(|record| record.subject.as_ref());
            if subject.is_none_or(|subject| self.layout.subject(subject) != folder) {
                stale.push((key, record.map(|record| record.revision)));
            }
        }
        self.settle_all(stale.iter().map(|(key, _)| key))?;
        stale.iter().try_for_each(|(key, settled)| self.unmark(folder, key, *settled))
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
        let _unsettled: Vec<_> = keys.iter().map(|key| self.settlement.begin(key)).collect();
        let mut ended = Vec::new();
        let mut failure = None;
        for key in &keys {
            match present(self.remove_if(key, |record| record.subject.as_ref() == Some(subject))) {
                Ok(Some(_)) => ended.push(key),
                Ok(None) => {}
                // The others end all the same.
                Err(error) => failure = Some(error),
            }
        }
        // Of all: what somebody else has just removed may not be safe yet.
        self.settle_all(&keys)?;
        for key in &ended {
            self.forget_marker(Some(subject), key, None);
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
