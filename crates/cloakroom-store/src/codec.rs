//! A record as one run of bytes that carries its own key and a checksum, for backends that keep blobs.

use crate::crc32::crc32;
use crate::{Error, Key, Record, Result, Revision, Subject, Timestamp};

/// Writes a record, its key and a checksum as one run of bytes.
///
/// | bytes | what |
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
/// # Panics
/// If the data is 4 GiB or longer.
pub fn encode(key: &Key, record: &Record) -> Vec<u8> {
    let subject = record.subject.as_ref().map_or("", Subject::as_str);
    let mut out = Vec::with_capacity(FIXED_LEN + subject.len() + record.data.len());
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(key.as_bytes());
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

/// Reads what [`encode`] wrote for this key.
///
/// # Errors
/// [`Corrupt`](crate::ErrorKind::Corrupt) if the bytes are damaged, are no record, or are the record of
/// another key.
pub fn decode(key: &Key, bytes: &[u8]) -> Result<Record> {
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or_else(|| Error::corrupt("too short"))?;
    if crc32(body) != u32::from_le_bytes(*checksum) {
        return Err(Error::corrupt("checksum mismatch"));
    }
    let mut rest = body;
    if take(&mut rest, MAGIC.len())? != MAGIC {
        return Err(Error::corrupt("not a record"));
    }
    if take(&mut rest, 1)? != [VERSION] {
        return Err(Error::corrupt("unknown version"));
    }
    if take(&mut rest, Key::LEN)? != key.as_bytes() {
        return Err(Error::corrupt("the record of another key"));
    }
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
    Ok(Record { revision, expires_at, subject, data: rest.into() })
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8]> {
    rest.split_off(..len).ok_or_else(|| Error::corrupt("too short"))
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (array, tail) = rest.split_first_chunk().ok_or_else(|| Error::corrupt("too short"))?;
    *rest = tail;
    Ok(*array)
}

const MAGIC: &[u8] = b"CR";
const VERSION: u8 = 1;
/// Everything but the subject and the data.
const FIXED_LEN: usize = MAGIC.len() + 1 + Key::LEN + 8 + 8 + 1 + 4 + 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn sample() -> (Key, Record) {
        let record = Record {
            revision: Revision::new(u64::MAX - 1),
            expires_at: Timestamp::from_millis(1_700_000_000_123),
            subject: Some(Subject::new("ren\u{e9}\0").unwrap()),
            data: [0, 0xff, b'x'].as_slice().into(),
        };
        (Key::new([7; 32]), record)
    }

    /// Written out, so that whoever changes the format notices: what is stored already must stay readable. The checksum
    /// is that of Python's `zlib.crc32`.
    #[test]
    fn a_record_is_these_bytes() {
        let record = Record {
            revision: Revision::new(0x0102),
            expires_at: Timestamp::from_millis(0x0304),
            subject: Some(Subject::new("ann").unwrap()),
            data: [0xff, 0].as_slice().into(),
        };
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
}
