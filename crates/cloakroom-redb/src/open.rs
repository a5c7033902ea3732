//! Opening the file: making it, telling ours from anybody else's, and saying what is wrong.

use std::error::Error as StdError;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::{fmt, io, process};

use redb::{Database, ReadableDatabase, TableError};

use crate::RedbStore;
use crate::tables::{EXPIRY, FORMAT, RECORDS, SUBJECTS, VERSION, VERSION_ROW};
use crate::writer::Writer;

/// Settings of a [`RedbStore`]; [`RedbStore::open`] uses their defaults.
#[derive(Clone, Debug)]
pub struct Builder {
    cache_bytes: usize,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { cache_bytes: 64 << 20 }
    }

    /// How much memory the file's pages may take in this process, in bytes.
    ///
    /// The operating system caches the file as well, so a page that is not in here usually costs a
    /// system call and no disk access. Defaults to 64 MiB.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Opens the file at `path`, or makes it if there is none (readable for its owner only, on Unix).
    ///
    /// Blocks: a file that was not closed properly is repaired first, which reads all of it.
    ///
    /// # Errors
    /// [`OpenError`]; no data in whatever is at `path` has been changed.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<RedbStore, OpenError> {
        let path = path.as_ref().to_owned();
        let cache_bytes = self.cache_bytes;
        self.open_by(path.clone(), move |how| open_file(&path, cache_bytes, how))
    }

    /// Opens what `open` opens: the way in for tests that keep the bytes themselves.
    pub(crate) fn open_by(
        &self,
        path: PathBuf,
        open: impl Fn(How) -> Result<Database, Problem> + Send + 'static,
    ) -> Result<RedbStore, OpenError> {
        let at = path.clone();
        let open = move |how| {
            open(how)
                .and_then(|file| check_format(&file, how).map(|()| file))
                .map_err(|problem| problem.at(&at))
        };
        let file = Arc::new(RwLock::new(Some(open(How::Create)?)));
        let writer = Writer::start(Arc::clone(&file), Box::new(move || open(How::Again)))
            .map_err(|error| Problem::from(error).at(&path))?;
        Ok(RedbStore::new(path, file, writer))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Makes the file if there is none.
    Create,
    /// The file was there before. If it is not any more, an empty one must not take its place.
    Again,
}

pub(crate) fn open_file(path: &Path, cache_bytes: usize, how: How) -> Result<Database, Problem> {
    if how == How::Create && !path.try_exists()? {
        place_new(path)?;
    }
    let file = options().create(how == How::Create).open(path)?;
    if how == How::Again && file.metadata()?.len() == 0 {
        return Err(Problem::Foreign);
    }
    let file = Database::builder().set_cache_size(cache_bytes).create_file(file)?;
    sync_folder(path)?;
    Ok(file)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes the file under another name and links it to its own when it is complete: a half-made one, which redb
/// would refuse for ever, is never found there. If somebody else was quicker, theirs is kept.
fn place_new(path: &Path) -> Result<(), Problem> {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.{}.new", process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
    let draft = Path::new(&draft);

    let file = options().create(true).truncate(true).open(draft)?;
    let placed = Database::builder().create_file(file).map_err(Problem::from).and_then(|file| {
        initialize(&file)?;
        drop(file);
        // Where there are no hard links the file is made in its place after all.
        let _ = fs::hard_link(draft, path);
        Ok(())
    });
    fs::remove_file(draft)?;
    placed
}

/// A new file's name is safe only when its folder was synced; redb syncs the file alone.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Accepts our own format, and marks a database without tables as ours.
fn check_format(file: &Database, how: How) -> Result<(), Problem> {
    let reader = file.begin_read()?;
    let empty = reader.list_tables()?.next().is_none() && reader.list_multimap_tables()?.next().is_none();
    if empty && how == How::Create {
        return initialize(file);
    }
    let version = match reader.open_table(FORMAT) {
        Ok(format) => format.get_owned(VERSION_ROW)?.map(|row| row.value()),
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => None,
    };
    match version {
        Some(VERSION) => Ok(()),
        Some(version) => Err(Problem::Version(version)),
        None => Err(Problem::Foreign),
    }
}

fn initialize(file: &Database) -> Result<(), Problem> {
    let transaction = file.begin_write()?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(EXPIRY)?;
    transaction.open_table(SUBJECTS)?;
    transaction.open_table(FORMAT)?.insert(VERSION_ROW, VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Why a file could not be opened. No data in it has been changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is open already, in another process or elsewhere in this one.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// There is something else at this path: another program's file, or no database at all.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a version of this crate, or of redb, that this one does not know.
    Version {
        /// The file.
        path: PathBuf,
        /// The version it has.
        found: u64,
    },
    /// The file could not be read or written, or is damaged beyond redb's repair.
    Failed {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { path } => write!(
                f,
                "{} is in use: a session file belongs to one process; stop the other one, or give each a file \
                 of its own",
                path.display()
            ),
            Self::Foreign { path } => write!(
                f,
                "{} is not a session file and has been left as it is: choose another path",
                path.display()
            ),
            Self::Version { path, found } => write!(
                f,
                "{} has format version {found}, which this version of cloakroom-redb does not know",
                path.display()
            ),
            Self::Failed { path, .. } => write!(f, "cannot open the session file {}", path.display()),
        }
    }
}

impl StdError for OpenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Failed { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

/// An [`OpenError`] that does not know its path yet.
#[derive(Debug)]
pub(crate) enum Problem {
    InUse,
    Foreign,
    Version(u64),
    Failed(redb::Error),
}

impl Problem {
    fn at(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::InUse => OpenError::InUse { path },
            Self::Foreign => OpenError::Foreign { path },
            Self::Version(found) => OpenError::Version { path, found },
            Self::Failed(error) => OpenError::Failed { path, source: error.into() },
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            redb::Error::UpgradeRequired(version) => Self::Version(version.into()),
            // How redb says that the file does not begin like one of its own.
            redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => Self::Foreign,
            error => Self::Failed(error),
        }
    }
}
