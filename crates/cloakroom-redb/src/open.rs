//! Opening the file: making it, telling ours from anybody else's, and saying what is wrong.

use std::fs::{self, File, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::{io, process};

use redb::{Database, ReadableDatabase, TableError};

use crate::error::Problem;
use crate::tables::{EXPIRY, FORMAT, RECORDS, SUBJECTS, VERSION, VERSION_ROW};
use crate::writer::Writer;
use crate::{OpenError, RedbStore};

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

    /// Opens the file at `path`, or makes it if there is none (readable for its owner only, on Unix); its folder must
    /// exist.
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
            // A damaged page makes redb panic; that is no reason to take the application along.
            let opened = catch_unwind(AssertUnwindSafe(|| {
                let file = open(how)?;
                check_format(&file, how)?;
                Ok(file)
            }));
            opened.unwrap_or_else(|_| Err(Problem::damaged())).map_err(|problem: Problem| problem.at(&at))
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
