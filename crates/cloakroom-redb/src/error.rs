use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::{fmt, io};

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
    pub(crate) fn damaged() -> Self {
        Self::Failed(redb::Error::Corrupted(
            "the file is damaged; move it away to begin with a new one".into(),
        ))
    }

    pub(crate) fn at(self, path: &Path) -> OpenError {
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
