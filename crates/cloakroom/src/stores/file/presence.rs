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
    _lock: File,
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
            // Between the two steps it looks dead, and somebody may have cleared it away.
            if file.try_lock().is_ok() && file.metadata()?.nlink() > 0 {
                return Ok(Self {
                    id,
                    instances: instances.to_owned(),
                    _lock: file,
                    drafts: AtomicU64::new(0),
                });
            }
        }
    }

    pub(super) fn id(&self) -> InstanceId {
        self.id
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
            let path = instance?.path();
            let Ok(file) = File::open(&path) else { continue };
            if file.try_lock().is_ok() {
                remove(&path)?;
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

    fn of_draft(name: &str) -> Option<Self> {
        u64::from_str_radix(name.split_once('.')?.0, 16).ok().map(Self)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
