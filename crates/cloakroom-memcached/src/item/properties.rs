//! What holds for every input: checked by the tests and by the fuzz targets.

use std::sync::LazyLock;

use cloakroom_store::Revision;

use super::*;

/// Bytes are refused, or are exactly what writing the item they hold gives again.
///
/// `data` is tried as it is, and as a lease with a sound record after it.
pub fn an_item_is_refused_or_written_again_as_it_was(data: &[u8]) {
    check(data);
    let lease = &data[..data.len().min(LEASE_LEN)];
    check(&[lease, &*RECORD].concat());
}

fn check(data: &[u8]) {
    if let Ok(item) = Item::read(&KEY, data) {
        assert_eq!(item.write(&KEY), data);
    }
}

const KEY: Key = Key::new([7; 32]);
static RECORD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let record = Record::new(Revision::new(1), Timestamp::from_millis(2), b"data".as_slice());
    encode(&KEY, &record)
});
