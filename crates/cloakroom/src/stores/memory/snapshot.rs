//! All sessions in one file, between two runs.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `CRMEMORY` |
//! | 1 | version: 1 |
//! | | then for each record: |
//! | 4 | length of the record, little-endian like all numbers here; never 0 |
//! | 32 | its key |
//! | n | the record as [`cloakroom_store::encode`] writes it, checksum included |
//! | | and at the end: |
//! | 4 | 0 |
//! | 8 | how many records there were |

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use cloakroom_store::{Error, ErrorKind, Key, OpenError, Record, Result, decode, encode};

/// Calls `insert` with each record of the snapshot, then removes the file. Without a file there are no records.
pub(super) fn restore(path: &Path, insert: impl FnMut(&Key, &Record) -> Result<()>) -> Result<(), OpenError> {
    if !folder(path).is_dir() {
        return Err(Unusable::NoFolder.at(path));
    }
    let file = match File::open(path) {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(|source| Unusable::Io(source).at(path))?,
    };
    read(BufReader::new(file), insert).map_err(|reason| reason.at(path))?;
    fs::remove_file(path)
        .and_then(|()| sync_folder(path))
        .map_err(|source| Unusable::Unremovable(source).at(path))
}

/// Replaces the snapshot, or leaves it as it was.
pub(super) fn write(path: &Path, records: impl Iterator<Item = (Key, Record)>) -> io::Result<()> {
    let mut temporary = OsString::from(path);
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    write_new(&temporary, records)
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
        .and_then(|()| sync_folder(path))
        .map_err(|error| {
            io::Error::new(error.kind(), format!("cannot write the snapshot {}: {error}", path.display()))
        })
}

fn write_new(path: &Path, records: impl Iterator<Item = (Key, Record)>) -> io::Result<()> {
    // One left behind by a crash is not written into: it may have other permissions, or be a link.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = BufWriter::new(options.open(path)?);
    out.write_all(MAGIC)?;
    out.write_all(&[VERSION])?;
    let mut count: u64 = 0;
    for (key, record) in records {
        let bytes = encode(&key, &record);
        let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        out.write_all(&len.to_le_bytes())?;
        out.write_all(key.as_bytes())?;
        out.write_all(&bytes)?;
        count += 1;
    }
    out.write_all(&[0; 4])?;
    out.write_all(&count.to_le_bytes())?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn read(mut file: impl Read, mut insert: impl FnMut(&Key, &Record) -> Result<()>) -> Result<(), Unusable> {
    if take(&mut file)? != *MAGIC {
        return Err(Unusable::Damaged("it does not begin like one"));
    }
    if take(&mut file)? != [VERSION] {
        return Err(Unusable::Later);
    }
    let mut count: u64 = 0;
    loop {
        let len = u32::from_le_bytes(take(&mut file)?);
        if len == 0 {
            break;
        }
        let key = Key::new(take(&mut file)?);
        let mut bytes = Vec::new();
        file.by_ref().take(len.into()).read_to_end(&mut bytes)?;
        let record = decode(&key, &bytes)?;
        insert(&key, &record)?;
        count += 1;
    }
    if u64::from_le_bytes(take(&mut file)?) != count {
        return Err(Unusable::Damaged("records are missing"));
    }
    match file.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(Unusable::Damaged("it goes on after its end")),
    }
}

fn take<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Makes a rename or a removal last. Only Unix lets a folder be synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != "" => folder,
        _ => Path::new("."),
    }
}

/// Why a store cannot begin with a snapshot.
enum Unusable {
    NoFolder,
    Io(io::Error),
    Unremovable(io::Error),
    Damaged(&'static str),
    /// A later version wrote the file or a record in it.
    Later,
    TooMany,
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("its end is missing"),
            _ => Self::Io(error),
        }
    }
}

impl From<Error> for Unusable {
    /// An error of [`decode`] or of the store for one record.
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Full => Self::TooMany,
            ErrorKind::UnknownVersion => Self::Later,
            ErrorKind::Exists => Self::Damaged("a key occurs twice"),
            _ => Self::Damaged("a record is not what was written"),
        }
    }
}

impl Unusable {
    /// The error for this file, which says what to change.
    fn at(self, path: &Path) -> OpenError {
        let path = path.display();
        match self {
            Self::NoFolder => {
                OpenError::refused(format!("the folder of the snapshot {path} does not exist; create it"))
            }
            Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => OpenError::refused(
                format!("the snapshot {path} cannot be read; give this process the rights to it"),
            )
            .because(error),
            Self::Io(error) => OpenError::other(format!("the snapshot {path} cannot be read")).because(error),
            Self::Unremovable(error) => OpenError::refused(format!(
                "the snapshot {path} cannot be removed after reading, and must not be used twice; give this \
                 process the rights to its folder"
            ))
            .because(error),
            Self::Damaged(how) => OpenError::other(format!(
                "{path} is not a whole snapshot ({how}) and is left unchanged; restore it, or move it away to start \
                 without its sessions"
            )),
            Self::Later => OpenError::refused(format!(
                "a later version of cloakroom wrote the snapshot {path}, which is left unchanged; start that version, \
                 or move it away to start without its sessions"
            )),
            Self::TooMany => OpenError::config(format!(
                "the snapshot {path} has more sessions than max_sessions and max_bytes allow; raise them, or move it \
                 away to start without its sessions"
            )),
        }
    }
}

const MAGIC: &[u8; 8] = b"CRMEMORY";
const VERSION: u8 = 1;
