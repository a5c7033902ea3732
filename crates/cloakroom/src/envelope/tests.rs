use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::num::u8::ANY;

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

#[test]
fn bytes_of_another_version_or_with_unknown_or_contradicting_flags_are_unreadable() {
    let entries = BTreeMap::from([("a".to_owned(), vec![1])]);
    let good = session(ADDRESS_V4, &[0; 120], &entries);
    assert!(read(&Arc::from(&good[..])).is_ok());
    let flags = [0x40 | ADDRESS_V4, 0x80 | ADDRESS_V4, ADDRESS_V6 | ADDRESS_V4].map(|flags| (1, flags));
    for (at, byte) in [(0, 0), (0, 2)].into_iter().chain(flags) {
        let mut bytes = good.clone();
        bytes[at] = byte;
        assert_eq!(read(&Arc::from(&bytes[..])).unwrap_err(), Unreadable, "{byte:#x} at {at}");
    }
}

#[test]
fn keys_out_of_order_or_twice_are_unreadable() {
    let entries = ["a", "b"].map(|key| (key.to_owned(), Vec::new()));
    let good = session(0, &[0; 40], &BTreeMap::from(entries));
    let keys: Vec<_> = (42..good.len()).filter(|at| good[*at].is_ascii_lowercase()).collect();
    let with = |first, second| {
        let mut bytes = good.clone();
        (bytes[keys[0]], bytes[keys[1]]) = (first, second);
        read(&Arc::from(bytes)).is_ok()
    };
    assert!(with(b'a', b'b'));
    assert!(!with(b'b', b'a'));
    assert!(!with(b'a', b'a'));
}

#[test]
fn a_time_that_does_not_exist_is_unreadable_rather_than_the_latest() {
    let mut bytes = session(0, &[0; 40], &BTreeMap::new());
    assert!(read(&Arc::from(&bytes[..])).is_ok());
    bytes[2 + Verifier::LEN + 7] = 0x80;
    assert_eq!(read(&Arc::from(&bytes[..])).unwrap_err(), Unreadable);
}

/// The least that is stored. Written out, so that whoever changes the format notices: what is stored already must
/// stay readable, or get another version.
#[test]
fn the_shortest_session_is_these_bytes() {
    let header = samples::header(0xaa, 0x0102, 0x0304);
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
    assert_eq!(write(&header, std::iter::empty()), bytes);
    let (read_back, entries) = read(&Arc::from(&bytes[..])).unwrap();
    assert_eq!((read_back, entries.len()), (header, 0));
}

#[test]
fn a_session_with_everything_is_these_bytes() {
    let mut header = samples::header(0xaa, 1, 2);
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
    ];
    let entries = [("a", &b"1"[..]), ("\u{e9}", b"")];
    assert_eq!(write(&header, entries.into_iter()), bytes);
    let (read_back, found) = read(&Arc::from(&bytes[..])).unwrap();
    assert_eq!(read_back, header);
    assert_eq!(found.iter().collect::<Vec<_>>(), entries);
}

#[test]
fn an_ipv6_address_is_its_sixteen_bytes() {
    let mut header = samples::header(0, 0, 0);
    header.address = Some("2001:db8::1".parse().unwrap());
    let bytes = write(&header, std::iter::empty());
    assert_eq!((bytes[1], bytes.len()), (0b1_0000, 60));
    assert_eq!(bytes[42..58], [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(read(&Arc::from(bytes)).unwrap().0, header);
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
    ) {
        let both = ADDRESS_V4 | ADDRESS_V6;
        let bytes = session(if flags & both == both { flags & !ADDRESS_V4 } else { flags }, &header, &entries);
        let (_, read_back) = read(&Arc::from(&bytes[..])).unwrap();
        let read_back: BTreeMap<_, _> =
            read_back.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert_eq!(read_back, entries);
        properties::bytes_are_refused_or_written_again_as_they_are(&bytes);
    }
}
