use proptest::prelude::*;

use super::*;

fn read(input: &str, kind: Kind) -> Result<Option<(Outcome, usize)>, OutOfStep> {
    let expected = Expected { kind, key: "p:k".into(), number: 12 };
    read_answer(input.as_bytes(), &expected, 100)
}

fn outcome(input: &str, kind: Kind) -> Outcome {
    let (outcome, used) = read(input, kind).unwrap().unwrap();
    assert_eq!(used, input.len());
    outcome
}

/// As memcached 1.6.18 takes them.
#[test]
fn requests_are_these_bytes() {
    let value = b"a\r\nb".as_slice();
    assert_eq!(encode(&Command::Get, "p:k", 1), b"mg p:k v c t k O1\r\n");
    assert_eq!(encode(&Command::Add { value, expires: 60 }, "p:k", 2), b"ms p:k 4 ME T60 k O2\r\na\r\nb\r\n");
    assert_eq!(
        encode(&Command::Swap { value, expires: -1, cas: u64::MAX }, "p:k", 3),
        b"ms p:k 4 C18446744073709551615 T-1 k O3\r\na\r\nb\r\n"
    );
    assert_eq!(encode(&Command::Delete, "p:k", u64::MAX), b"md p:k k O18446744073709551615\r\n");
}

/// As memcached 1.6.18 gives them.
#[test]
fn answers_are_read_as_the_server_writes_them() {
    let found = Outcome::Found { cas: 9, left: Lifetime::Seconds(600), value: b"a\r\nb".to_vec() };
    assert_eq!(outcome("VA 4 c9 t600 kp:k O12\r\na\r\nb\r\n", Kind::Get), found);
    let empty = Outcome::Found { cas: 9, left: Lifetime::Seconds(600), value: vec![] };
    assert_eq!(outcome("VA 0 c9 t600 kp:k O12\r\n\r\n", Kind::Get), empty);
    assert_eq!(outcome("EN kp:k O12\r\n", Kind::Get), Outcome::Missing);
    assert_eq!(outcome("HD kp:k O12\r\n", Kind::Add), Outcome::Done);
    assert_eq!(outcome("NS kp:k O12\r\n", Kind::Add), Outcome::Exists);
    assert_eq!(outcome("HD O12 kp:k\r\n", Kind::Swap), Outcome::Done);
    assert_eq!(outcome("EX kp:k O12\r\n", Kind::Swap), Outcome::Changed);
    assert_eq!(outcome("NF kp:k O12\r\n", Kind::Swap), Outcome::Missing);
    assert_eq!(outcome("HD kp:k O12\r\n", Kind::Delete), Outcome::Done);
    assert_eq!(outcome("NF kp:k O12\r\n", Kind::Delete), Outcome::Missing);
    assert_eq!(outcome("MN\r\n", Kind::Noop), Outcome::Done);
    for kind in [Kind::Add, Kind::Swap] {
        assert_eq!(outcome("SERVER_ERROR object too large for cache\r\n", kind), Outcome::TooLarge);
        assert_eq!(outcome("SERVER_ERROR out of memory storing object\r\n", kind), Outcome::NoMemory);
        assert_eq!(outcome("SERVER_ERROR Out of memory during read\r\n", kind), Outcome::NoMemory);
    }
}

#[test]
fn an_item_without_an_end_is_read_as_one() {
    let found = Outcome::Found { cas: 9, left: Lifetime::Forever, value: b"a".to_vec() };
    assert_eq!(outcome("VA 1 c9 t-1 kp:k O12\r\na\r\n", Kind::Get), found);
    let found = Outcome::Found { cas: 9, left: Lifetime::Seconds(1), value: b"a".to_vec() };
    assert_eq!(outcome("VA 1 c9 t0 kp:k O12\r\na\r\n", Kind::Get), found, "its last second is not over");
}

#[test]
fn flags_that_nobody_asked_for_are_passed_over() {
    let found = Outcome::Found { cas: 9, left: Lifetime::Seconds(600), value: b"a".to_vec() };
    assert_eq!(outcome("VA 1 c9 W kp:k s1 t600 h1 O12\r\na\r\n", Kind::Get), found);
}

