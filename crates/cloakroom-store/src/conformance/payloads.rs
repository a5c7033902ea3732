//! Every field comes back exactly, whatever is in it.

use super::harness::{Expiry, Harness};
use super::probe::{Probe, at, expiring, key, of, record};
use crate::error::{ErrorKind, Result};
use crate::record::Record;
use crate::timestamp::Timestamp;

/// A record may have no data at all; it is a record nevertheless.
pub async fn empty_data_is_data(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let empty = |n| with_data(&[], &record(n));
    store.put(key(1), &empty(1)).await;
    assert_eq!(store.stored(key(1)).await, Some(empty(1)));
    store.replace(key(1), &record(2), &empty(1)).await.expect("empty data can be replaced");
    store.replace(key(1), &empty(3), &record(2)).await.expect("data can be replaced by none");
    assert_eq!(store.stored(key(1)).await, Some(empty(3)));
}

/// Data comes back byte for byte: NUL, 0xff, line ends, broken UTF-8, quotes, trailing blanks.
pub async fn any_bytes_are_data(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let every_byte: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    let samples: [&[u8]; 11] = [
        b"\0",
        b"\0\0\0",
        b"a\0b",
        b"\xff",
        b"\xff\xfe\xfd",
        b"\r\n\n\r",
        b"\xc3\x28",
        b"'\"\\%_;--",
        b"  a  ",
        b"\x1f\x8b\x08\x00",
        &every_byte,
    ];
    for (n, data) in (1..).zip(samples) {
        let sample = with_data(data, &record(n));
        store.put(key(n), &sample).await;
        assert_eq!(&store.stored(key(n)).await.expect("it was created").data[..], data);
        store.replace(key(n), &sample, &sample).await.expect("replace succeeds");
        assert_eq!(&store.stored(key(n)).await.expect("it was replaced").data[..], data);
    }
}

/// 128 KiB of data are kept, twice what the engine stores in one record unless told otherwise.
pub async fn large_data_is_kept(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let large = with_data(&noise(128 << 10), &record(1));
    store.put(key(1), &large).await;
    assert_eq!(store.stored(key(1)).await, Some(large));
}

/// 1 MiB of data are kept whole, or refused as `TooLarge` with nothing changed; they are never cut.
pub async fn huge_data_is_kept_whole_or_refused(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let huge = with_data(&noise(1 << 20), &record(2));
    let created = store.create(key(1), &huge).await;
    let expected = whole_or_refused(&created).then(|| huge.clone());
    assert_eq!(store.stored(key(1)).await, expected);
    store.put(key(2), &record(1)).await;
    let replaced = store.replace(key(2), &huge, &record(1)).await;
    let expected = if whole_or_refused(&replaced) { huge } else { record(1) };
    assert_eq!(store.stored(key(2)).await, Some(expected));
}

/// Subjects come back byte for byte: letter case, blanks, both normal forms of an accent, NUL, 255 bytes.
pub async fn any_subject_is_kept_byte_for_byte(harness: &dyn Harness) {
    let store = Probe::new(harness);
    for (n, subject) in (1..).zip(odd_subjects()) {
        let created = of(&subject, &record(n));
        store.put(key(n), &created).await;
        assert_eq!(store.stored(key(n)).await, Some(created), "{subject:?}");
    }
}

/// All 64 bits of a revision are kept and compared.
pub async fn revisions_have_64_bits(harness: &dyn Harness) {
    const SIGN: u64 = 1 << 63;
    // Beyond 53 bits a double cannot tell neighbours apart.
    const DOUBLE: u64 = 1 << 53;
    let store = Probe::new(harness);
    let pairs = [
        (0, 1),
        (0, SIGN),
        (u64::MAX, u64::MAX - 1),
        (SIGN, SIGN - 1),
        (SIGN | 1, 1),
        (DOUBLE, DOUBLE + 1),
        (u64::MAX, u64::MAX >> 1),
        (1 << 32, 0),
    ];
    for (n, (revision, other)) in (1..).zip(pairs) {
        store.put(key(n), &record(revision)).await;
        assert_eq!(store.stored(key(n)).await, Some(record(revision)));
        let conflict = store.replace(key(n), &record(5), &record(other)).await.map_err(|error| error.kind());
        assert_eq!(conflict, Err(ErrorKind::Conflict), "{revision} is not {other}");
        store.replace(key(n), &record(other), &record(revision)).await.expect("replace succeeds");
        assert_eq!(store.stored(key(n)).await, Some(record(other)));
    }
}

/// Expiries are kept to the millisecond, from the epoch to the last timestamp there is.
pub async fn timestamps_are_kept_to_the_millisecond(harness: &dyn Harness) {
    let store = Probe::new(harness);
    let times = [0, 1, 999, 1 << 31, 1 << 32, (1 << 53) + 1, Timestamp::MAX.as_millis() - 1, u64::MAX];
    for (n, expires_at) in (1..).zip(times.map(Timestamp::from_millis)) {
        if harness.expiry() == Expiry::Native && expires_at < at(0) {
            continue; // The backend may have removed that by now.
        }
        store.put(key(n), &expiring(expires_at, &record(1))).await;
        assert_eq!(store.stored(key(n)).await.map(|stored| stored.expires_at), Some(expires_at));
        store
            .replace(key(n), &expiring(at(n as i64), &record(2)), &record(1))
            .await
            .expect("replace succeeds");
        assert_eq!(store.stored(key(n)).await.map(|stored| stored.expires_at), Some(at(n as i64)));
    }
}

/// Subjects that careless stores confuse, no two of them the same.
pub(super) fn odd_subjects() -> Vec<String> {
    let odd = [
        "a",
        "A",
        "a ",
        " a",
        "a\0",
        "\0",
        "\0a",
        "\u{e9}",
        "e\u{301}",
        "\u{c9}",
        "\u{df}",
        "ss",
        "\u{1f9f3}",
        "\u{fffd}",
        "%",
        "_",
        "*",
        "a:b",
        "a/b",
        "../a",
        "'a'",
        "a\nb",
        "1",
        "01",
    ];
    let longest = ["x".repeat(255), "x".repeat(254) + "y", "\u{e9}".repeat(127) + "z"];
    odd.map(String::from).into_iter().chain(longest).collect()
}

fn whole_or_refused(result: &Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TooLarge, "1 MiB is kept or too large");
            false
        }
    }
}

fn with_data(data: &[u8], record: &Record) -> Record {
    Record { data: data.into(), ..record.clone() }
}

/// Bytes that do not repeat soon, so that a part is never mistaken for the whole.
fn noise(len: usize) -> Vec<u8> {
    (0_u32..).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).take(len).collect()
}
