//! Sessions in a folder of files.

mod disk;
mod expiry;
mod folder;
mod layout;
mod leases;
mod mounts;
mod open;
mod presence;
mod purge;
mod scan;
mod settlement;
mod subject_index;
mod write_lock;

use std::fmt;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom_store::{
    Acquired, Applied, Claim, Cursor, DynLeases, DynScan, DynSubjects, Error, ErrorKind, Key, LeaseId,
    Leases, Page, Record, Result, Revision, Scan, Store, Subject, Subjects, Timestamp,
};

use tokio::sync::Semaphore;

pub use self::disk::Durability;
use self::folder::Folder;
pub use self::open::FileStoreBuilder;
use crate::ConfigError;
use crate::random::Random;

/// Keeps sessions in a folder, one file each: durable, without a server to run, and shared by any number of processes of
/// one machine. Only on Unix.
///
/// | | |
/// | --- | --- |
/// | atomic | yes: a file is written aside, and put into place by one rename or link |
/// | durable | changes are synced before they are acknowledged, but for touches, leases and what is purged; or nothing is, with [`Durability::Relaxed`] |
/// | crash | after a power failure each session is the old or the new version; a lengthened life may be the former one |
/// | shared | by processes of one machine and one user, each with a store of its own on the same folder; on Linux network file systems are refused |
/// | facets | leases, subjects and scan |
///
/// Another process may see a change a moment before it is synced; this one does not.
///
/// A lease ends at once when its holder's process dies, or drops the store. Whoever waits for one held by another
/// process asks again every few milliseconds.
///
/// Calls run on tokio's threads for blocking work, at most 64 at a time, so they panic outside of a tokio runtime. An open
/// store holds 65 files open. A process that is stopped (`SIGSTOP`) in the middle of a change keeps others from
/// changing one in 64 sessions until it goes on; reading goes on.
///
/// What lies in the folder can be read by its owner only (modes 0700 and 0600), is not encrypted, and opens no session.
/// `docs/format.md` describes it. Do not put it where old files are cleaned away, as in `/tmp`. Copies that do not keep
/// the files' modification times (`cp` without `--preserve`) hold sessions that have expired.
///
/// ```
/// use cloakroom::stores::FileStore;
/// use cloakroom::{SessionManager, Settings};
///
/// # fn main() -> Result<(), cloakroom::ConfigError> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("sessions");
/// let sessions = SessionManager::new(FileStore::open(path)?, Settings::default())?;
/// # Ok(()) }
/// ```
pub struct FileStore {
    folder: Arc<Folder>,
    /// How many calls may run at a time: a disk that hangs must not take all of tokio's threads with it.
    threads: Arc<Semaphore>,
}

impl FileStore {
    /// Opens the folder at `path` with the defaults of [`FileStoreBuilder`], or makes it. It blocks.
    ///
    /// # Errors
    /// As [`FileStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::builder().open(path)
    }

    /// A store with other settings.
    pub fn builder() -> FileStoreBuilder {
        FileStoreBuilder::new()
    }

    fn new(folder: Folder) -> Self {
        Self { folder: Arc::new(folder), threads: Arc::new(Semaphore::new(THREADS)) }
    }

    /// Does `work` where it may block. Once begun it is finished, whether or not anybody still waits for it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = Arc::clone(&self.folder);
        let turn = Arc::clone(&self.threads).acquire_owned().await.map_err(Error::unavailable)?;
        let work = move || {
            let _turn = turn;
            work(&folder)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(shut_down) => Err(Error::unavailable(shut_down)),
            },
        }
    }
}

impl Store for FileStore {
    async fn create(&self, key: &Key, record: &Record) -> Result<()> {
        let (key, record) = (*key, record.clone());
        self.run(move |folder| folder.create(&key, &record)).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        let key = *key;
        self.run(move |folder| folder.load(&key)).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<()> {
        let (key, record) = (*key, record.clone());
        self.run(move |folder| folder.replace(&key, &record, expected)).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let key = *key;
        self.run(move |folder| folder.touch(&key, now, expires_at)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let key = *key;
        self.run(move |folder| folder.delete(&key)).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.run(move |folder| folder.purge(cutoff, limit)).await
    }

    fn leases(&self) -> Option<&dyn DynLeases> {
        Some(self)
    }

    fn subjects(&self) -> Option<&dyn DynSubjects> {
        Some(self)
    }

    fn scan(&self) -> Option<&dyn DynScan> {
        Some(self)
    }
}

impl Leases for FileStore {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let (key, claim) = (*key, *claim);
        self.run(move |folder| folder.acquire(&key, &claim)).await
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let (key, claim) = (*key, *claim);
        self.run(move |folder| folder.renew(&key, &claim)).await
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        let key = *key;
        self.run(move |folder| folder.release(&key, lease)).await
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
    ) -> Result<()> {
        let (key, record) = (*key, record.clone());
        self.run(move |folder| {
            let replaced = folder.replace(&key, &record, expected);
            let maybe =
                replaced.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable(Applied::Maybe));
            if replaced.is_ok() || maybe {
                // One that cannot be given back ends by itself.
                let _ = folder.release(&key, lease);
            }
            replaced
        })
        .await
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        let key = *key;
        let free = async {
            let mut pause = SHORTEST_PAUSE;
            while !self.run(move |folder| folder.may_be_free(&key)).await? {
                tokio::time::sleep(jittered(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Ok(())
        };
        // Whoever asked knows the time, and so whether the lease has run out: they are to look now and then.
        tokio::time::timeout(at_most.min(LONGEST_WAIT), free).await.unwrap_or(Ok(()))
    }
}

impl Subjects for FileStore {
    /// Nothing to do: the index follows from the records.
    async fn enroll(&self, _subject: &Subject, _key: &Key, _until: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<(Key, Record)>> {
        let subject = subject.clone();
        self.run(move |folder| folder.list(&subject)).await
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let (subject, except) = (subject.clone(), except.copied());
        self.run(move |folder| folder.end_all(&subject, except.as_ref())).await
    }
}

impl Scan for FileStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let cursor = cursor.cloned();
        self.run(move |folder| folder.page(cursor.as_ref(), limit)).await
    }

    async fn count(&self) -> Result<u64> {
        self.run(Folder::count).await
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.folder.closing.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for FileStore {
    /// Shows where it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("path", &self.folder.layout.root).finish_non_exhaustive()
    }
}

/// The pause give or take a quarter, so that several who wait do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let dice = Random::os().u64().unwrap_or_default() as f64 / u64::MAX as f64;
    pause.mul_f64(0.75 + 0.5 * dice)
}

/// How long a waiter pauses between two looks at a lease, at first and at last.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);
const LONGEST_WAIT: Duration = Duration::from_millis(500);
const THREADS: usize = 64;

#[cfg(test)]
mod tests;
