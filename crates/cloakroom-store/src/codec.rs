//! What stores share: a record as one run of bytes that carries its own key and a checksum, for backends that keep blobs; the
//! prefix of such a record, for backends that keep its parts in columns; and two helpers.

use crate::crc32::crc32;
use crate::error::{Error, Result};
pub use crate::hex::hex;
pub use crate::jitter::jitter;
use crate::key::Key;
use crate::record::{Record, Revision, Subject};
use crate::timestamp::Timestamp;

/// Encodes a record, its key and a checksum as one run of bytes.
///
/// | bytes | content |
/// | --- | --- |
/// | 2 | `CR` |
/// | 1 | version: 1 |
/// | 32 | key |
/// | 8 | revision, little-endian like all numbers here |
/// | 8 | expiry, milliseconds since the Unix epoch |
/// | 1 | length of the subject, 0 for none |
/// | n | subject, UTF-8 |
/// | 4 | length of the data |
/// | n | data |
/// | 4 | CRC-32 (IEEE 802.3) of everything before |
///
/// Later versions keep the first two bytes, the byte of the version, and the checksum at the end, so that every version can
/// tell a later record from a damaged one.
///
/// # Panics
/// If the data is 4 GiB or longer.
pub fn encode(key: &Key, record: &Record) -> Vec<u8> {
    let subject = record.subject.as_ref().map_or("", Subject::as_str);
    let mut out = Vec::with_capacity(FIXED_LEN + subject.len() + record.data.len());
    out.extend_from_slice(&prefix(key));
    out.extend_from_slice(&record.revision.get().to_le_bytes());
    out.extend_from_slice(&record.expires_at.as_millis().to_le_bytes());
    out.push(u8::try_from(subject.len()).expect("a subject has at most 255 bytes"));
    out.extend_from_slice(subject.as_bytes());
    out.extend_from_slice(&u32::try_from(record.data.len()).expect("data below 4 GiB").to_le_bytes());
    out.extend_from_slice(&record.data);
    let checksum = crc32(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// Decodes what [`encode`] wrote for this key.
///
/// The checksum is checked first, then the version.
///
/// # Errors
/// - [`Corrupt`](crate::ErrorKind::Corrupt) if the bytes are damaged, are no record, or are the record of another key.
/// - [`UnknownVersion`](crate::ErrorKind::UnknownVersion) if they are an intact record of another version.
pub fn decode(key: &Key, bytes: &[u8]) -> Result<Record> {
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or_else(|| Error::corrupt("too short"))?;
    if crc32(body) != u32::from_le_bytes(*checksum) {
        return Err(Error::corrupt("checksum mismatch"));
    }
    let mut rest = strip_prefix(key, body)?;
    let revision = Revision::new(u64::from_le_bytes(take_array(&mut rest)?));
    let expires_at = Timestamp::from_millis(u64::from_le_bytes(take_array(&mut rest)?));
    let [subject_len] = take_array(&mut rest)?;
    let subject = match take(&mut rest, usize::from(subject_len))? {
        [] => None,
        bytes => {
            Some(Subject::new(std::str::from_utf8(bytes).map_err(Error::corrupt)?).map_err(Error::corrupt)?)
        }
    };
    let data_len = u32::from_le_bytes(take_array(&mut rest)?);
    if rest.len() != data_len as usize {
        return Err(Error::corrupt("wrong length"));
    }
    Ok(Record::new(revision, expires_at, rest).with_subject(subject))
}

/// The length of [`prefix`] in bytes.
pub const PREFIX_LEN: usize = MAGIC.len() + 1 + Key::LEN;

/// The first bytes of what [`encode`] writes: `CR`, the version, and the key.
///
/// A store that keeps revision, expiry and subject in columns of their own puts these bytes before the data, and removes
/// them with [`strip_prefix`].
pub fn prefix(key: &Key) -> [u8; PREFIX_LEN] {
    let mut prefix = [0; PREFIX_LEN];
    prefix[..MAGIC.len()].copy_from_slice(MAGIC);
    prefix[MAGIC.len()] = VERSION;
    prefix[MAGIC.len() + 1..].copy_from_slice(key.as_bytes());
    prefix
}

/// Checks that `bytes` begin with the [`prefix`] of this key, and returns what follows it.
///
/// # Errors
/// - [`Corrupt`](crate::ErrorKind::Corrupt) if they are too short, do not begin with `CR`, or carry another key.
/// - [`UnknownVersion`](crate::ErrorKind::UnknownVersion) if they have another version, whatever their key.
pub fn strip_prefix<'a>(key: &Key, bytes: &'a [u8]) -> Result<&'a [u8]> {
    let (found, rest) = bytes.split_first_chunk::<PREFIX_LEN>().ok_or_else(|| Error::corrupt("too short"))?;
    let [m, n, version, found_key @ ..] = found;
    if [*m, *n] != *MAGIC {
        return Err(Error::corrupt("not a record"));
    }
    if *version != VERSION {
        return Err(Error::unknown_version(format!("the record has version {version}")));
    }
    if found_key != key.as_bytes() {
        return Err(Error::corrupt("the record of another key"));
    }
    Ok(rest)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8]> {
    rest.split_off(..len).ok_or_else(|| Error::corrupt("too short"))
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (array, tail) = rest.split_first_chunk().ok_or_else(|| Error::corrupt("too short"))?;
    *rest = tail;
    Ok(*array)
}

