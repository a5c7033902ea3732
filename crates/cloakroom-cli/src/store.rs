//! The one place that maps what a person writes to a store.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

#[cfg(unix)]
use cloakroom::stores::FileStore;
use cloakroom::stores::MemoryStore;
use cloakroom::{ConfigError, SessionManager, Settings};
use cloakroom_redb::RedbStore;

/// A store as written on the command line: `scheme:what` or a scheme alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    Memory,
    Redb(PathBuf),
    File(PathBuf),
}

const KNOWN: &str = "redb:PATH, file:FOLDER, memory";

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("memory", "") => Ok(Self::Memory),
            ("memory", _) => Err("memory takes no path; write `memory`".to_owned()),
            ("redb", "") => Err("redb needs a file; write `redb:PATH`".to_owned()),
            ("redb", path) => Ok(Self::Redb(path.into())),
            ("file", "") => Err("file needs a folder; write `file:FOLDER`".to_owned()),
            ("file", path) => Ok(Self::File(path.into())),
            (scheme, _) => Err(format!("there is no store `{scheme}`; known are {KNOWN}")),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redb(path) => write!(f, "redb:{}", path.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl StoreUrl {
    /// Opens the store.
    ///
    /// # Errors
    /// One line that says why it cannot be opened, and how to mend it.
    pub(crate) fn open(&self) -> Result<Opened, String> {
        match self {
            Self::Memory => Ok(Opened::Memory),
            Self::Redb(path) => {
                RedbStore::open(path).map(Opened::Redb).map_err(|error| match with_sources(&error) {
                    // Not every message says what to do; the way out is always the same.
                    what if error.source().is_some() => {
                        format!("{what}; choose another with --store redb:PATH")
                    }
                    what => what,
                })
            }
            #[cfg(unix)]
            Self::File(path) => FileStore::open(path).map(Opened::File).map_err(|error| error.to_string()),
            #[cfg(not(unix))]
            Self::File(_) => Err("file needs Unix; choose another with --store redb:PATH".to_owned()),
        }
    }

    /// What the choice means for the sessions.
    pub(crate) fn meaning(&self) -> &'static str {
        match self {
            Self::Memory => "Sessions live in this process and end with it.",
            Self::Redb(_) => "One embedded file: sessions survive a restart, and a crash.",
            Self::File(_) => {
                "A folder of files: sessions survive a crash, and several processes may share them."
            }
        }
    }
}

/// An error and everything below it, on one line.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text += &format!(": {error}");
        next = error.source();
    }
    text
}

/// An open store.
#[derive(Debug)]
pub(crate) enum Opened {
    Memory,
    Redb(RedbStore),
    #[cfg(unix)]
    File(FileStore),
}

impl Opened {
    /// Puts sessions on it.
    ///
    /// # Errors
    /// If a setting cannot be used.
    pub(crate) fn sessions(self, settings: Settings) -> Result<SessionManager, ConfigError> {
        match self {
            Self::Memory => SessionManager::new(MemoryStore::new(), settings),
            Self::Redb(store) => SessionManager::new(store, settings),
            #[cfg(unix)]
            Self::File(store) => SessionManager::new(store, settings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_read_back_as_it_is_printed() {
        for text in ["memory", "redb:./a:b.redb", "file:./sessions"] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_unknown_scheme_lists_the_known_ones() {
        let error = "mongodb://host".parse::<StoreUrl>().unwrap_err();
        assert_eq!(error, "there is no store `mongodb`; known are redb:PATH, file:FOLDER, memory");
    }

    #[test]
    fn a_store_without_its_path_says_what_to_write() {
        assert_eq!("redb".parse::<StoreUrl>().unwrap_err(), "redb needs a file; write `redb:PATH`");
        assert_eq!("file:".parse::<StoreUrl>().unwrap_err(), "file needs a folder; write `file:FOLDER`");
        assert_eq!("memory:x".parse::<StoreUrl>().unwrap_err(), "memory takes no path; write `memory`");
    }
}
