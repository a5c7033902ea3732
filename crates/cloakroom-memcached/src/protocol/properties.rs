//! What holds for every input: checked by the tests and by the fuzz targets.

use super::*;

/// Whatever a server says is the answer to the very request it names, or ends the connection; never the answer to another one. Where
/// an answer ends does not depend on what follows, and what is cut short is waited for.
///
/// `data` is tried as it is, as what follows the status, and as a value.
pub fn an_answer_is_that_of_its_request_or_none(data: &[u8]) {
    for kind in KINDS {
        check(data, kind);
        for status in ["HD", "NS", "EX", "NF", "EN", "VA 3"] {
            check(&[status.as_bytes(), b" k", KEY.as_bytes(), b" O7", data].concat(), kind);
        }
    }

    let head = format!("VA {} k{KEY} c5 t9 O{NUMBER}\r\n", data.len());
    let answer = [head.as_bytes(), data, END].concat();
    let found = Outcome::Found { cas: 5, left: Lifetime::Seconds(9), value: data.to_vec() };
    assert_eq!(read_answer(&answer, &expected(Kind::Get), LARGEST), Ok(Some((found, answer.len()))));
    check(&answer, Kind::Get);
}

fn check(data: &[u8], kind: Kind) {
    let expected = expected(kind);
    match read_answer(data, &expected, LARGEST) {
        Ok(Some((outcome, used))) => {
            let again = Ok(Some((outcome.clone(), used)));
            assert_eq!(read_answer(&data[..used], &expected, LARGEST), again);
            for len in used.saturating_sub(MOST_CUTS)..used {
                assert_eq!(read_answer(&data[..len], &expected, LARGEST), Ok(None), "cut to {len} of {used}");
            }
            if kind != Kind::Noop && !matches!(outcome, Outcome::TooLarge | Outcome::NoMemory) {
                let others = [
                    Expected { number: NUMBER + 1, ..expected.clone() },
                    Expected { key: "prefix:kez".into(), ..expected.clone() },
                ];
                for other in others {
                    assert!(read_answer(data, &other, LARGEST).is_err(), "{other:?}");
                }
            }
        }
        Ok(None) => {}
        Err(wrong) => {
            let longer = [data, b"\r\nHD kprefix:key O7\r\n"].concat();
            let again = read_answer(&longer, &expected, LARGEST);
            assert!(again.is_err(), "{wrong:?}, but with more after it {again:?}");
        }
    }
}

fn expected(kind: Kind) -> Expected {
    Expected { kind, key: KEY.into(), number: NUMBER }
}

const KINDS: [Kind; 5] = [Kind::Get, Kind::Add, Kind::Swap, Kind::Delete, Kind::Noop];
const KEY: &str = "prefix:key";
const NUMBER: u64 = 7;
const LARGEST: usize = 1 << 20;
/// Keeps the work on long inputs linear.
const MOST_CUTS: usize = 300;
