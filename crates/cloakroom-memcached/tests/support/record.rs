//! Keys and records to put somewhere.

use cloakroom_store::{Key, Record, Revision, Timestamp};

pub(crate) fn key(n: u64) -> Key {
    let mut bytes = [0x5A; Key::LEN];
    // The first bytes choose the server.
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    bytes[8..16].copy_from_slice(&n.to_be_bytes());
    Key::new(bytes)
}

/// Alive in the year 2100.
pub(crate) fn record(revision: u64, data: &[u8]) -> Record {
    Record { revision: Revision::new(revision), expires_at: at(0), subject: None, data: data.into() }
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(4_102_444_800_000 + millis)
}
