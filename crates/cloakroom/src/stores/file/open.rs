//! Opening the folder: making it, telling ours from anybody else's, and what the file system can do.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;
use std::{fmt, fs, io};

use super::FileStore;
use super::disk::{Disk, Durability};
use super::expiry::Expiry;
use super::folder::Folder;
use super::layout::Layout;
use super::mounts::network_file_system;
use super::presence::Presence;
use super::purge::Turn;
use super::settlement::Settlement;
use super::write_lock::WriteLocks;
use crate::ConfigError;
use crate::random::Random;

/// How a [`FileStore`] keeps its sessions; [`FileStore::open`] uses the defaults.
#[derive(Clone, Debug)]
#[must_use]
pub struct FileStoreBuilder {
    durability: Durability,
    network_file_system: bool,
}

impl FileStoreBuilder {
    pub(super) fn new() -> Self {
        Self { durability: Durability::default(), network_file_system: false }
    }

    /// Whether acknowledged changes survive a power failure.
    ///
    /// All processes that share a folder should agree. Defaults to [`Durability::Full`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Opens a folder although it is on a file system that other machines may share.
    ///
    /// With several machines in one folder nothing is promised: locks may not hold between them, and one may read what
    /// another has replaced. With a single machine it works as well as the file system does.
    ///
    /// Defaults to false.
    pub fn danger_allow_network_file_system(mut self, allow: bool) -> Self {
        self.network_file_system = allow;
        self
    }

    /// Opens the folder at `path`, or makes it if there is none (its owner's alone); the one that it is in must
    /// exist. It blocks.
    ///
    /// # Errors
    /// The folder is somebody else's: it has files but is no store; it was written by a version that this one does not know;
    /// every user of the machine may write into it; it is on a network file system; the file system keeps no times in
    /// milliseconds, or has neither locks nor hard links; it, or a folder in it, belongs to another user; or it cannot be
    /// read or written. What was in it has not been changed then, but empty folders of ours may have been made.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<FileStore, ConfigError> {
        let path = path.as_ref();
        self.open_on(path, Disk::new(self.durability))
            .map(FileStore::new)
            .map_err(|problem| ConfigError::new("folder", path.display(), problem.to_string()))
    }

    pub(super) fn open_on(&self, path: &Path, disk: Disk) -> Result<Folder, Problem> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !parent.is_dir() {
            return Err(Problem::NoParent);
        }
        disk.make_folder(path)?;
        let root = fs::canonicalize(path)?;
        if !self.network_file_system
            && let Some(kind) = network_file_system(&root)
        {
            return Err(Problem::Network(kind));
        }
        if fs::metadata(&root)?.mode() & WRITABLE_BY_ALL != 0 {
            return Err(Problem::Unprotected);
        }
        let layout = Layout::new(root);
        if !is_made(&layout)? || !is_complete(&layout) {
            make(&layout, parent, &disk.durable())?;
        }
        let presence = Presence::announce(&layout.instances).map_err(|error| match error.kind() {
            io::ErrorKind::Unsupported => Problem::NoLocks(error),
            _ => error.into(),
        })?;
        check_owners(&layout, presence.owner()?)?;
        let expiry = probe(&layout, &disk, &presence)?;
        let locks = WriteLocks::open(&layout.locks)?;
        let settlement = Settlement::default();
        Ok(Folder {
            layout,
            disk,
            expiry,
            locks,
            presence,
            settlement,
            purge_turn: Turn::default(),
            closing: AtomicBool::new(false),
        })
    }
}

/// Whether the folder is a store already; if not, it is ours to make one of it.
fn is_made(layout: &Layout) -> Result<bool, Problem> {
    match fs::read(layout.marker()) {
        Ok(text) if text == MARKER => return Ok(true),
        Ok(text) if text.starts_with(MARKER_START) => return Err(Problem::Version),
        Ok(_) => return Err(Problem::Foreign),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Err(_) => {}
    }
    for entry in fs::read_dir(&layout.root)? {
        let entry = entry?;
        let name = entry.file_name();
        // Somebody who was interrupted here, or is at it right now, leaves these; every new disk has the last.
        let named_as_ours = layout.folders().any(|folder| folder.file_name() == Some(&name));
        let ours = named_as_ours && has_only_our_names(&entry.path())?;
        if !ours && !name.as_encoded_bytes().starts_with(DRAFT.as_bytes()) && name != "lost+found" {
            return if layout.marker().exists() { is_made(layout) } else { Err(Problem::Foreign) };
        }
    }
    Ok(false)
}

