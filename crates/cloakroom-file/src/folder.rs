//! An open folder: reading a record, putting one into place, and what is synced. The calls of the contract are made of this.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::time::SystemTime;

use cloakroom_store::{Cursor, Error, ErrorKind, Key, Record, Result, Revision, decode, encode};

use crate::disk::{Disk, io_failed};
use crate::layout::{ExpiryTimes, Layout};
use crate::processes::{Presence, WriteLock, WriteLocks};
use crate::sync_tracker::SyncTracker;

/// An open folder of sessions.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) layout: Layout,
    pub(crate) disk: Disk,
    pub(crate) times: ExpiryTimes,
    pub(crate) locks: WriteLocks,
    pub(crate) presence: Presence,
    pub(crate) syncs: SyncTracker,
    pub(crate) purge_position: PurgePosition,
    /// The store was dropped: long work ends early.
    pub(crate) closing: AtomicBool,
}

/// The shards where the next batch of a purge begins, so that it does not look again at what the one before has cleared.
#[derive(Debug, Default)]
pub(crate) struct PurgePosition {
    pub(crate) sessions: AtomicU8,
    pub(crate) subjects: AtomicU8,
}

/// A record and the file it was read from, which stays the same file whatever takes its name.
#[derive(Debug)]
pub(crate) struct StoredRecord {
    pub(crate) record: Record,
    pub(crate) file: File,
}

impl Folder {
    pub(crate) fn load(&self, key: &Key) -> Result<Option<Record>> {
        let record = self.record(key);
        self.sync_what_was_read(key)?;
        record
    }

    /// The record under `key`, whether or not it is synced.
    pub(crate) fn record(&self, key: &Key) -> Result<Option<Record>> {
        Ok(self.read(key)?.map(|stored| stored.record))
    }

    /// The record under `key` if its revision is still `expected`.
    pub(crate) fn expect(&self, key: &Key, expected: Revision) -> Result<Record> {
        let record = self.record(key)?.ok_or_else(Error::missing)?;
        if record.revision == expected { Ok(record) } else { Err(Error::conflict()) }
    }

    /// What is stored under `key`, read once.
    pub(crate) fn read(&self, key: &Key) -> Result<Option<StoredRecord>> {
        let mut file = match File::open(self.layout.record(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.still_there(&self.layout.shard_of(key))?;
                return Ok(None);
            }
            file => file.map_err(io_failed)?,
        };
        let metadata = file.metadata().map_err(io_failed)?;
        if !metadata.is_file() || metadata.len() > MAX_LEN {
            return Err(Error::corrupt("no file, or too long for a record"));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
        (&mut file).take(MAX_LEN).read_to_end(&mut bytes).map_err(io_failed)?;
        let mut record = decode(key, &bytes)?;
        record.expires_at = self.times.expiry(metadata.modified().map_err(io_failed)?, record.expires_at);
        Ok(Some(StoredRecord { record, file }))
    }

    /// Writes what is to become the file of `key`.
    pub(crate) fn draft(&self, key: &Key, record: &Record) -> Result<Draft<'_>> {
        let bytes = encode(key, record);
        if bytes.len() as u64 > MAX_LEN {
            return Err(Error::new(ErrorKind::TooLarge));
        }
        let draft = Draft { disk: &self.disk, path: self.layout.drafts.join(self.presence.draft_name()) };
        let modified = self.times.to_modified(record.expires_at);
        self.disk.write_new(&draft.path, &bytes, modified).map_err(io_failed)?;
        Ok(draft)
    }

    /// Puts a draft in the place of the record that the holder of the lock has just read. The caller syncs it.
    pub(crate) fn put(&self, _: &WriteLock<'_>, draft: &Draft<'_>, key: &Key) -> Result<()> {
        self.disk.rename(&draft.path, &self.layout.record(key)).map_err(io_failed)
    }

