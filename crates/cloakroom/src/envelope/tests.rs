use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::num::u8::ANY;
use proptest::prop_assert;

use super::golden::golden;
use super::samples::{envelope, header, numbers, tag};
use super::*;

/// Bytes of a session made by hand, apart from [`write`].
fn session(flags: u8, header: &[u8], entries: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let optional = [
        (PREVIOUS, Verifier::LEN + 8),
        (AUTHENTICATED, 8),
        (REMEMBERED, 8),
        (ADDRESS_V4, 4),
        (ADDRESS_V6, 16),
        (ENDED, 0),
    ];
    let present = optional.iter().filter(|(flag, _)| flags & flag != 0);
    let len = Verifier::LEN + 3 * 8 + present.map(|(_, len)| len).sum::<usize>();
    let mut bytes = vec![VERSION, flags];
    bytes.extend(&header[..len]);
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (key, value) in entries {
        bytes.push(key.len() as u8);
        bytes.extend(key.as_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend(value);
    }
    bytes
}

fn read_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Envelope, Unreadable> {
    read(&bytes.into())
}

/// Why bytes cannot be read.
fn error(bytes: impl Into<Arc<[u8]>>) -> Unreadable {
    read_bytes(bytes).unwrap_err()
}

/// As the secret with this number has it.
fn newer(verifier: u8) -> Unreadable {
    Unreadable::Newer { verifier: Verifier::new([verifier; Verifier::LEN]) }
}

#[test]
fn a_later_version_or_an_unknown_flag_is_not_damage_and_tells_whose_secret_it_is() {
    let entries = BTreeMap::from([("a".to_owned(), vec![1])]);
    let good = session(ADDRESS_V4, &[5; 120], &entries);
    assert!(read_bytes(&good[..]).is_ok());
    let later = [(0, 2), (0, 0xff), (1, 0x40 | ADDRESS_V4), (1, 0x80 | ADDRESS_V4), (1, 0xff)];
    for (at, byte) in later {
        let mut bytes = good.clone();
        bytes[at] = byte;
        assert_eq!(error(&bytes[..]), newer(5), "{byte:#x} at {at}");
        // Whatever comes after it is that version's own business.
        assert_eq!(error(&bytes[..GUARD.end]), newer(5), "{byte:#x} at {at}");
        assert_eq!(error(&bytes[..GUARD.end - 1]), Unreadable::Damaged, "{byte:#x} at {at}");
    }
}

#[test]
fn version_zero_and_two_addresses_are_damage() {
    let good = session(ADDRESS_V4, &[0; 120], &BTreeMap::new());
    for (at, byte) in [(0, 0), (1, ADDRESS_V6 | ADDRESS_V4)] {
        let mut bytes = good.clone();
        bytes[at] = byte;
        assert_eq!(error(bytes), Unreadable::Damaged, "{byte:#x} at {at}");
    }
    assert_eq!(error([]), Unreadable::Damaged);
}

#[test]
fn keys_out_of_order_or_twice_are_unreadable() {
    let entries = ["a", "b"].map(|key| (key.to_owned(), Vec::new()));
    let good = session(0, &[0; 40], &BTreeMap::from(entries));
    let keys: Vec<_> = (42..good.len()).filter(|at| good[*at].is_ascii_lowercase()).collect();
    let with = |first, second| {
        let mut bytes = good.clone();
        (bytes[keys[0]], bytes[keys[1]]) = (first, second);
        read_bytes(bytes).is_ok()
    };
    assert!(with(b'a', b'b'));
    assert!(!with(b'b', b'a'));
    assert!(!with(b'a', b'a'));
}

#[test]
fn a_time_that_does_not_exist_is_unreadable_rather_than_the_latest() {
    let mut bytes = session(0, &[0; 40], &BTreeMap::new());
    assert!(read_bytes(&bytes[..]).is_ok());
    bytes[2 + Verifier::LEN + 7] = 0x80;
    assert_eq!(error(bytes), Unreadable::Damaged);
}

/// The session with these tags.
fn tagged(tags: &[Vec<u8>]) -> Vec<u8> {
    [session(0, &[5; 40], &BTreeMap::from([("a".to_owned(), vec![1])])), tags.concat()].concat()
}

#[test]
fn tags_are_read_in_ascending_order_and_each_number_once() {
    let read = |numbers: &[u16]| {
        let tags: Vec<_> = numbers.iter().map(|number| tag(*number, 0, b"x")).collect();
        read_bytes(tagged(&tags)).map(|read| samples::numbers(&read.extensions))
    };
    assert_eq!(read(&[]), Ok(vec![]));
    assert_eq!(read(&[1, 2, 0xfff]), Ok(vec![1, 2, 0xfff]));
    for numbers in [&[0][..], &[2, 1], &[1, 1], &[1, 0]] {
        assert_eq!(read(numbers), Err(Unreadable::Damaged), "{numbers:?}");
    }
    // The bits make no other number of it.
    assert_eq!(error(tagged(&[tag(1, 4, b""), tag(1, 6, b"")])), Unreadable::Damaged);
}

#[test]
fn a_critical_tag_that_is_not_known_is_a_later_versions_session() {
    for bits in 0..16 {
        let read = read_bytes(tagged(&[tag(1, 0, b""), tag(4, bits, b"new"), tag(5, 0, b"")]));
        match bits >= 8 {
            true => assert_eq!(read.unwrap_err(), newer(5), "{bits:04b}"),
            false => assert_eq!(numbers(&read.unwrap().extensions), [1, 4, 5], "{bits:04b}"),
        }
    }
    // But not if the bytes are damaged beside it.
    let damaged = tagged(&[tag(4, 8, b""), tag(5, 0, b"cut")]);
    assert_eq!(error(&damaged[..damaged.len() - 1]), Unreadable::Damaged);
}

#[test]
fn a_reader_takes_64_tags_and_16_kib_of_them_and_no_more() {
    let tags = |count: u16| (1..=count).map(|number| tag(number, 0, b"")).collect::<Vec<_>>();
    assert!(read_bytes(tagged(&tags(64))).is_ok());
    assert_eq!(error(tagged(&tags(65))), Unreadable::Damaged);
    let long = |len: usize| tagged(&[tag(1, 0, &vec![0; len])]);
    assert!(read_bytes(long(16 * 1024 - 4)).is_ok());
    assert_eq!(error(long(16 * 1024 - 3)), Unreadable::Damaged);
}

#[test]
fn a_reader_takes_as_many_entries_as_can_be_counted_and_32_mib() {
    let entries: BTreeMap<_, _> = (0..65_535).map(|number| (format!("{number:05}"), vec![])).collect();
    assert_eq!(read_bytes(session(0, &[0; 40], &entries)).unwrap().entries.size().count, 65_535);
    let of = |len: usize| session(0, &[0; 40], &BTreeMap::from([(String::new(), vec![0; len])]));
    let beside = of(0).len();
    assert!(read_bytes(of((32 << 20) - beside)).is_ok());
    assert_eq!(error(of((32 << 20) - beside + 1)), Unreadable::Damaged);
}

#[test]
fn entries_know_their_size_and_the_tags_are_not_part_of_it() {
    let written = envelope(header(0, 0, 0), &[("a", b"12"), ("bc", b"")], &[tag(1, 4, b"beside")]);
    for entries in [&written.entries, &read(&written.data).unwrap().entries] {
        assert_eq!(entries.size(), Size { count: 2, bytes: (1 + 1 + 4 + 2) + (1 + 2 + 4) });
    }
    assert_eq!(Entries::EMPTY.size(), Size::default());
    assert_eq!(Size::default().plus("key", 7).plus("a", 1).minus("key", 7), Size::default().plus("a", 1));
}

#[test]
fn a_session_without_tags_has_nothing_of_them_in_memory() {
    let data = envelope(header(0, 0, 0), &[("a", b"1")], &[]).data;
    let read = read(&data).unwrap();
    assert!(read.extensions.is_empty());
    assert_eq!(Arc::strong_count(&data), 3, "the envelope's, its entries', and this one");
}

#[test]
#[should_panic(expected = "the size of the entries is what was said")]
fn a_wrong_size_is_never_written() {
    write(header(0, 0, 0), Size { count: 1, bytes: 6 }, std::iter::empty(), std::iter::empty());
}

/// What the golden files of version 1 are; that they are written again as they are, the tests of the lifecycle say.
#[test]
fn sessions_that_version_1_wrote_are_read() {
    for (name, count) in [
        ("fresh", 2),
        ("rotated", 2),
        ("rotated-unconfirmed", 2),
        ("rotated-confirmed", 2),
        ("forgotten", 2),
        ("tombstone-dated", 0),
        ("signed-in", 2),
        ("remembered", 2),
        ("address-v4", 2),
        ("address-v6", 2),
        ("tombstone", 0),
        ("empty", 0),
        ("many-entries", 256),
    ] {
        let read = read(&golden(name)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(read.entries.size().count, count, "{name}");
        let tagged = ["rotated-unconfirmed", "rotated-confirmed", "forgotten"].contains(&name);
        assert_eq!(read.extensions.is_empty(), !tagged, "{name}");
        assert_eq!(read.header.ended, name.starts_with("tombstone"), "{name}");
    }
}

#[test]
fn sessions_of_a_later_version_are_read_unless_it_says_that_they_must_not() {
    for name in ["version-2", "flag-40", "flag-80"] {
        assert_eq!(error(golden(name)), newer(1), "{name}");
    }
    for bits in 0..16 {
        let name = format!("tag-{bits:04b}");
        match read(&golden(&name)) {
            Ok(read) => {
                assert_eq!((bits < 8, numbers(&read.extensions)), (true, vec![7]), "{name}");
                assert_eq!(read.entries.get("count"), Some(&b"1"[..]), "{name}");
            }
            Err(error) => assert_eq!((bits >= 8, error), (true, newer(1)), "{name}"),
        }
    }
}

/// The least that is stored. Written out, so that whoever changes the format notices: what is stored already must
/// stay readable, or get another version.
#[test]
fn the_shortest_session_is_these_bytes() {
    let header = header(0xaa, 0x0102, 0x0304);
    #[rustfmt::skip]
    let bytes = [
        1,                                              // version
        0,                                              // flags
        0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, // verifier
        0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        0x02, 0x01, 0, 0, 0, 0, 0, 0,                   // secret since
        0x02, 0x01, 0, 0, 0, 0, 0, 0,                   // created at
        0x04, 0x03, 0, 0, 0, 0, 0, 0,                   // ends at
        0, 0,                                           // entries
    ];
    assert_eq!(*envelope(header.clone(), &[], &[]).data, bytes);
    let read_back = read_bytes(bytes).unwrap();
    assert_eq!((read_back.header, read_back.entries.size().count), (header, 0));
}

#[test]
fn a_session_with_everything_is_these_bytes() {
    let mut header = header(0xaa, 1, 2);
    header.secret_since = Timestamp::from_millis(3);
    header.previous = Some((Verifier::new([0xbb; 16]), Timestamp::from_millis(4)));
    header.authenticated_at = Some(Timestamp::from_millis(5));
    header.remembered = Some(Duration::from_millis(6));
    header.address = Some([192, 0, 2, 1].into());
    header.ended = true;
    #[rustfmt::skip]
    let bytes = [
        1,                                              // version
        0b10_1111,                                      // flags: ended, IPv4, remembered, authenticated, previous
        0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, // verifier
        0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        3, 0, 0, 0, 0, 0, 0, 0,                         // secret since
        0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, // previous verifier
        0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb,
        4, 0, 0, 0, 0, 0, 0, 0,                         // and its end
        1, 0, 0, 0, 0, 0, 0, 0,                         // created at
        2, 0, 0, 0, 0, 0, 0, 0,                         // ends at
        5, 0, 0, 0, 0, 0, 0, 0,                         // authenticated at
        6, 0, 0, 0, 0, 0, 0, 0,                         // remembered
        192, 0, 2, 1,                                   // address
        2, 0,                                           // entries
        1, b'a', 1, 0, 0, 0, b'1',                      // a = 1
        2, 0xc3, 0xa9, 0, 0, 0, 0,                      // \u{e9}, an empty value
        0x03, 0x50, 3, 0, b'n', b'e', b'w',             // tag 3: survives a data write, a re-authentication
        0xff, 0x0f, 0, 0,                               // tag 4095, an empty value
    ];
    let entries = [("a", &b"1"[..]), ("\u{e9}", b"")];
    let tags = [tag(3, 0b0101, b"new"), tag(0xfff, 0, b"")];
    assert_eq!(*envelope(header.clone(), &entries, &tags).data, bytes);
    let read_back = read_bytes(bytes).unwrap();
    assert_eq!(read_back.header, header);
    assert_eq!(read_back.entries.iter().collect::<Vec<_>>(), entries);
    assert_eq!(read_back.extensions.with(Bits::default()).collect::<Vec<_>>(), tags);
}

#[test]
fn an_ipv6_address_is_its_sixteen_bytes() {
    let mut header = header(0, 0, 0);
    header.address = Some("2001:db8::1".parse().unwrap());
    let bytes = envelope(header.clone(), &[], &[]).data;
    assert_eq!((bytes[1], bytes.len()), (0b1_0000, 60));
    assert_eq!(bytes[42..58], [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(read(&bytes).unwrap().header, header);
}

proptest::proptest! {
    #[test]
    fn any_bytes_have_the_properties_that_are_fuzzed(data in vec(ANY, 0..200)) {
        properties::bytes_are_refused_or_written_again_as_they_are(&data);
    }

    /// Below 128 each, so that every time exists.
    #[test]
    fn a_session_has_them_whatever_it_holds(
        flags in 0..=ALL_FLAGS,
        header in vec(0..128_u8, 120),
        entries in btree_map("[a-c\u{e9}]{0,3}", vec(ANY, 0..5), 0..5),
        tags in btree_map(1..4096_u16, (0..16_u16, vec(ANY, 0..5)), 0..5),
    ) {
        let both = ADDRESS_V4 | ADDRESS_V6;
        let mut bytes = session(if flags & both == both { flags & !ADDRESS_V4 } else { flags }, &header, &entries);
        tags.iter().for_each(|(number, (bits, value))| bytes.extend(tag(*number, *bits, value)));
        properties::bytes_are_refused_or_written_again_as_they_are(&bytes);
        let read_back = match read_bytes(bytes) {
            Err(error) => {
                prop_assert!(tags.values().any(|(bits, _)| *bits >= 8), "{error:?}");
                return Ok(());
            }
            Ok(read_back) => read_back,
        };
        let found: BTreeMap<_, _> =
            read_back.entries.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert_eq!(found, entries);
        assert!(numbers(&read_back.extensions).iter().eq(tags.keys()));
    }
}