const MAGIC: &[u8; 2] = b"CR";
const VERSION: u8 = 1;
/// Everything but the subject and the data.
const FIXED_LEN: usize = PREFIX_LEN + 8 + 8 + 1 + 4 + 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn sample() -> (Key, Record) {
        let record = Record::new(
            Revision::new(u64::MAX - 1),
            Timestamp::from_millis(1_700_000_000_123),
            [0, 0xff, b'x'].as_slice(),
        );
        (Key::new([7; 32]), record.with_subject(Subject::new("ren\u{e9}\0").unwrap()))
    }

    /// The bytes are written out, because what is stored already must stay readable. The checksum is that of Python's
    /// `zlib.crc32`.
    #[test]
    fn a_record_is_these_bytes() {
        let record = Record::new(Revision::new(0x0102), Timestamp::from_millis(0x0304), [0xff, 0].as_slice())
            .with_subject(Subject::new("ann").unwrap());
        #[rustfmt::skip]
        let rest = [
            0x02, 0x01, 0, 0, 0, 0, 0, 0, // revision
            0x04, 0x03, 0, 0, 0, 0, 0, 0, // expiry
            3, b'a', b'n', b'n',          // subject
            2, 0, 0, 0, 0xff, 0,          // data
            0xa2, 0x51, 0xe3, 0x81,       // checksum
        ];
        let bytes = [b"CR\x01", &[7; 32][..], &rest].concat();
        assert_eq!(encode(&Key::new([7; 32]), &record), bytes);
        assert_eq!(decode(&Key::new([7; 32]), &bytes).unwrap(), record);
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let (key, record) = sample();
        assert_eq!(decode(&key, &encode(&key, &record)).unwrap(), record);
        let empty = Record { subject: None, data: [].into(), ..record };
        assert_eq!(decode(&key, &encode(&key, &empty)).unwrap(), empty);
    }

    #[test]
    fn another_keys_record_is_corrupt() {
        let (key, record) = sample();
        let error = decode(&Key::new([8; 32]), &encode(&key, &record)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn any_damaged_byte_and_any_missing_tail_is_corrupt() {
        let (key, record) = sample();
        let good = encode(&key, &record);
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 1;
            assert_eq!(decode(&key, &bad).unwrap_err().kind(), ErrorKind::Corrupt, "byte {i}");
            assert_eq!(decode(&key, &good[..i]).unwrap_err().kind(), ErrorKind::Corrupt, "cut at {i}");
        }
    }

    #[test]
    fn a_prefix_is_stripped_only_from_bytes_that_begin_with_it() {
        let key = Key::new([7; 32]);
        let bytes = [&prefix(&key)[..], b"data"].concat();
        assert_eq!(bytes[..35], encode(&key, &sample().1)[..35]);
        assert_eq!(strip_prefix(&key, &bytes).unwrap(), b"data");
        assert_eq!(strip_prefix(&key, &bytes[..35]).unwrap(), b"");
        for i in 0..35 {
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            let expected = if i == 2 { ErrorKind::UnknownVersion } else { ErrorKind::Corrupt };
            assert_eq!(strip_prefix(&key, &bad).unwrap_err().kind(), expected, "byte {i}");
            assert_eq!(strip_prefix(&key, &bytes[..i]).unwrap_err().kind(), ErrorKind::Corrupt, "cut at {i}");
        }
    }
}
