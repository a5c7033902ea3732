use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cloakroom_store::{
    Cursor, Error, ErrorKind, Facets, Key, OpenError, Page, Record, Result, Revision, Scan, Store, Subject,
    SubjectEntry, Subjects, Timestamp,
};
use redb::{Database, ReadTransaction, ReadableDatabase};

use crate::change::Change;
use crate::error::Problem;
use crate::open::{How, open_checked, open_file};
use crate::tables::{self, Attempt};
use crate::writer::{File, Writer, stopped};

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

    /// Opens the file at `path`, or makes it if there is none; its folder must exist. The same as [`Builder::open`] with
    /// default settings.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(path)
    }

    /// Returns the settings to open a file with.
    pub fn builder() -> Builder {
        Builder { cache_bytes: 64 << 20 }
    }

    /// Reads on the caller's thread: pages come from memory, or from the operating system's cache
    /// by one system call each, in a few microseconds, which is less than a round trip to another
    /// thread. Only a page that is in neither waits for the disk.
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
    async fn create(&self, key: &Key, record: &Record, _now: Timestamp) -> Result<()> {
        check_size(record)?;
        self.writer.change(Change::Create { key: *key, record: record.clone() }).await?;
        Ok(())
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.read(|file| tables::load(file, key)).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, _now: Timestamp) -> Result<()> {
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

    /// [`Subjects`] and [`Scan`]. A store of one process needs no leases: the engine orders its requests.
    fn facets(&self) -> Facets<'_> {
        Facets::none().subjects(self).scan(self)
    }
}

impl Subjects for RedbStore {
    /// Only counts: the index changes in the same transaction as the record.
    async fn enroll(&self, subject: &Subject, key: &Key, _: Timestamp, _: Timestamp) -> Result<usize> {
        self.read(|file| tables::count_of(file, subject, key)).await
    }

    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        self.read(|file| tables::list(file, subject, cursor, limit)).await
    }

    /// One transaction, however many records there are. A record of a later version is ended too, because the index says
    /// whose it is.
    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        self.writer.change(Change::EndAll { subject: subject.clone(), except: except.copied() }).await
    }
}

impl Scan for RedbStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<(Key, Record)>> {
        self.read(|file| tables::page(file, cursor, limit)).await
    }

    /// The number of rows in the expiry index, which is kept, without those that have expired, which are counted one by one:
    /// they are few if expired records are purged. A damaged record counts until it expires.
    async fn count(&self, now: Timestamp) -> Result<u64> {
        self.read(|file| tables::count(file, now)).await
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Settings of a [`RedbStore`]; [`RedbStore::open`] uses their defaults.
#[derive(Clone, Debug)]
pub struct Builder {
    cache_bytes: usize,
}

impl Builder {
    /// Sets how much memory the file's pages may take in this process, in bytes.
    ///
    /// The operating system caches the file as well, so a page that is not in this cache usually costs a
    /// system call and no disk access. Defaults to 64 MiB.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Opens the file at `path`, or makes it if there is none (only its owner may read it, on Unix); its folder must exist.
    ///
    /// Blocks: a file that was not closed properly is repaired first, which reads all of it.
    ///
    /// # Errors
    /// [`OpenError`]. The data at `path` is unchanged. Its kind is [`Refused`](cloakroom_store::OpenErrorKind::Refused) if
    /// the file is open elsewhere, is not a session file, has the format of a later version, cannot be written, or its
    /// folder does not exist; otherwise [`Other`](cloakroom_store::OpenErrorKind::Other).
    pub fn open(&self, path: impl AsRef<Path>) -> Result<RedbStore, OpenError> {
        let path = path.as_ref().to_owned();
        let cache_bytes = self.cache_bytes;
        self.open_by(path.clone(), move |how| open_file(&path, cache_bytes, how))
    }

    /// What `open` does, with another way to open the database: for tests that keep the bytes themselves.
    pub(crate) fn open_by(
        &self,
        path: PathBuf,
        open: impl Fn(How) -> Result<Database, Problem> + Send + 'static,
    ) -> Result<RedbStore, OpenError> {
        let at = path.clone();
        let open = move |how| open_checked(&open, how).map_err(|problem| problem.at(&at));
        let file = Arc::new(RwLock::new(Some(open(How::Create)?)));
        let writer = Writer::start(Arc::clone(&file), Box::new(move || open(How::Again)))
            .map_err(|error| Problem::from(error).at(&path))?;
        Ok(RedbStore { path, file, writer })
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
