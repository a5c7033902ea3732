use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use cloakroom_store::{
    Cursor, DynLeases, DynScan, DynSubjects, Error, ErrorKind, Key, Page, Record, Result, Revision, Scan,
    Store, Subject, Subjects, Timestamp,
};
use redb::{ReadTransaction, ReadableDatabase};

use crate::change::Change;
use crate::tables::{self, Attempt};
use crate::writer::{File, Writer, stopped};
use crate::{Builder, OpenError};

/// Sessions in one embedded file. See the [crate] for what it promises.
///
/// Dropping it waits until every queued change is on disk and the file is closed.
pub struct RedbStore {
    path: PathBuf,
    pub(crate) file: File,
    writer: Writer,
}

impl RedbStore {
    /// The largest [`data`](Record::data) a record may have, in bytes: 16 MiB.
    pub const MAX_DATA_LEN: usize = 16 << 20;

    /// Opens the file at `path`, or makes it if there is none; its folder must exist. [`Builder::open`] with default
    /// settings.
    ///
    /// # Errors
    /// [`OpenError`]; no data in whatever is at `path` has been changed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(path)
    }

    /// Settings to open a file with.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(path: PathBuf, file: File, writer: Writer) -> Self {
        Self { path, file, writer }
    }

    /// Reads on the caller's thread: pages come from memory, or from the operating system's cache
    /// by one system call each, in a few microseconds, which is less than handing the question to another
    /// thread and waiting for its answer. Only a page that is in neither waits for the disk.
    async fn read<T>(&self, read: impl Fn(&ReadTransaction) -> Attempt<T> + Send) -> Result<T> {
        if let Some(attempt) = self.try_read(&read) {
            return match attempt {
                Ok(answer) => answer,
                Err(failure) => {
                    // The writer finds the same and closes the file, so that the next call opens it again.
                    let _ = self.writer.change(Change::Probe).await;
                    Err(Error::unavailable(failure))
                }
            };
        }
        // Closed by a failure: have it opened again.
        self.writer.change(Change::Probe).await.map_err(as_read)?;
        self.try_read(&read).ok_or_else(stopped)?.map_err(Error::unavailable)?
    }

    /// `None` while the file is closed.
    fn try_read<T>(&self, read: impl Fn(&ReadTransaction) -> Attempt<T>) -> Option<Attempt<T>> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let file = file.as_ref()?;
        Some(file.begin_read().map_err(redb::Error::from).and_then(|transaction| read(&transaction)))
    }
}

impl Store for RedbStore {
    async fn create(&self, key: &Key, record: &Record) -> Result<()> {
        check_size(record)?;
        self.writer.change(Change::Create { key: *key, record: record.clone() }).await?;
        Ok(())
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.read(|file| tables::load(file, key)).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        check_size(record)?;
        self.writer.change(Change::Replace { key: *key, record: record.clone(), expected }).await?;
        Ok(())
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        Ok(self.writer.change(Change::Touch { key: *key, now, expires_at }).await? != 0)
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        Ok(self.writer.change(Change::Delete { key: *key }).await? != 0)
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        // In steps, so that a long sweep does not keep requests waiting for its transaction.
        let mut removed = 0;
        while removed < limit {
            let step = PURGE_STEP.min(limit - removed);
            let found = self.writer.change(Change::Purge { cutoff, limit: step }).await?;
            removed += found;
            if found < step {
                break;
            }
        }
        Ok(removed)
    }

    fn leases(&self) -> Option<&dyn DynLeases> {
        None
    }

    fn subjects(&self) -> Option<&dyn DynSubjects> {
        Some(self)
    }

    fn scan(&self) -> Option<&dyn DynScan> {
        Some(self)
    }
}

impl Subjects for RedbStore {
    /// Nothing to do: the index changes in the same transaction as the record.
    async fn enroll(&self, _subject: &Subject, _key: &Key, _until: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<(Key, Record)>> {
        self.read(|file| tables::list(file, subject)).await
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        self.writer.change(Change::EndAll { subject: subject.clone(), except: except.copied() }).await
    }
}

impl Scan for RedbStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        self.read(|file| tables::page(file, cursor, limit)).await
    }

    async fn count(&self) -> Result<u64> {
        self.read(tables::count).await
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("path", &self.path).finish_non_exhaustive()
    }
}

fn check_size(record: &Record) -> Result<()> {
    if record.data.len() > RedbStore::MAX_DATA_LEN {
        return Err(Error::new(ErrorKind::TooLarge));
    }
    Ok(())
}

/// A probe changes nothing, so that a read which waited for one never says "may have been applied".
fn as_read(error: Error) -> Error {
    Error::unavailable(error)
}

const PURGE_STEP: usize = 256;
