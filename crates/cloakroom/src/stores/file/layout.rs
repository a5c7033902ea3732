//! Where everything is. Names are hexadecimal digits of hashes and numbers: nothing that a client sent becomes a
//! path.

use std::fmt::Write;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use cloakroom_store::{Key, Subject};
use sha2::{Digest, Sha256};

/// The paths inside of a store's folder.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
    /// `sessions/3f/3f2a…`: a record under its key.
    pub(super) sessions: PathBuf,
    /// `subjects/a1/a1b2…/3f2a…`: an empty file says that the subject of that hash has the session of that key.
    pub(super) subjects: PathBuf,
    /// `leases/3f2a…`: who has that session to itself, and until when.
    pub(super) leases: PathBuf,
    /// `locks/17`: locked while a record is changed.
    pub(super) locks: PathBuf,
    /// `instances/c0ffee…`: locked by an open store as long as it lives.
    pub(super) instances: PathBuf,
    /// `drafts/c0ffee….7`: what that open store is about to put into place.
    pub(super) drafts: PathBuf,
}

impl Layout {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            sessions: root.join("sessions"),
            subjects: root.join("subjects"),
            leases: root.join("leases"),
            locks: root.join("locks"),
            instances: root.join("instances"),
            drafts: root.join("drafts"),
            root,
        }
    }

    /// The folders in the root.
    pub(super) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.sessions, &self.subjects, &self.leases, &self.locks, &self.instances, &self.drafts].into_iter()
    }

    /// Says that the folder is a store, and of which version.
    pub(super) fn marker(&self) -> PathBuf {
        self.root.join("cloakroom")
    }

    /// The folder of the records whose keys begin with this byte.
    pub(super) fn shard(&self, byte: u8) -> PathBuf {
        Self::shard_in(&self.sessions, byte)
    }

    pub(super) fn shard_in(parent: &Path, byte: u8) -> PathBuf {
        parent.join(hex(&[byte]))
    }

    pub(super) fn shard_of(&self, key: &Key) -> PathBuf {
        self.shard(key.as_bytes()[0])
    }

    pub(super) fn record(&self, key: &Key) -> PathBuf {
        self.shard_of(key).join(key.to_string())
    }

    pub(super) fn lease(&self, key: &Key) -> PathBuf {
        self.leases.join(key.to_string())
    }

    pub(super) fn subject_shard(&self, byte: u8) -> PathBuf {
        Self::shard_in(&self.subjects, byte)
    }

    /// The folder of the markers of one subject.
    pub(super) fn subject(&self, subject: &Subject) -> PathBuf {
        let hash = Sha256::digest(subject.as_str());
        self.subject_shard(hash[0]).join(hex(&hash))
    }

    /// The sessions in a folder whose files are named by their keys; anything else in it is passed over.
    ///
    /// # Errors
    /// As [`fs::read_dir`].
    pub(super) fn keys_in(
        folder: &Path,
    ) -> io::Result<impl Iterator<Item = io::Result<(Key, DirEntry)>> + use<>> {
        Ok(fs::read_dir(folder)?.filter_map(|entry| match entry {
            Ok(entry) => entry.file_name().to_str()?.parse().ok().map(|key| Ok((key, entry))),
            Err(error) => Some(Err(error)),
        }))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
