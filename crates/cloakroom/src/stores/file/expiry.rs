//! A record's expiry is its file's modification time, so that a touch writes nothing else.

use std::time::{Duration, SystemTime};

use cloakroom_store::Timestamp;

/// How far into the future the file system's times go.
///
/// An expiry beyond that is kept in the record alone, and the file's time says no more than "at least".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiry {
    furthest: Timestamp,
}

impl Expiry {
    /// What file systems of today can do: 2400-01-01. (ext4 with inodes of 256 bytes ends in 2446, XFS with `bigtime` in
    /// 2486.)
    pub(super) const FAR: Self = Self { furthest: Timestamp::from_millis(13_569_465_600_000) };
    /// What older ones can do, with seconds of 32 bits: 2038-01-01.
    pub(super) const NEAR: Self = Self { furthest: Timestamp::from_millis(2_145_916_800_000) };

    /// The time to give to the file of a record with this expiry.
    pub(super) fn to_modified(self, expires_at: Timestamp) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(expires_at.min(self.furthest).as_millis())
    }

    /// The expiry of a record whose file has this time, and which was written with that expiry.
    pub(super) fn of(self, modified: SystemTime, written: Timestamp) -> Timestamp {
        let touched = timestamp(modified);
        if touched < self.furthest { touched } else { written }
    }

    /// Whether a record whose file has this time may have an expiry before `cutoff`.
    pub(super) fn may_be_before(self, modified: SystemTime, cutoff: Timestamp) -> bool {
        timestamp(modified) < cutoff
    }

    /// The latest time that a file is given to say an expiry of its own.
    pub(super) fn last_modified(self) -> SystemTime {
        self.to_modified(self.furthest.saturating_sub(Duration::from_millis(1)))
    }

    /// Whether the file's time alone can say it.
    pub(super) fn fits(self, expires_at: Timestamp) -> bool {
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
        for expiry in [Expiry::FAR, Expiry::NEAR] {
            let furthest = expiry.furthest.as_millis();
            for millis in [0, 1, 1_999, furthest - 1, furthest, furthest + 1, Timestamp::MAX.as_millis()] {
                let written = Timestamp::from_millis(millis);
                assert_eq!(expiry.of(expiry.to_modified(written), written), written);
            }
        }
    }

    #[test]
    fn a_files_time_before_1970_is_long_expired() {
        let modified = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Expiry::FAR.of(modified, Timestamp::MAX), Timestamp::default());
    }
}
