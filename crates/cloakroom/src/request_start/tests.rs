use super::*;

/// 1 December 2024, 00:00:00.
const NOW: Timestamp = Timestamp::from_millis(1_733_011_200_000);

/// How many milliseconds before now the request began.
fn ago(field: &str) -> u128 {
    NOW.since(began(field.as_bytes(), NOW)).as_millis()
}

#[test]
fn seconds_milliseconds_and_microseconds_are_told_apart() {
    for (field, expected) in [
        ("t=1733011190.500", 9_500),
        ("1733011190.500", 9_500),
        ("t=1733011190.5", 9_500),
        ("1733011190.500999", 9_500),
        ("1733011190", 10_000),
        ("t=1733011190", 10_000),
        ("1733011190500", 9_500),
        ("t=1733011190500", 9_500),
        ("1733011190500.9", 9_500),
        ("1733011190500999", 9_500),
        ("t=1733011190500999", 9_500),
        (" t=1733011190500\t", 9_500),
        ("t=1733011200.000", 0),
    ] {
        assert_eq!(ago(field), expected, "{field}");
    }
}

#[test]
fn what_cannot_be_read_is_not_believed() {
    for field in [
        "",
        "t=",
        "t=.",
        ".5",
        "1733011190.",
        "t=1733011190.5.0",
        "-1733011190",
        "+1733011190",
        "1733011190,5",
        "1733011190 500",
        "t=t=1733011190",
        "T=1733011190",
        "t=1733011190s",
        "0x5",
        "1e9",
        "t=1733011190,1733011191",
        "D=5 t=1733011190",
        "Sun, 01 Dec 2024 00:00:00 GMT",
        "1733011190500999000",
        "99999999999999999999999999",
        "1733011190.0000000000000000001",
        "١٧٣٣٠١١١٩٠",
        "0",
        "1",
    ] {
        assert_eq!(ago(field), 0, "{field}");
    }
    assert_eq!(began(b"1733011190\xff", NOW), NOW);
}

#[test]
fn the_future_and_what_is_more_than_an_hour_ago_is_not_believed() {
    for (field, expected) in [
        ("1733011200001", 0),
        ("t=1733011201", 0),
        ("1733100000", 0),
        ("1733007600000", 3_600_000),
        ("1733007599999", 0),
        ("t=1733007599.999", 0),
    ] {
        assert_eq!(ago(field), expected, "{field}");
    }
}
