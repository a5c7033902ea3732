//! Every change this store makes to the disk: one place to see what is synced, and for tests to cut in.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

/// How much an acknowledged change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Every change but a touch is on the disk when the call returns: it survives a power failure.
    #[default]
    Full,
    /// Nothing is synced; the operating system writes it out in its own time, seconds later. Changes survive a crash of
    /// the process. After one of the machine, sessions may be as they were some time before, signed out ones may
    /// be back, and some may be damaged and are treated as gone.
    Relaxed,
}

/// The disk, as far as it is written to. Reads go to it directly.
#[derive(Debug)]
pub(super) struct Disk {
    durability: Durability,
    #[cfg(test)]
    observer: Option<std::sync::Arc<dyn super::tests::Observer>>,
}

/// What is about to be done to the disk: what tests are told, and may refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
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
    pub(super) fn new(durability: Durability) -> Self {
        Self {
            durability,
            #[cfg(test)]
            observer: None,
        }
    }

    #[cfg(test)]
    pub(super) fn observed(
        durability: Durability,
        observer: std::sync::Arc<dyn super::tests::Observer>,
    ) -> Self {
        Self { durability, observer: Some(observer) }
    }

    /// The same disk, for what must last in any case.
    pub(super) fn durable(&self) -> Self {
        Self {
            durability: Durability::Full,
            #[cfg(test)]
            observer: self.observer.clone(),
        }
    }

    /// Writes a new file, readable for its owner only, and syncs it. There must be none at `path`.
    pub(super) fn write_new(&self, path: &Path, bytes: &[u8], modified: SystemTime) -> io::Result<()> {
        self.about_to(&Change::Write { path, bytes })?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        self.set_modified(&file, path, modified)?;
        if self.durability == Durability::Full {
            self.about_to(&Change::Sync { path })?;
            file.sync_all()?;
        }
        Ok(())
    }

    /// Writes a file in its place, which is fit only for what may be lost: it is never synced.
    ///
    /// It is not emptied first: what is as long as before needs no new room, so that a full disk leaves the old or the new.
    pub(super) fn write_volatile(&self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        self.about_to(&Change::Write { path, bytes })?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        if file.metadata()?.len() > bytes.len() as u64 {
            file.set_len(bytes.len() as u64)?;
        }
        Ok(file)
    }

    pub(super) fn set_modified(&self, file: &File, path: &Path, time: SystemTime) -> io::Result<()> {
        self.about_to(&Change::SetModified { path, time })?;
        file.set_modified(time)
    }

    /// Gives a file a second name; [`AlreadyExists`](io::ErrorKind::AlreadyExists) if that one is taken.
    pub(super) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.about_to(&Change::Link { from, to })?;
        fs::hard_link(from, to)
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.about_to(&Change::Rename { from, to })?;
        fs::rename(from, to)
    }

    /// Removes a file; answers whether there was one.
    pub(super) fn remove(&self, path: &Path) -> io::Result<bool> {
        self.about_to(&Change::Remove { path })?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Makes a folder that only its owner may enter, if there is none.
    pub(super) fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.about_to(&Change::MakeFolder { path })?;
        match DirBuilder::new().mode(0o700).create(path) {
            // Gone by now, perhaps, which is then what the caller is told.
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
    pub(super) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.about_to(&Change::RemoveFolder { path })?;
        fs::remove_dir(path)
    }

    /// Makes the names in a folder last: what was linked, renamed and removed in it.
    ///
    /// Opened anew each time: a descriptor whose sync has failed once may say that all is well the next time.
    pub(super) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if self.durability == Durability::Relaxed {
            return Ok(());
        }
        self.about_to(&Change::SyncFolder { path })?;
        File::open(path)?.sync_all()
    }

    #[cfg(test)]
    fn about_to(&self, change: &Change<'_>) -> io::Result<()> {
        self.observer.as_ref().map_or(Ok(()), |observer| observer.about_to(change))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests cut in here")]
    fn about_to(&self, _: &Change<'_>) -> io::Result<()> {
        Ok(())
    }
}
