//! The calls of the contract, done at once by the thread that asks.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use cloakroom_store::{Error, ErrorKind, Key, Record, Result, Revision, Timestamp, decode, encode};

use super::disk::Disk;
use super::expiry::Expiry;
use super::layout::Layout;
use super::presence::Presence;
use super::settlement::Settlement;
use super::write_lock::{WriteLock, WriteLocks};

/// An open folder of sessions.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) layout: Layout,
    pub(super) disk: Disk,
    pub(super) expiry: Expiry,
    pub(super) locks: WriteLocks,
    pub(super) presence: Presence,
    pub(super) settlement: Settlement,
    pub(super) purge_turn: super::purge::Turn,
    /// Nobody waits any more for what takes long.
    pub(super) closing: AtomicBool,
}

/// A record and the file it was read from, which stays the same file whatever takes its name.
#[derive(Debug)]
struct Stored {
    record: Record,
    file: File,
}

impl Folder {
    pub(super) fn create(&self, key: &Key, record: &Record) -> Result<()> {
        let draft = self.draft(key, record)?;
        let mut lock = None;
        if let Some(subject) = &record.subject {
            let marker = self.mark(subject, key)?;
            let lock = lock.insert(self.locks.lock(key)?);
            self.keep_marked(lock, &marker, subject, key)?;
        }
        let _unsettled = self.settlement.begin(key);
        match self.disk.link(draft.path(), &self.layout.record(key)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Error::exists()),
            result => result.map_err(refused)?,
        }
        drop(lock);
        self.settle(key)
    }

    pub(super) fn load(&self, key: &Key) -> Result<Option<Record>> {
        let record = self.record(key);
        self.settle_what_was_read(key)?;
        record
    }

    pub(super) fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
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
        let unsettled = self.settlement.begin(key);
        self.disk.rename(draft.path(), &self.layout.record(key)).map_err(refused)?;
        drop(lock);
        self.settle(key)?;
        drop(unsettled);
        if before.subject != record.subject {
            self.forget_marker(before.subject.as_ref(), key, Some(record.revision));
        }
        Ok(())
    }

    pub(super) fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let lock = self.locks.lock(key)?;
        let Some(Stored { record, file }) = self.read(key)? else { return Ok(false) };
        if record.expires_at <= now {
            return Ok(false);
        }
        if record.expires_at >= expires_at {
            return Ok(true);
        }
        let path = self.layout.record(key);
        if self.expiry.fits(expires_at) {
            self.disk.set_modified(&file, &path, self.expiry.to_modified(expires_at)).map_err(refused)?;
        } else {
            self.rewrite(&lock, key, &Record { expires_at, ..record })?;
        }
        Ok(true)
    }

    pub(super) fn delete(&self, key: &Key) -> Result<bool> {
        let lock = self.locks.lock(key)?;
        // What is damaged is removed like any other.
        let subject = self.read(key).ok().flatten().and_then(|stored| stored.record.subject);
        let unsettled = self.settlement.begin(key);
        let removed = self.remove(&lock, key)?;
        drop(lock);
        // Even if there was nothing: somebody else may have removed it a moment ago and not have synced it yet.
        self.settle(key)?;
        drop(unsettled);
        self.forget_marker(subject.as_ref(), key, None);
        Ok(removed)
    }

    /// Removes a record, and the lease on it, if it is still as `wanted` under the lock; answers what it was. The caller
    /// settles it.
    pub(super) fn remove_if(&self, key: &Key, wanted: impl Fn(&Record) -> bool) -> Result<Option<Record>> {
        let lock = self.locks.lock(key)?;
        let Some(Stored { record, .. }) = self.read(key)?.filter(|stored| wanted(&stored.record)) else {
            return Ok(None);
        };
        self.remove(&lock, key)?;
        Ok(Some(record))
    }

    /// The record under `key`, whether or not it is settled.
    pub(super) fn record(&self, key: &Key) -> Result<Option<Record>> {
        Ok(self.read(key)?.map(|stored| stored.record))
    }

    /// What is stored under `key`, read once.
    fn read(&self, key: &Key) -> Result<Option<Stored>> {
        let mut file = match File::open(self.layout.record(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.still_there(&self.layout.shard_of(key))?;
                return Ok(None);
            }
            file => file.map_err(Error::unavailable)?,
        };
        let metadata = file.metadata().map_err(Error::unavailable)?;
        if !metadata.is_file() || metadata.len() > MAX_LEN {
            return Err(Error::corrupt("no file, or too long for a record"));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
        (&mut file).take(MAX_LEN).read_to_end(&mut bytes).map_err(Error::unavailable)?;
        let mut record = decode(key, &bytes)?;
        record.expires_at =
            self.expiry.of(metadata.modified().map_err(Error::unavailable)?, record.expires_at);
        Ok(Some(Stored { record, file }))
    }

    /// Puts a record in the place of the one that the holder of the lock has just read.
    pub(super) fn rewrite(&self, _: &WriteLock<'_>, key: &Key, record: &Record) -> Result<()> {
        let draft = self.draft(key, record)?;
        let _unsettled = self.settlement.begin(key);
        self.disk.rename(draft.path(), &self.layout.record(key)).map_err(refused)?;
        self.settle(key)
    }

    fn expect(&self, key: &Key, expected: Revision) -> Result<Record> {
        let record = self.record(key)?.ok_or_else(Error::missing)?;
        if record.revision == expected { Ok(record) } else { Err(Error::conflict()) }
    }

    fn remove(&self, _: &WriteLock<'_>, key: &Key) -> Result<bool> {
        let removed = self.disk.remove(&self.layout.record(key)).map_err(refused)?;
        if !removed {
            self.still_there(&self.layout.shard_of(key))?;
        }
        // It goes with the record. One that stays behind is taken over or cleared away.
        let _ = self.disk.remove(&self.layout.lease(key));
        Ok(removed)
    }

    /// Writes what is to become the file of `key`.
    fn draft(&self, key: &Key, record: &Record) -> Result<Draft<'_>> {
        let bytes = encode(key, record);
        if bytes.len() as u64 > MAX_LEN {
            return Err(Error::new(ErrorKind::TooLarge));
        }
        let draft = Draft { folder: self, path: self.layout.drafts.join(self.presence.draft_name()) };
        let modified = self.expiry.to_modified(record.expires_at);
        self.disk.write_new(draft.path(), &bytes, modified).map_err(refused)?;
        Ok(draft)
    }

    /// A name that is not found means "no such session" only while its folder is there, and not when the disk was
    /// taken away.
    pub(super) fn still_there(&self, folder: &Path) -> Result<()> {
        match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(Error::unavailable("a part of the folder is not a folder any more")),
            Err(error) => Err(Error::unavailable(error)),
        }
    }
}

/// A file that is written before it gets its name; removed if it never does.
#[derive(Debug)]
struct Draft<'a> {
    folder: &'a Folder,
    path: std::path::PathBuf,
}

impl Draft<'_> {
    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // After a rename there is none. What cannot be removed now is cleared away when this instance has ended.
        let _ = self.folder.disk.remove(&self.path);
    }
}

/// A record that is damaged counts as none: for calls that look at many.
pub(super) fn present<T>(found: Result<Option<T>>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        found => found,
    }
}

/// A change that the file system refused: nothing has happened.
pub(super) fn refused(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(ErrorKind::Full).because(error)
        }
        io::ErrorKind::FileTooLarge => Error::new(ErrorKind::TooLarge).because(error),
        _ => Error::unavailable(error),
    }
}

/// A record is far smaller; what is longer is none.
const MAX_LEN: u64 = 16 << 20;
