//! Opening the folder: making it, telling a store from other folders, and finding out what the file system can do.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;
use std::{fmt, fs, io};

use cloakroom_store::OpenError;

use crate::disk::{Disk, needs_rights};
use crate::folder::{Folder, PurgePosition};
use crate::layout::{ExpiryTimes, Layout};
use crate::mounts::network_file_system;
use crate::processes::{Presence, WriteLocks, random_number};
use crate::sync_tracker::SyncTracker;

/// Opens the folder at `path`, or makes it if there is none.
pub(crate) fn open_folder(path: &Path, disk: Disk, network: Network) -> Result<Folder, FolderProblem> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match fs::metadata(parent) {
        Ok(parent) if parent.is_dir() => {}
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(error.into());
        }
        _ => return Err(FolderProblem::NoParent),
    }
    disk.make_folder(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => FolderProblem::NoFolder,
        _ => error.into(),
    })?;
    let root = fs::canonicalize(path)?;
    if network == Network::Refused
        && let Some(kind) = network_file_system(&root)
    {
        return Err(FolderProblem::Network(kind));
    }
    if fs::metadata(&root)?.mode() & WRITABLE_BY_ALL != 0 {
        return Err(FolderProblem::Unprotected);
    }
    let layout = Layout::new(root);
    if !is_made(&layout)? || !is_complete(&layout) {
        make(&layout, parent, &disk.durable())?;
    }
    let presence = Presence::announce(&layout.instances).map_err(|error| match error.kind() {
        io::ErrorKind::Unsupported => FolderProblem::NoLocks(error),
        _ => error.into(),
    })?;
    check_owners(&layout, presence.owner()?)?;
    let times = probe(&layout, &disk, &presence)?;
    let locks = WriteLocks::open(&layout.locks)?;
    Ok(Folder {
        layout,
        disk,
        times,
        locks,
        presence,
        syncs: SyncTracker::default(),
        purge_position: PurgePosition::default(),
        closing: AtomicBool::new(false),
    })
}

/// What becomes of a folder on a file system that other machines may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Refused,
    Allowed,
}

/// Whether the folder is a store already; if not, it is ours to make one of it.
fn is_made(layout: &Layout) -> Result<bool, FolderProblem> {
    match fs::read(layout.marker()) {
        Ok(text) if text == MARKER => return Ok(true),
        Ok(text) if text.starts_with(MARKER_START) => return Err(FolderProblem::Version),
        Ok(_) => return Err(FolderProblem::Foreign),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Err(_) => {}
    }
    for entry in fs::read_dir(&layout.root)? {
        let entry = entry?;
        let name = entry.file_name();
        // An interrupted or a concurrent opening leaves our folders and drafts; every new disk has `lost+found`.
        let named_as_ours = layout.folders().any(|folder| folder.file_name() == Some(&name));
        let ours = named_as_ours && entry.path().is_dir() && has_only_our_names(&entry.path())?;
        if !ours && !name.as_encoded_bytes().starts_with(DRAFT.as_bytes()) && name != "lost+found" {
            return if layout.marker().exists() { is_made(layout) } else { Err(FolderProblem::Foreign) };
        }
    }
    Ok(false)
}

/// Whether no folder is missing. One that was empty may be, where the store was copied by something that keeps files alone.
pub(crate) fn is_complete(layout: &Layout) -> bool {
    let shards = [&layout.sessions, &layout.subjects]
        .into_iter()
        .flat_map(|folder| (0..=u8::MAX).map(|byte| Layout::shard_in(folder, byte)));
    layout.folders().cloned().chain(shards).all(|folder| folder.is_dir())
}

/// What others may write into, or have made, they may exchange at any time.
fn check_owners(layout: &Layout, us: u32) -> Result<(), FolderProblem> {
    let root = fs::metadata(&layout.root)?;
    let mut theirs = root.uid() != us && root.uid() != ROOT;
    for folder in layout.folders() {
        let metadata = fs::symlink_metadata(folder)?;
        theirs |= !metadata.is_dir() || metadata.uid() != us || metadata.mode() & WRITABLE_BY_OTHERS != 0;
    }
    if theirs { Err(FolderProblem::Theirs) } else { Ok(()) }
}

