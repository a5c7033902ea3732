//! A session as the value of one item: its lease, then the record as every store writes it.

use cloakroom_store::codec::strip_prefix;
use cloakroom_store::{Error, ErrorKind, Key, LeaseId, Record, Result, Timestamp, decode, encode};

/// What is kept under one key. Every change writes all of it, since memcached replaces items whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) lease: Option<Lease>,
    pub(crate) record: Record,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) holder: LeaseId,
    pub(crate) until: Timestamp,
}

impl Item {
    /// The item as bytes. A lease takes the same space whether it is held or not, so that no session is too large to be
    /// leased.
    ///
    /// | bytes | what |
    /// | --- | --- |
    /// | 1 | version: 1 |
    /// | 1 | 1 if the lease is held, 0 if it is free |
    /// | 8 | its holder, little-endian; 0 if it is free |
    /// | 8 | until when, milliseconds since the Unix epoch, little-endian; 0 if it is free |
    /// | n | the record, as [`encode`] writes it |
    pub(crate) fn write(&self, key: &Key) -> Vec<u8> {
        let (held, holder, until) = match self.lease {
            Some(lease) => (HELD, lease.holder.get(), lease.until.as_millis()),
            None => (FREE, 0, 0),
        };
        let record = encode(key, &self.record);
        let mut out = Vec::with_capacity(LEASE_LEN + record.len());
        out.extend_from_slice(&[VERSION, held]);
        out.extend_from_slice(&holder.to_le_bytes());
        out.extend_from_slice(&until.to_le_bytes());
        out.extend_from_slice(&record);
        out
    }

    /// Reads what [`write`](Self::write) wrote for this key.
    ///
    /// In every version the record begins at the same byte, so that an item of a later version can be told from a damaged one.
    pub(crate) fn read(key: &Key, bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        if bytes.first().is_some_and(|version| *version != VERSION) {
            return Err(other_version(key, bytes.get(LEASE_LEN..).unwrap_or_default()));
        }
        let [_, held] = take(&mut rest)?;
        let holder = u64::from_le_bytes(take(&mut rest)?);
        let until = u64::from_le_bytes(take(&mut rest)?);
        let lease = match held {
            FREE if (holder, until) == (0, 0) => None,
            HELD if until <= Timestamp::MAX.as_millis() => {
                Some(Lease { holder: LeaseId::new(holder), until: Timestamp::from_millis(until) })
            }
            _ => return Err(Error::corrupt("not a lease")),
        };
        Ok(Self { lease, record: decode(key, rest)? })
    }
}

/// The error of an item whose first byte is not our version, by the record that is in it.
fn other_version(key: &Key, record: &[u8]) -> Error {
    match strip_prefix(key, record).err().filter(|error| error.kind() != ErrorKind::UnknownVersion) {
        Some(_) => Error::corrupt("not an item"),
        None => Error::unknown_version("the item has another version"),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (array, tail) = rest.split_first_chunk().ok_or_else(|| Error::corrupt("too short"))?;
    *rest = tail;
    Ok(*array)
}

const VERSION: u8 = 1;
const FREE: u8 = 0;
const HELD: u8 = 1;
/// What comes before the record.
const LEASE_LEN: usize = 2 + 8 + 8;

#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(test)]
mod tests;