    /// Writes a record, puts it in the place of the one that the holder of the lock has just read, and syncs it.
    pub(crate) fn rewrite(&self, lock: &WriteLock<'_>, key: &Key, record: &Record) -> Result<()> {
        let draft = self.draft(key, record)?;
        let _pending = self.syncs.begin(key);
        self.put(lock, &draft, key)?;
        self.sync(key)
    }

    /// Removes a record and the lease on it; returns whether there was one. The caller syncs it.
    pub(crate) fn remove(&self, _: &WriteLock<'_>, key: &Key) -> Result<bool> {
        let removed = self.disk.remove(&self.layout.record(key)).map_err(io_failed)?;
        if !removed {
            self.still_there(&self.layout.shard_of(key))?;
        }
        // It goes with the record. One that stays behind is taken over or cleared away.
        let _ = self.disk.remove(&self.layout.lease(key));
        Ok(removed)
    }

    /// Makes what was done to the name of `key` last.
    pub(crate) fn sync(&self, key: &Key) -> Result<()> {
        let shard = self.layout.shard_of(key);
        self.syncs.run(key, || self.disk.sync_folder(&shard)).map_err(Error::maybe_applied)
    }

    /// Syncs the names of many keys, each shard once; with the first failure it ends.
    pub(crate) fn sync_all<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Result<()> {
        let mut shards = [false; 256];
        for key in keys {
            if !std::mem::replace(&mut shards[usize::from(key.as_bytes()[0])], true) {
                self.sync(key)?;
            }
        }
        Ok(())
    }

    /// For what was just read under `key`, before it is returned.
    fn sync_what_was_read(&self, key: &Key) -> Result<()> {
        if self.syncs.is_synced(key) {
            return Ok(());
        }
        // A read has changed nothing.
        self.sync(key).map_err(Error::unavailable)
    }

    /// A name that is not found means "no such session" only while its folder is there, and not when the disk was
    /// taken away.
    pub(crate) fn still_there(&self, folder: &Path) -> Result<()> {
        match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(Error::unavailable("a part of the folder is not a folder any more")),
            Err(error) => Err(io_failed(error)),
        }
    }

    /// The records of a shard by the times of their files.
    pub(crate) fn times_in(&self, shard: u8) -> Result<impl Iterator<Item = Result<(Key, SystemTime)>>> {
        let keys = Layout::keys_in(&self.layout.shard(shard)).map_err(io_failed)?;
        Ok(keys.filter_map(|found| {
            let time = found.and_then(|(key, entry)| Ok((key, entry.metadata()?.modified()?)));
            match time {
                // Removed in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                time => Some(time.map_err(io_failed)),
            }
        }))
    }
}

/// A file that is written before it gets its name; removed if it never does.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    disk: &'a Disk,
    path: PathBuf,
}

impl Draft<'_> {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // After a rename there is none. What cannot be removed now is cleared away when this instance has ended.
        let _ = self.disk.remove(&self.path);
    }
}

/// A damaged record counts as none, in the index.
pub(crate) fn unless_corrupt(found: Result<Option<Record>>) -> Result<Option<Record>> {
    match found {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        found => found,
    }
}

/// A record that is damaged or of a later version counts as none, in walks.
pub(crate) fn unless_unreadable(found: Result<Option<Record>>) -> Result<Option<Record>> {
    match found {
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownVersion) => Ok(None),
        found => found,
    }
}

/// The key at which a walk continues: its cursors are keys.
pub(crate) fn last_key(cursor: Option<&Cursor>) -> Result<Option<Key>> {
    let key = |cursor: &Cursor| {
        let bytes = cursor.as_bytes().try_into();
        bytes.map(Key::new).map_err(|_| Error::new(ErrorKind::Other).because("not a cursor of this store"))
    };
    cursor.map(key).transpose()
}

/// The error of a call that may have removed something before it failed.
pub(crate) fn cut_short(removed: usize, error: Error) -> Error {
    if removed == 0 { error } else { Error::maybe_applied(error) }
}

/// A record is far smaller; what is longer is none.
const MAX_LEN: u64 = 16 << 20;