/// Whether this may be one of the root's folders, and not a foreign one of the same name.
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
fn make(layout: &Layout, parent: &Path, disk: &Disk) -> Result<(), FolderProblem> {
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
    let draft = layout.root.join(format!("{DRAFT}{:016x}", random_number()?));
    disk.write_new(&draft, MARKER, SystemTime::UNIX_EPOCH)?;
    let linked = disk.link(&draft, &layout.marker());
    disk.remove(&draft)?;
    match linked {
        // Two were at it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        linked => linked.map_err(FolderProblem::NoLinks)?,
    }
    Ok(disk.sync_folder(&layout.root)?)
}

/// Finds out which times the file system keeps.
fn probe(layout: &Layout, disk: &Disk, presence: &Presence) -> Result<ExpiryTimes, FolderProblem> {
    for times in [ExpiryTimes::FAR, ExpiryTimes::NEAR] {
        let path = layout.drafts.join(presence.draft_name());
        // A millisecond before the end: the last time that has both a large number of seconds and a fraction.
        let time = times.last_modified();
        let file = disk.write_volatile(&path, &[])?;
        let kept = disk.set_modified(&file, &path, time).and_then(|()| file.metadata()?.modified());
        disk.remove(&path)?;
        // Some refuse what they cannot keep, others keep something else.
        if kept.is_ok_and(|kept| kept == time) {
            return Ok(times);
        }
    }
    Err(FolderProblem::CoarseTimes)
}

/// Why a folder is no store, or cannot be one.
#[derive(Debug)]
pub(crate) enum FolderProblem {
    NoParent,
    NoFolder,
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

impl FolderProblem {
    pub(crate) fn at(self, path: &Path) -> OpenError {
        let message = format!("cannot keep sessions in {}: {self}", path.display());
        match self {
            Self::NoParent | Self::NoFolder | Self::Foreign | Self::Network(_) | Self::CoarseTimes => {
                OpenError::config(message)
            }
            Self::NoLocks(error) | Self::NoLinks(error) => OpenError::config(message).because(error),
            Self::Version | Self::Unprotected | Self::Theirs => OpenError::refused(message),
            Self::Failed(error) if needs_rights(&error) => OpenError::refused(message).because(error),
            Self::Failed(error) => OpenError::unavailable(message).because(error),
        }
    }
}

impl fmt::Display for FolderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoParent => "the folder that it is to be made in does not exist; make that one first",
            Self::NoFolder => "it is not a folder; choose another path",
            Self::Foreign => {
                "it has files in it but is no folder of sessions, and has been left as it is; choose an empty or a new one"
            }
            Self::Version => {
                "it was written by a later version of Cloakroom that this one does not know; run that version, or choose another \
                 folder"
            }
            Self::Unprotected => "every user of this machine may write into it; take that away: chmod o-w",
            Self::Theirs => {
                "it, or a folder in it, belongs to another user, or others may write into it; run as its owner, or choose \
                 another"
            }
            Self::NoLocks(_) => "its file system cannot lock files; choose another disk",
            Self::Network(kind) => {
                return write!(
                    f,
                    "it is on a file system ({kind}) that other machines may share; choose a local disk, or a store that is \
                     made for several machines"
                );
            }
            Self::NoLinks(_) => "its file system has no hard links; choose another disk",
            Self::CoarseTimes => {
                "its file system keeps no file times in milliseconds, or none beyond 2037; choose another disk"
            }
            Self::Failed(error) if needs_rights(error) => {
                "this process may not read and write in it; give it the rights, or mount the file system writable"
            }
            Self::Failed(_) => "it cannot be read or written now",
        })
    }
}

impl From<io::Error> for FolderProblem {
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
