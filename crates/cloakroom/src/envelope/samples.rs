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
    let values = values.iter().map(|(key, value)| (key.as_str(), std::slice::from_ref(value)));
    let bytes = write(&header(0, 0, 0), values).into();
    read(&bytes).expect("what was just written").1
}
