//! What the processes on one folder know of each other, by locks on files that the kernel frees when a process ends, however it
//! ends: which open stores still live, and who may change a record now.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{self, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use cloakroom_store::{Error, Key, Result};

use crate::disk::io_failed;

/// This open store, for others to see that it lives.
#[derive(Debug)]
pub(crate) struct Presence {
    id: InstanceId,
    instances: PathBuf,
    /// Locked.
    lock: File,
    drafts: AtomicU64,
}

/// Names one open store: a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InstanceId(pub(crate) u64);

impl Presence {
    /// Makes this instance known under a new number.
    pub(crate) fn announce(instances: &Path) -> io::Result<Self> {
        loop {
            let id = InstanceId(random_number()?);
            let path = instances.join(id.file_name());
            let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            // Between the two steps it looks dead, and another instance may clear it away.
            match file.try_lock() {
                Ok(()) if file.metadata()?.nlink() > 0 => {
                    let instances = instances.to_owned();
                    return Ok(Self { id, instances, lock: file, drafts: AtomicU64::new(0) });
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    let _ = fs::remove_file(instances.join(id.file_name()));
                    return Err(error);
                }
            }
        }
    }

    pub(crate) fn id(&self) -> InstanceId {
        self.id
    }

    /// Whose files this process makes.
    pub(crate) fn owner(&self) -> io::Result<u32> {
        Ok(self.lock.metadata()?.uid())
    }

    /// Whether that instance lives.
    pub(crate) fn is_alive(&self, id: InstanceId) -> io::Result<bool> {
        if id == self.id {
            return Ok(true);
        }
        match File::open(self.instances.join(id.file_name())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            file => match file?.try_lock_shared() {
                Ok(()) => Ok(false),
                Err(TryLockError::WouldBlock) => Ok(true),
                Err(TryLockError::Error(error)) => Err(error),
            },
        }
    }

    /// A new file name for a draft.
    pub(crate) fn draft_name(&self) -> String {
        format!("{}.{}", self.id.file_name(), self.drafts.fetch_add(1, Ordering::Relaxed))
    }

    /// Removes what instances that ended without cleaning up have left: their drafts, then their own files.
    pub(crate) fn clear_the_dead(&self, drafts: &Path) -> io::Result<()> {
        for draft in fs::read_dir(drafts)? {
            let draft = draft?;
            if let Some(owner) = draft.file_name().to_str().and_then(InstanceId::of_draft)
                && !self.is_alive(owner)?
            {
                remove_if_there(&draft.path())?;
            }
        }
        for instance in fs::read_dir(&self.instances)? {
            let instance = instance?;
            let id = instance.file_name().to_str().and_then(InstanceId::of);
            // Not our own: on some systems closing any descriptor of a file gives up all locks on it.
            if id.is_some_and(|id| id != self.id)
                // Kept locked until it is gone: it may be one that is announcing itself, and then tries another.
                && let Ok(file) = File::open(instance.path())
                && file.try_lock().is_ok()
            {
                remove_if_there(&instance.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.instances.join(self.id.file_name()));
    }
}

impl InstanceId {
    fn file_name(self) -> String {
        format!("{:016x}", self.0)
    }

    fn of(name: &str) -> Option<Self> {
        let id = Self(u64::from_str_radix(name, 16).ok()?);
        (id.file_name() == name).then_some(id)
    }

    fn of_draft(name: &str) -> Option<Self> {
        Self::of(name.split_once('.')?.0)
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// One writer at a time, in this process and in all others: a fixed number of lock files, which many keys share. This store
/// never removes one, so that two processes always mean the same file.
///
/// Held while a record is compared and put into place. Syncs are waited for without it, with rare exceptions: a lease that is
/// taken over, an expiry beyond the file system's times, and a user's marker that was swept away at the wrong moment.
#[derive(Debug)]
pub(crate) struct WriteLocks {
    folder: PathBuf,
    /// A file's lock keeps other processes out, the mutex this one's own threads.
    slots: Vec<Mutex<File>>,
    /// How long a call waits for one.
    pub(crate) patience: Duration,
}

/// The right to change the records of one slot, until it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct WriteLock<'a>(MutexGuard<'a, File>);

impl WriteLocks {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let slots =
            (0..SLOTS).map(|slot| open_lock(folder, slot).map(Mutex::new)).collect::<io::Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), slots, patience: PATIENCE })
    }

    /// Waits until it may change the record under `key`, for about half a second at most: that is less than the engine's
    /// deadline for the whole call, so the caller learns that nothing was changed.
    ///
    /// This polls with growing pauses instead of waiting in the kernel. Such a wait could not be ended: a process that is
    /// stopped while it holds the lock would block one thread of every other process for each request.
    pub(crate) fn lock(&self, key: &Key) -> Result<WriteLock<'_>> {
        let number = key.prefix() % SLOTS;
        let slot = &self.slots[number as usize];
        let mut pause = Duration::from_micros(5);
        let mut left = self.patience;
        loop {
            let file = match slot.try_lock() {
                Ok(file) => Some(file),
                Err(sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(sync::TryLockError::WouldBlock) => None,
            };
            if let Some(mut file) = file {
                match file.try_lock() {
                    Ok(()) if is_linked(&file).map_err(io_failed)? => return Ok(WriteLock(file)),
                    // Something cleans up there; others may have made a new one, and that is the one to lock.
                    Ok(()) => {
                        *file = open_lock(&self.folder, number).map_err(io_failed)?;
                        continue;
                    }
                    Err(TryLockError::Error(error)) => return Err(io_failed(error)),
                    Err(TryLockError::WouldBlock) => {}
                }
            }
            if left.is_zero() {
                return Err(Error::unavailable("another process keeps the folder's write lock"));
            }
            thread::sleep(pause);
            left = left.saturating_sub(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Drop for WriteLock<'_> {
    fn drop(&mut self) {
        // It fails only where locking fails, and then the lock is not held.
        let _ = self.0.unlock();
    }
}

fn open_lock(folder: &Path, slot: u64) -> io::Result<File> {
    // Made if need be, and nothing is ever written to it.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(folder.join(format!("{slot:02x}")))
}

fn is_linked(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() > 0)
}

/// A number from the operating system's generator.
#[expect(
    clippy::disallowed_methods,
    reason = "names of open stores must not repeat; nothing else here is random"
)]
pub(crate) fn random_number() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u64::from_ne_bytes(bytes))
}

const SLOTS: u64 = 64;
const PATIENCE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);