/// Whether no folder is missing. One that was empty may be, where the store was copied by something that keeps files alone.
pub(super) fn is_complete(layout: &Layout) -> bool {
    let shards = [&layout.sessions, &layout.subjects]
        .into_iter()
        .flat_map(|folder| (0..=u8::MAX).map(|byte| Layout::shard_in(folder, byte)));
    layout.folders().cloned().chain(shards).all(|folder| folder.is_dir())
}

/// What others may write into, or have made, they may exchange at any time.
fn check_owners(layout: &Layout, us: u32) -> Result<(), Problem> {
    let root = fs::metadata(&layout.root)?;
    let mut theirs = root.uid() != us && root.uid() != ROOT;
    for folder in layout.folders() {
        let metadata = fs::symlink_metadata(folder)?;
        theirs |= !metadata.is_dir() || metadata.uid() != us || metadata.mode() & WRITABLE_BY_OTHERS != 0;
    }
    if theirs { Err(Problem::Theirs) } else { Ok(()) }
}

/// Whether this may be one of the root's folders, and not somebody else's that has the same name.
fn has_only_our_names(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if !entry?
            .file_name()
            .as_encoded_bytes()
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'.'))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a store of a folder. The marker comes last: where it is, everything else is, after a power failure too.
fn make(layout: &Layout, parent: &Path, disk: &Disk) -> Result<(), Problem> {
    for folder in layout.folders() {
        disk.make_folder(folder)?;
    }
    for folder in [&layout.sessions, &layout.subjects] {
        for byte in 0..=u8::MAX {
            disk.make_folder(&Layout::shard_in(folder, byte))?;
        }
        disk.sync_folder(folder)?;
    }
    disk.sync_folder(&layout.root)?;
    disk.sync_folder(parent)?;
    let draft = layout.root.join(format!("{DRAFT}{:016x}", Random::os().u64().map_err(io::Error::other)?));
    disk.write_new(&draft, MARKER, SystemTime::UNIX_EPOCH)?;
    let linked = disk.link(&draft, &layout.marker());
    disk.remove(&draft)?;
    match linked {
        // Two were at it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        linked => linked.map_err(Problem::NoLinks)?,
    }
    Ok(disk.sync_folder(&layout.root)?)
}

/// Finds out which times the file system keeps.
fn probe(layout: &Layout, disk: &Disk, presence: &Presence) -> Result<Expiry, Problem> {
    for expiry in [Expiry::FAR, Expiry::NEAR] {
        let path = layout.drafts.join(presence.draft_name());
        // A millisecond before the end: the last time that has both a large number of seconds and a fraction.
        let time = expiry.last_modified();
        let kept = disk.write_volatile(&path, &[]).and_then(|file| {
            disk.set_modified(&file, &path, time)?;
            file.metadata()?.modified()
        });
        disk.remove(&path)?;
        // Some refuse what they cannot keep, others keep something else.
        if kept.is_ok_and(|kept| kept == time) {
            return Ok(expiry);
        }
    }
    Err(Problem::CoarseTimes)
}

/// Why a folder is no store, or cannot be one.
#[derive(Debug)]
pub(super) enum Problem {
    NoParent,
    Foreign,
    Version,
    Unprotected,
    Theirs,
    NoLocks(io::Error),
    Network(String),
    NoLinks(io::Error),
    CoarseTimes,
    Failed(io::Error),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoParent => f.write_str("the folder that it is to be made in does not exist"),
            Self::Foreign => f.write_str(
                "it has files in it but is no folder of sessions, and has been left as it is; choose an empty or a new one",
            ),
            Self::Version => f.write_str("it was written by a version of Cloakroom that this one does not know"),
            Self::Unprotected => f.write_str("every user of this machine may write into it; take that away: chmod o-w"),
            Self::Theirs => f.write_str(
                "it, or a folder in it, belongs to another user, or others may write into it; run as its owner, or choose \
                 another",
            ),
            Self::NoLocks(error) => write!(f, "its file system cannot lock files: {error}"),
            Self::Network(kind) => write!(
                f,
                "it is on a file system ({kind}) that other machines may share; choose a local disk, or a store that is \
                 made for several machines"
            ),
            Self::NoLinks(error) => write!(f, "its file system has no hard links: {error}"),
            Self::CoarseTimes => {
                f.write_str("its file system keeps no file times in milliseconds, or none beyond 2037")
            }
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

const MARKER: &[u8] = b"cloakroom sessions, version 1\n";
const MARKER_START: &[u8] = b"cloakroom sessions, version ";
/// How the marker's name begins before it is complete.
const DRAFT: &str = ".cloakroom.";
const WRITABLE_BY_ALL: u32 = 0o002;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const ROOT: u32 = 0;
