//! When a request began, as a proxy in front says it: a proxy that collects a body before it hands the request on does so
//! long after the request was sent.

#[cfg(test)]
mod tests;

use std::time::Duration;

use cloakroom_store::Timestamp;

/// When a request began that is here `now`. `field` is the one field in which a trusted proxy says when it arrived.
///
/// The field is not believed, and the request begins now, if it cannot be read, is in the future, or is longer ago than
/// [`LONGEST`].
pub(crate) fn began(field: &[u8], now: Timestamp) -> Timestamp {
    let told = parse(field).filter(|at| *at <= now && now.since(*at) <= LONGEST);
    told.unwrap_or(now)
}

/// A number, with or without `t=` before it: seconds, milliseconds or microseconds since the Unix epoch, whichever is in
/// this time. It may have decimals, as nginx's `$msec` has.
fn parse(field: &[u8]) -> Option<Timestamp> {
    let text = str::from_utf8(field).ok()?.trim_matches([' ', '\t']);
    let number = text.strip_prefix("t=").unwrap_or(text);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.len() > MAX_DIGITS || decimals.len() > MAX_DIGITS || !is_digits(whole) || !is_digits(decimals) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let millis = match whole {
        0..SECONDS => {
            let thousandths: String = decimals.chars().chain("000".chars()).take(3).collect();
            whole * 1000 + thousandths.parse::<u64>().ok()?
        }
        SECONDS..MILLIS => whole,
        MILLIS..MICROS => whole / 1000,
        _ => return None,
    };
    Some(Timestamp::from_millis(millis))
}

/// The longest time that a request is believed to have been under way: longer, it is a clock that is wrong. With such a
/// one a secret would work for as long after its grace.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);
/// Each unit ends where the one before would be thousands of years away: at the year 5138 in seconds, milliseconds and
/// microseconds.
const SECONDS: u64 = 100_000_000_000;
const MILLIS: u64 = SECONDS * 1000;
const MICROS: u64 = MILLIS * 1000;
const MAX_DIGITS: usize = 18;
