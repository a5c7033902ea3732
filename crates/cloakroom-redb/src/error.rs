use std::io;
use std::path::Path;

use cloakroom_store::OpenError;

/// Why a file cannot be opened, before its path is known.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The file is open already, in another process or elsewhere in this one.
    InUse,
    /// There is something else: another program's file, or no database at all.
    Foreign,
    /// A version of this crate, or of redb, wrote the file that this one does not know.
    Version(u64),
    /// The file cannot be read or written, or is damaged beyond redb's repair.
    Failed(redb::Error),
}

impl Problem {
    pub(crate) fn damaged() -> Self {
        Self::Failed(redb::Error::Corrupted(
            "the file is damaged; move it away to begin with a new one".into(),
        ))
    }

    /// The error for this file, which says what to change.
    pub(crate) fn at(self, path: &Path) -> OpenError {
        let path = path.display();
        let error = match self {
            Self::InUse => {
                return OpenError::refused(format!(
                    "{path} is in use: a session file belongs to one process; stop the other one, or give each a \
                     file of its own"
                ));
            }
            Self::Foreign => {
                return OpenError::refused(format!(
                    "{path} is not a session file and is left unchanged: choose another path"
                ));
            }
            Self::Version(found) => {
                return OpenError::refused(format!(
                    "{path} has format version {found}, which this version of cloakroom-redb does not know: open it \
                     with a later version"
                ));
            }
            Self::Failed(error) => error,
        };
        match &error {
            redb::Error::Io(cause) if cause.kind() == io::ErrorKind::NotFound => OpenError::refused(format!(
                "cannot make the session file {path}: its folder does not exist; create it"
            )),
            redb::Error::Io(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                OpenError::refused(format!(
                    "cannot write the session file {path}: give this process the rights to it and its folder"
                ))
            }
            _ => OpenError::other(format!("cannot open the session file {path}")),
        }
        .because(error)
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
