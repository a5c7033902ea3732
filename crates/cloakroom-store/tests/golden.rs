//! Records of every version of the codec, as files that never change, and of a version that does not exist yet.
//!
//! The files were written by another program (Python, with `zlib.crc32`), not by the encoder. A new version of the codec adds
//! files, and reads these forever.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cloakroom_store::codec::{decode, encode, strip_prefix};
use cloakroom_store::{ErrorKind, Key, Record, Revision, Subject, Timestamp};

#[test]
fn todays_encoder_writes_exactly_the_files_of_version_1() {
    for (name, key, record) in version_1() {
        assert_eq!(encode(&key, &record), fs::read(file(name)).unwrap(), "{name}");
    }
}

#[test]
fn the_files_of_version_1_are_read() {
    for (name, key, record) in version_1() {
        assert_eq!(decode(&key, &fs::read(file(name)).unwrap()).unwrap(), record, "{name}");
    }
}

#[test]
fn every_file_of_version_1_is_one_of_these_records() {
    let known: BTreeSet<_> = version_1().into_iter().map(|(name, ..)| file(name)).collect();
    assert_eq!(files("v1-").into_iter().collect::<BTreeSet<_>>(), known);
}

#[test]
fn a_later_version_is_unknown_whatever_comes_after_its_key() {
    let files = files("v2-");
    assert_eq!(files.len(), 3);
    for path in files {
        let bytes = fs::read(&path).unwrap();
        // Which key it is does not matter: only the version that wrote it can tell.
        for key in [mixed_key(), Key::new([9; Key::LEN])] {
            assert_eq!(decode(&key, &bytes).unwrap_err().kind(), ErrorKind::UnknownVersion, "{path:?}");
            assert_eq!(strip_prefix(&key, &bytes).unwrap_err().kind(), ErrorKind::UnknownVersion, "{path:?}");
        }
    }
}

#[test]
fn a_damaged_record_of_a_later_version_is_corrupt() {
    for path in files("v2-") {
        let good = fs::read(&path).unwrap();
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 1;
            assert_eq!(
                decode(&mixed_key(), &bad).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{path:?}, byte {i}"
            );
            let cut = decode(&mixed_key(), &good[..i]).unwrap_err();
            assert_eq!(cut.kind(), ErrorKind::Corrupt, "{path:?}, cut at {i}");
        }
    }
}

/// The content of each file of version 1, with its key.
fn version_1() -> [(&'static str, Key, Record); 4] {
    let record = |revision, millis, data: &[u8]| {
        Record::new(Revision::new(revision), Timestamp::from_millis(millis), data)
    };
    let of = |subject: &str| Subject::new(subject).unwrap();
    let every_byte: Vec<u8> = (0..=255).collect();
    [
        ("v1-anonymous.record", mixed_key(), record(1, 1_800_000_000_000, b"data")),
        ("v1-empty.record", Key::new([0; Key::LEN]), record(0, 0, b"")),
        (
            "v1-extremes.record",
            Key::new([0xff; Key::LEN]),
            record(u64::MAX, Timestamp::MAX.as_millis(), &every_byte).with_subject(of(&"x".repeat(255))),
        ),
        (
            "v1-user.record",
            mixed_key(),
            record(0x0102_0304_0506_0708, 1_800_000_000_123, b"\0\xff{}").with_subject(of("ren\u{e9}\0")),
        ),
    ]
}

/// The bytes 0 to 31.
fn mixed_key() -> Key {
    Key::new(std::array::from_fn(|i| i as u8))
}

fn files(prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect()
}

fn file(name: &str) -> PathBuf {
    folder().join(name)
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))
}
