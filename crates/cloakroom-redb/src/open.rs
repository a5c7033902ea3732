//! Opening the file: making it, telling a session file from others, and saying what is wrong.

use std::fs::{self, File, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{io, process};

use redb::{Database, ReadableDatabase, TableError};

use crate::error::Problem;
use crate::tables::{EXPIRY, FORMAT, RECORDS, SUBJECTS, VERSION, VERSION_ROW};

/// Opens a database by `open` and checks that it is a session file.
pub(crate) fn open_checked(
    open: impl FnOnce(How) -> Result<Database, Problem>,
    how: How,
) -> Result<Database, Problem> {
    // A damaged page makes redb panic; that must not take the application along.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let file = open(how)?;
        check_format(&file, how)?;
        Ok(file)
    }));
    opened.unwrap_or_else(|_| Err(Problem::damaged()))
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

/// Makes the file under another name and links it to its own name when it is complete. So an incomplete file, which redb
/// would refuse forever, is never found there. If another process was quicker, its file is kept.
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
