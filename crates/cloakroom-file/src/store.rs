//! The store: the calls of the contract, each done on a thread that may block.

use std::fmt;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom_store::codec::jitter;
use cloakroom_store::{
    Acquired, Applied, Claim, Cursor, Error, ErrorKind, Facets, Key, LeaseId, Leases, OpenError, Page,
    Record, Result, Revision, Scan, Store, Subject, SubjectEntry, Subjects, Timestamp,
};
use tokio::sync::Semaphore;

use crate::disk::{Disk, Durability};
use crate::folder::Folder;
use crate::open::{Network, open_folder};

/// Keeps sessions in a folder, one file each: durable, without a server to run, and shared by any number of processes of
/// one machine. Only on Unix.
///
/// | | |
/// | --- | --- |
/// | atomic | yes: a file is written aside, and put into place by one rename or link |
/// | durable | changes are synced before they are acknowledged, but for touches, leases and what is purged; or nothing is, with [`danger_relaxed_durability`](FileStoreBuilder::danger_relaxed_durability) |
/// | crash | after a power failure each session is the old or the new version; a lengthened life may be the former one |
/// | shared | by processes of one machine and one user, each with a store of its own on the same folder; on Linux network file systems are refused |
/// | facets | leases, subjects and scan |
///
/// Another process may see a change a moment before it is synced; this one does not.
///
/// A lease ends at once when its holder's process dies, or drops the store. Waiting for a lease that another process holds
/// is a poll, every 16 ms at most.
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
/// use cloakroom_file::FileStore;
///
/// # fn main() -> Result<(), cloakroom_file::OpenError> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("sessions");
/// let store = FileStore::open(path)?;
/// # Ok(()) }
/// ```
pub struct FileStore {
    folder: Arc<Folder>,
    /// How many calls may run at a time: a disk that hangs must not take all of tokio's threads with it.
    threads: Arc<Semaphore>,
}

/// Settings of a [`FileStore`]; [`FileStore::open`] uses their defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct FileStoreBuilder {
    durability: Durability,
    network: Network,
}

impl FileStore {
    /// Opens the folder at `path` with the defaults of [`FileStoreBuilder`], or makes it. It blocks.
    ///
    /// # Errors
    /// As [`FileStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(path)
    }

    /// A store with other settings.
    pub fn builder() -> FileStoreBuilder {
        FileStoreBuilder { durability: Durability::Full, network: Network::Refused }
    }

    /// Runs `work` on a thread that may block. Once begun it is finished, even if the returned future is dropped.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = Arc::clone(&self.folder);
        let permit = Arc::clone(&self.threads).acquire_owned().await.map_err(Error::unavailable)?;
        let work = move || {
            let _permit = permit;
            work(&folder)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(shut_down) => Err(Error::unavailable(shut_down)),
            },
        }
    }
}

impl FileStoreBuilder {
    /// Syncs nothing: the operating system writes changes out in its own time, seconds later.
    ///
    /// Changes survive a crash of the process. After a crash of the machine sessions may be as they were some time before,
    /// sessions that were ended may be back, and some may be damaged and count as gone. All processes that share a folder
    /// should agree. Defaults to syncing each change before it is acknowledged.
    pub fn danger_relaxed_durability(mut self) -> Self {
        self.durability = Durability::Relaxed;
        self
    }

    /// Opens a folder although it is on a file system that other machines may share.
    ///
    /// With several machines in one folder nothing is promised: locks may not hold between them, and one may read what
    /// another has replaced. With a single machine it works as well as the file system does.
    ///
    /// Defaults to false.
    pub fn danger_allow_network_file_system(mut self, allow: bool) -> Self {
        self.network = if allow { Network::Allowed } else { Network::Refused };
        self
    }

    /// Opens the folder at `path`, or makes it if there is none (its owner's alone); the one that it is in must
    /// exist. It blocks.
    ///
    /// # Errors
    /// [`Config`](cloakroom_store::OpenErrorKind::Config) if another path is to be chosen: the folder has files but is no
    /// store; it is on a network file system; its file system keeps no times in milliseconds, or has neither locks nor hard
    /// links. [`Refused`](cloakroom_store::OpenErrorKind::Refused) until something is changed: the folder was written
    /// by a later version; every user of the machine may write into it; it, or a folder in it, belongs to another user; the
    /// process may not read or write it. [`Unavailable`](cloakroom_store::OpenErrorKind::Unavailable) if it cannot be read
    /// or written now. What was in it has not been changed then, but empty folders of ours may have been made.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<FileStore, OpenError> {
        let path = path.as_ref();
        let folder = open_folder(path, Disk::new(self.durability), self.network);
        let folder = Arc::new(folder.map_err(|problem| problem.at(path))?);
        Ok(FileStore { folder, threads: Arc::new(Semaphore::new(THREADS)) })
    }
}

impl Store for FileStore {
    async fn create(&self, key: &Key, record: &Record, _now: Timestamp) -> Result<()> {
        let (key, record) = (*key, record.clone());
        self.run(move |folder| folder.create(&key, &record)).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        let key = *key;
        self.run(move |folder| folder.load(&key)).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, _now: Timestamp) -> Result<()> {
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

    fn facets(&self) -> Facets<'_> {
        Facets::none().leases(self).subjects(self).scan(self)
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
        _now: Timestamp,
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
                tokio::time::sleep(jitter(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Ok(())
        };
        // Only the caller knows the time, and so whether the lease has run out: it has to look now and then.
        tokio::time::timeout(at_most.min(LONGEST_WAIT), free).await.unwrap_or(Ok(()))
    }
}

impl Subjects for FileStore {
    /// Only counts the subject's markers: a marker is made before its record is written.
    async fn enroll(&self, subject: &Subject, key: &Key, _: Timestamp, _: Timestamp) -> Result<usize> {
        let (subject, key) = (subject.clone(), *key);
        self.run(move |folder| folder.count_marked(&subject, &key)).await
    }

    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        let (subject, cursor) = (subject.clone(), cursor.cloned());
        self.run(move |folder| folder.list(&subject, cursor.as_ref(), limit)).await
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let (subject, except) = (subject.clone(), except.copied());
        self.run(move |folder| folder.end_all(&subject, except.as_ref())).await
    }
}

impl Scan for FileStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<(Key, Record)>> {
        let cursor = cursor.cloned();
        self.run(move |folder| folder.page(cursor.as_ref(), limit)).await
    }

    async fn count(&self, now: Timestamp) -> Result<u64> {
        self.run(move |folder| folder.count(now)).await
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

/// How long a waiter pauses between two looks at a lease, at first and at last.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);
const LONGEST_WAIT: Duration = Duration::from_millis(500);
const THREADS: usize = 64;