#[test]
fn an_answer_that_is_not_to_this_request_is_refused() {
    let cases = [
        ("VA 1 c9 kp:k O13\r\na\r\n", Kind::Get, "the answer to another request"),
        ("VA 1 c9 kp:k\r\na\r\n", Kind::Get, "the answer to another request"),
        ("VA 1 c9 kp:x O12\r\na\r\n", Kind::Get, "the answer for another key"),
        ("VA 1 c9 O12\r\na\r\n", Kind::Get, "the answer for another key"),
        ("VA 1 kp:k O12\r\na\r\n", Kind::Get, "a value without a CAS number"),
        ("VA 1 c0 kp:k O12\r\na\r\n", Kind::Get, "a value without a CAS number"),
        ("VA 1 c9 t9 kp:k O12\r\nab\r\n", Kind::Get, "a value of another length than it said"),
        ("VA 1 c9 kp:k O12\r\na\r\n", Kind::Get, "a value without its lifetime"),
        ("VA 1 c9 t-2 kp:k O12\r\na\r\n", Kind::Get, "a number that is none"),
        ("VA 1 c9 t kp:k O12\r\na\r\n", Kind::Get, "a number that is none"),
        ("VA 1 c9 t9 t9 kp:k O12\r\na\r\n", Kind::Get, "a flag that is there twice"),
        ("VA 101 c9 kp:k O12\r\n", Kind::Get, "a value longer than the server takes"),
        ("VA 18446744073709551615 c9 kp:k O12\r\n", Kind::Get, "a value longer than the server takes"),
        ("VA kp:k c9 O12\r\na\r\n", Kind::Get, "a value without a length"),
        ("VA\r\n", Kind::Get, "a value without a length"),
        ("VA 1 c9 kp:k O12 O13\r\na\r\n", Kind::Get, "a flag that is there twice"),
        ("HD kp:k Ox\r\n", Kind::Add, "a number that is none"),
        ("HD kp:k O+12\r\n", Kind::Add, "a number that is none"),
        ("HD  kp:k O12\r\n", Kind::Add, "a blank too many"),
        ("HD kp:k O12\r\n", Kind::Get, "the answer to another command"),
        ("VA 1 c9 kp:k O12\r\na\r\n", Kind::Delete, "the answer to another command"),
        ("NS kp:k O12\r\n", Kind::Delete, "the answer to another command"),
        ("EN kp:k O12\r\n", Kind::Swap, "the answer to another command"),
        ("EN kp:k O12\r\n", Kind::Noop, "the answer to another command"),
        ("MN\r\n", Kind::Get, "the answer to another request"),
        ("SERVER_ERROR Out of memory during read\r\n", Kind::Get, "a server error"),
        ("STORED kp:k O12\r\n", Kind::Swap, "the answer to another command"),
        ("SERVER_ERROR out of memory storing object\r\n", Kind::Get, "a server error"),
        ("SERVER_ERROR out of memory writing get response\r\n", Kind::Get, "a server error"),
        ("CLIENT_ERROR bad data chunk\r\n", Kind::Swap, "a client error"),
        ("ERROR\r\n", Kind::Swap, "an error"),
        ("\r\n", Kind::Get, "the answer to another request"),
    ];
    for (input, kind, wrong) in cases {
        assert_eq!(read(input, kind), Err(OutOfStep(wrong)), "{input:?}");
    }
}

#[test]
fn a_line_without_an_end_is_not_read_for_ever() {
    let line = "x".repeat(LONGEST_LINE);
    assert_eq!(read(&line[1..], Kind::Get), Ok(None));
    assert_eq!(read(&line, Kind::Get), Err(OutOfStep("a line that does not end")));
}

#[test]
fn an_outcome_shows_no_value() {
    let found = Outcome::Found { cas: 9, left: Lifetime::Seconds(600), value: b"secret".to_vec() };
    assert_eq!(format!("{found:?}"), "Found");
}

proptest! {
    #[test]
    fn any_input_is_an_answer_to_the_request_or_none(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        properties::an_answer_is_that_of_its_request_or_none(&data);
    }

    #[test]
    fn any_words_are_an_answer_to_the_request_or_none(
        data in r"(HD|VA|EN|MN| |[0-9]|kprefix:key|O7|c5|t9|\r\n|ERROR|SERVER_ERROR object too large for cache){0,12}",
    ) {
        properties::an_answer_is_that_of_its_request_or_none(data.as_bytes());
    }
}
