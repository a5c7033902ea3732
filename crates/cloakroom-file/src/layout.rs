//! The names and the times of the files. Names are hexadecimal digits of hashes and numbers: nothing that a client sent
//! becomes a path. A record's expiry is its file's modification time, so that a touch writes nothing else.

use std::collections::BinaryHeap;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cloakroom_store::codec::hex;
use cloakroom_store::{Key, Subject, Timestamp};
use sha2::{Digest, Sha256};

/// The paths inside of a store's folder.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
    /// `sessions/3f/3f2a…`: a record under its key.
    pub(crate) sessions: PathBuf,
    /// `subjects/a1/a1b2…/3f2a…`: an empty file says that the subject of that hash has the session of that key.
    pub(crate) subjects: PathBuf,
    /// `leases/3f2a…`: who has that session to itself, and until when.
    pub(crate) leases: PathBuf,
    /// `locks/17`: locked while a record is changed.
    pub(crate) locks: PathBuf,
    /// `instances/c0ffee…`: locked by an open store as long as it lives.
    pub(crate) instances: PathBuf,
    /// `drafts/c0ffee….7`: what that open store is about to put into place.
    pub(crate) drafts: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
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
    pub(crate) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.sessions, &self.subjects, &self.leases, &self.locks, &self.instances, &self.drafts].into_iter()
    }

    /// Says that the folder is a store, and of which version.
    pub(crate) fn marker(&self) -> PathBuf {
        self.root.join("cloakroom")
    }

    /// The folder of the records whose keys begin with this byte.
    pub(crate) fn shard(&self, byte: u8) -> PathBuf {
        Self::shard_in(&self.sessions, byte)
    }

    pub(crate) fn shard_in(parent: &Path, byte: u8) -> PathBuf {
        parent.join(hex(&[byte]).to_string())
    }

    pub(crate) fn shard_of(&self, key: &Key) -> PathBuf {
        self.shard(key.as_bytes()[0])
    }

    pub(crate) fn record(&self, key: &Key) -> PathBuf {
        self.shard_of(key).join(key.to_string())
    }

    pub(crate) fn lease(&self, key: &Key) -> PathBuf {
        self.leases.join(key.to_string())
    }

    pub(crate) fn subject_shard(&self, byte: u8) -> PathBuf {
        Self::shard_in(&self.subjects, byte)
    }

    /// The folder of the markers of one subject.
    pub(crate) fn subject(&self, subject: &Subject) -> PathBuf {
        let hash = Sha256::digest(subject.as_str());
        self.subject_shard(hash[0]).join(hex(&hash).to_string())
    }

    /// The files in a folder that are named by keys; anything else in it is passed over.
    ///
    /// # Errors
    /// As [`fs::read_dir`].
    pub(crate) fn keys_in(
        folder: &Path,
    ) -> io::Result<impl Iterator<Item = io::Result<(Key, DirEntry)>> + use<>> {
        Ok(fs::read_dir(folder)?.filter_map(|entry| match entry {
            Ok(entry) => entry.file_name().to_str()?.parse().ok().map(|key| Ok((key, entry))),
            Err(error) => Some(Err(error)),
        }))
    }

    /// The first `limit` keys in a folder that come after `last`, in order; no more than these are held in memory.
    ///
    /// # Errors
    /// As [`fs::read_dir`].
    pub(crate) fn keys_after(folder: &Path, last: Option<Key>, limit: usize) -> io::Result<Vec<Key>> {
        let mut first = BinaryHeap::new();
        for found in Self::keys_in(folder)? {
            let (key, _) = found?;
            if Some(key) > last {
                first.push(key);
                if first.len() > limit {
                    first.pop();
                }
            }
        }
        Ok(first.into_sorted_vec())
    }
}

/// How far into the future the file system's times go.
///
/// An expiry beyond that is kept in the record alone, and the file's time says no more than "at least".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpiryTimes {
    furthest: Timestamp,
}

impl ExpiryTimes {
    /// What file systems of today can do: 2400-01-01. (ext4 with inodes of 256 bytes ends in 2446, XFS with `bigtime` in
    /// 2486.)
    pub(crate) const FAR: Self = Self { furthest: Timestamp::from_millis(13_569_465_600_000) };
    /// What older ones can do, with seconds of 32 bits: 2038-01-01.
    pub(crate) const NEAR: Self = Self { furthest: Timestamp::from_millis(2_145_916_800_000) };

    /// The time to give to the file of a record with this expiry.
    pub(crate) fn to_modified(self, expires_at: Timestamp) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(expires_at.min(self.furthest).as_millis())
    }

    /// The expiry of a record whose file has this time, and which was written with that expiry.
    pub(crate) fn expiry(self, modified: SystemTime, written: Timestamp) -> Timestamp {
        self.told(modified).unwrap_or(written)
    }

    /// The expiry of a record as far as its file's time tells it; `None` if only the record does.
    pub(crate) fn told(self, modified: SystemTime) -> Option<Timestamp> {
        Some(timestamp(modified)).filter(|told| self.fits(*told))
    }

    /// Whether a record whose file has this time may have an expiry before `cutoff`.
    pub(crate) fn may_be_before(self, modified: SystemTime, cutoff: Timestamp) -> bool {
        timestamp(modified) < cutoff
    }

    /// The latest time that a file is given to say an expiry of its own.
    pub(crate) fn last_modified(self) -> SystemTime {
        self.to_modified(self.furthest.saturating_sub(Duration::from_millis(1)))
    }

    /// Whether the file's time alone can say it.
    pub(crate) fn fits(self, expires_at: Timestamp) -> bool {
        expires_at < self.furthest
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().saturating_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expiry_is_read_back_as_it_was_written() {
        for times in [ExpiryTimes::FAR, ExpiryTimes::NEAR] {
            let furthest = times.furthest.as_millis();
            for millis in [0, 1, 1_999, furthest - 1, furthest, furthest + 1, Timestamp::MAX.as_millis()] {
                let written = Timestamp::from_millis(millis);
                assert_eq!(times.expiry(times.to_modified(written), written), written);
            }
        }
    }

    #[test]
    fn a_files_time_before_1970_is_long_expired() {
        let modified = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(ExpiryTimes::FAR.expiry(modified, Timestamp::MAX), Timestamp::default());
    }

    #[test]
    fn a_page_of_keys_is_the_first_after_the_last_one_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<_> = (0..9).map(|number| Key::new([number; Key::LEN])).collect();
        for key in keys.iter().rev() {
            fs::write(folder.path().join(key.to_string()), "").unwrap();
        }
        fs::write(folder.path().join("notes"), "").unwrap();
        let after = |last, limit| Layout::keys_after(folder.path(), last, limit).unwrap();
        assert_eq!(after(None, 4), keys[..4]);
        assert_eq!(after(Some(keys[3]), 4), keys[4..8]);
        assert_eq!(after(Some(keys[7]), 4), keys[8..]);
        assert_eq!(after(Some(keys[8]), 4), []);
    }
}
