//! Keys and records to put somewhere.

use std::fmt;
use std::time::Duration;

use cloakroom_store::{Applied, Claim, ErrorKind, Key, LeaseId, Record, Result, Revision, Timestamp};

pub(crate) const CLEARLY_NOT: ErrorKind = ErrorKind::Unavailable(Applied::No);
pub(crate) const MAYBE: ErrorKind = ErrorKind::Unavailable(Applied::Maybe);

/// What a call failed with.
pub(crate) fn kind<T: fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// A claim for a minute by this holder.
pub(crate) fn claim(holder: u64, now: Timestamp) -> Claim {
    Claim::new(LeaseId::new(holder), now, Duration::from_secs(60), Revision::new(holder))
}

pub(crate) fn key(n: u64) -> Key {
    let mut bytes = [0x5A; Key::LEN];
    // The first bytes choose the server.
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    bytes[8..16].copy_from_slice(&n.to_be_bytes());
    Key::new(bytes)
}

/// Alive in the year 2100.
pub(crate) fn record(revision: u64, data: &[u8]) -> Record {
    Record::new(Revision::new(revision), at(0), data)
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(4_102_444_800_000 + millis)
}
