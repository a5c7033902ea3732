//! Which of the stores that were opened on a folder still live: each holds a lock on a file of its own, which the
//! kernel frees when the process ends, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::random::Random;

/// This open store, for others to see that it lives.
#[derive(Debug)]
pub(super) struct Presence {
    id: InstanceId,
    instances: PathBuf,
    /// Locked.
    lock: File,
    drafts: AtomicU64,
}

/// Names one open store: a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InstanceId(pub(super) u64);

impl Presence {
    /// Makes this instance known under a new number.
    pub(super) fn announce(instances: &Path) -> io::Result<Self> {
        loop {
            let id = InstanceId(Random::os().u64().map_err(io::Error::other)?);
            let path = instances.join(id.file_name());
            let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            // Between the two steps it looks dead, and somebody may clear it away.
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

    pub(super) fn id(&self) -> InstanceId {
        self.id
    }

    /// Whose files this process makes.
    pub(super) fn owner(&self) -> io::Result<u32> {
        Ok(self.lock.metadata()?.uid())
    }

    /// Whether that instance lives.
    pub(super) fn is_alive(&self, id: InstanceId) -> io::Result<bool> {
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

    /// A file name for a draft that nobody else uses.
    pub(super) fn draft_name(&self) -> String {
        format!("{}.{}", self.id.file_name(), self.drafts.fetch_add(1, Ordering::Relaxed))
    }

    /// Removes what instances that ended without cleaning up have left: their drafts, then their own files.
    pub(super) fn clear_the_dead(&self, drafts: &Path) -> io::Result<()> {
        for draft in fs::read_dir(drafts)? {
            let draft = draft?;
            if let Some(owner) = draft.file_name().to_str().and_then(InstanceId::of_draft)
                && !self.is_alive(owner)?
            {
                remove(&draft.path())?;
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
                remove(&instance.path())?;
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

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
