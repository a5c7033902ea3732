//! Every change this store makes to the disk: one place to see what is synced, and for tests to cut in.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use cloakroom_store::{Error, ErrorKind};

/// Whether changes are synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// All but touches, leases and what is purged, before they are acknowledged.
    Full,
    /// None.
    Relaxed,
}

/// The disk, as far as it is written to. Reads go to it directly.
#[derive(Debug)]
pub(crate) struct Disk {
    durability: Durability,
    #[cfg(test)]
    observer: Option<std::sync::Arc<dyn DiskObserver>>,
}

/// Is told of every change to the disk before it is made, and may refuse it.
#[cfg(test)]
pub(crate) trait DiskObserver: std::fmt::Debug + Send + Sync {
    fn about_to(&self, change: &DiskChange<'_>) -> io::Result<()>;
}

/// What is about to be done to the disk: what tests are told, and may refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiskChange<'a> {
    Write { path: &'a Path, bytes: &'a [u8] },
    SetModified { path: &'a Path, time: SystemTime },
    Sync { path: &'a Path },
    Link { from: &'a Path, to: &'a Path },
    Rename { from: &'a Path, to: &'a Path },
    Remove { path: &'a Path },
    MakeFolder { path: &'a Path },
    RemoveFolder { path: &'a Path },
    SyncFolder { path: &'a Path },
}

impl Disk {
    pub(crate) fn new(durability: Durability) -> Self {
        Self {
            durability,
            #[cfg(test)]
            observer: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn observed(durability: Durability, observer: std::sync::Arc<dyn DiskObserver>) -> Self {
        Self { durability, observer: Some(observer) }
    }

    /// The same disk, for what must last in any case.
    pub(crate) fn durable(&self) -> Self {
        Self {
            durability: Durability::Full,
            #[cfg(test)]
            observer: self.observer.clone(),
        }
    }

    /// Writes a new file, readable for its owner only, and syncs it. There must be none at `path`.
    pub(crate) fn write_new(&self, path: &Path, bytes: &[u8], modified: SystemTime) -> io::Result<()> {
        self.about_to(&DiskChange::Write { path, bytes })?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        self.set_modified(&file, path, modified)?;
        if self.durability == Durability::Full {
            self.about_to(&DiskChange::Sync { path })?;
            file.sync_all()?;
        }
        Ok(())
    }

    /// Writes a file in its place, which is fit only for what may be lost: it is never synced.
    ///
    /// It is not emptied first: what is as long as before needs no new room, so that a full disk leaves the old or the new.
    pub(crate) fn write_volatile(&self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        self.about_to(&DiskChange::Write { path, bytes })?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        if file.metadata()?.len() > bytes.len() as u64 {
            file.set_len(bytes.len() as u64)?;
        }
        Ok(file)
    }

    pub(crate) fn set_modified(&self, file: &File, path: &Path, time: SystemTime) -> io::Result<()> {
        self.about_to(&DiskChange::SetModified { path, time })?;
        file.set_modified(time)
    }

    /// Gives a file a second name; [`AlreadyExists`](io::ErrorKind::AlreadyExists) if that one is taken.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.about_to(&DiskChange::Link { from, to })?;
        fs::hard_link(from, to)
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.about_to(&DiskChange::Rename { from, to })?;
        fs::rename(from, to)
    }

    /// Removes a file; returns whether there was one.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<bool> {
        self.about_to(&DiskChange::Remove { path })?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Makes a folder that only its owner may enter, if there is none.
    pub(crate) fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.about_to(&DiskChange::MakeFolder { path })?;
        match DirBuilder::new().mode(0o700).create(path) {
            // If it was removed in between, that is the error.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match fs::metadata(path)?.is_dir() {
                    true => Ok(()),
                    false => Err(error),
                }
            }
            result => result,
        }
    }

    /// Removes a folder, which fails unless it is empty.
    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.about_to(&DiskChange::RemoveFolder { path })?;
        fs::remove_dir(path)
    }

    /// Makes the names in a folder last: what was linked, renamed and removed in it.
    ///
    /// Opened anew each time: a descriptor whose sync has failed once may say that all is well the next time.
    pub(crate) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if self.durability == Durability::Relaxed {
            return Ok(());
        }
        self.about_to(&DiskChange::SyncFolder { path })?;
        File::open(path)?.sync_all()
    }

    #[cfg(test)]
    fn about_to(&self, change: &DiskChange<'_>) -> io::Result<()> {
        self.observer.as_ref().map_or(Ok(()), |observer| observer.about_to(change))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests cut in here")]
    fn about_to(&self, _: &DiskChange<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// What the file system refused, or could not read: nothing was changed.
pub(crate) fn io_failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::full(error),
        io::ErrorKind::FileTooLarge => Error::new(ErrorKind::TooLarge).because(error),
        _ if needs_rights(&error) => Error::refused(format!(
            "this process must be able to read and write everything in the folder of sessions; give it back to its owner, or mount \
             its file system writable: {error}"
        )),
        _ => Error::unavailable(error),
    }
}

/// Whether the operation fails again until rights or the mount are changed.
pub(crate) fn needs_rights(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}
