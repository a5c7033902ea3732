//! One writer at a time, in this process and in all others: held while a record is compared and put into place.
//! Syncs are waited for without it, with rare exceptions: a lease that is taken over, an expiry beyond the file system's
//! times, and a user's marker that was swept away at the wrong moment.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

use cloakroom_store::{Error, Key, Result};

/// A fixed number of lock files, which many keys share: this store never removes one, so that two processes always mean
/// the same file.
#[derive(Debug)]
pub(super) struct WriteLocks {
    folder: PathBuf,
    /// A file's lock keeps other processes out, the mutex this one's own threads.
    slots: Vec<Mutex<File>>,
    /// How long anybody waits for one.
    pub(super) patience: Duration,
}

/// The right to change the records of one slot, until it is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct WriteLock<'a>(MutexGuard<'a, File>);

impl WriteLocks {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let slots = (0..SLOTS).map(|slot| open(folder, slot).map(Mutex::new)).collect::<io::Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), slots, patience: PATIENCE })
    }

    /// Waits until it may change the record under `key`, for about half a second at most: less than anybody waits for the
    /// whole call, who then learns that nothing was changed.
    ///
    /// It asks again and again, ever slower, instead of waiting in the kernel: that could not be ended, and a process
    /// that was stopped in the middle would take one thread of every other with it for each request.
    pub(super) fn lock(&self, key: &Key) -> Result<WriteLock<'_>> {
        let number = key.prefix() % SLOTS;
        let slot = &self.slots[number as usize];
        let mut pause = Duration::from_micros(5);
        let mut left = self.patience;
        loop {
            let file = match slot.try_lock() {
                Ok(file) => Some(file),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            if let Some(mut file) = file {
                match file.try_lock() {
                    Ok(()) if is_linked(&file).map_err(Error::unavailable)? => return Ok(WriteLock(file)),
                    // Something cleans up there; others may have made a new one, and that is the one to lock.
                    Ok(()) => {
                        *file = open(&self.folder, number).map_err(Error::unavailable)?;
                        continue;
                    }
                    Err(std::fs::TryLockError::Error(error)) => return Err(Error::unavailable(error)),
                    Err(std::fs::TryLockError::WouldBlock) => {}
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
        // It can only fail where locking does, and then nobody has it.
        let _ = self.0.unlock();
    }
}

fn open(folder: &Path, slot: u64) -> io::Result<File> {
    // Made if need be, and nothing is ever written to it.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(folder.join(format!("{slot:02x}")))
}

fn is_linked(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() > 0)
}

const SLOTS: u64 = 64;
const PATIENCE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);
