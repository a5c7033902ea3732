//! Made-up sessions for the tests of what works on them.

use std::collections::BTreeMap;

use super::*;

/// A header in which everything but the verifier and the times of its beginning and end is left out.
pub(crate) fn header(verifier: u8, created_at: u64, ends_at: u64) -> Header {
    Header {
        verifier: Verifier::new([verifier; Verifier::LEN]),
        secret_since: Timestamp::from_millis(created_at),
        previous: None,
        created_at: Timestamp::from_millis(created_at),
        ends_at: Timestamp::from_millis(ends_at),
        authenticated_at: None,
        remembered: None,
        address: None,
        ended: false,
    }
}

/// Stored entries, each with a value of one byte.
pub(crate) fn entries(values: &BTreeMap<String, u8>) -> Entries {
    let values: Vec<_> =
        values.iter().map(|(key, value)| (key.as_str(), std::slice::from_ref(value))).collect();
    envelope(header(0, 0, 0), &values, &[]).entries
}

/// A session with these entries, ascending by key, and these tags, ascending by number.
pub(crate) fn envelope(header: Header, entries: &[(&str, &[u8])], tags: &[Vec<u8>]) -> Envelope {
    let size = entries.iter().fold(Size::default(), |size, (key, value)| size.plus(key, value.len()));
    write(header, size, entries.iter().copied(), tags.iter().map(Vec::as_slice))
}

/// A tag, as it is stored: number and bits in one, then length and value.
pub(crate) fn tag(number: u16, bits: u16, value: &[u8]) -> Vec<u8> {
    let head = number | bits << 12;
    [&head.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat()
}

/// The numbers of all tags there are.
pub(crate) fn numbers(extensions: &Extensions) -> Vec<u16> {
    extensions.with(Bits::default()).map(|tag| u16::from_le_bytes([tag[0], tag[1]]) & 0x0fff).collect()
}
