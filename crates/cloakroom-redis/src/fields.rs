//! A record as the fields of a hash, there and back.

use cloakroom_store::{Error, Key, Record, Result, Revision, Subject, Timestamp, decode};
use redis::Value;

use crate::reply;

/// The fields that make a record, as they are asked for.
pub(crate) const FIELDS: [&str; 4] = ["d", "r", "e", "s"];

/// The longest that Redis is asked to keep anything, in milliseconds since the Unix epoch: the year 287,000. Lua's numbers are
/// exact up to there.
const LATEST: u64 = 9_000_000_000_000_000;

/// A time in 19 digits, so that it is ordered as text like the number it is.
pub(crate) fn time(time: Timestamp) -> String {
    format!("{:019}", time.as_millis())
}

/// When Redis removes a record with this expiry by itself, as `PEXPIREAT` takes it.
pub(crate) fn removal(expires_at: Timestamp) -> String {
    millis(expires_at.saturating_add(Record::NATIVE_EXPIRY_MARGIN).as_millis())
}

/// A number of milliseconds that Lua keeps exactly.
pub(crate) fn millis(millis: u64) -> String {
    millis.min(LATEST).to_string()
}

pub(crate) fn subject(record: &Record) -> &str {
    record.subject.as_ref().map_or("", Subject::as_str)
}

/// Reads [`FIELDS`]. The fields of their own are the ones that count; the bytes were written before a touch or a takeover.
pub(crate) fn record(key: &Key, fields: [Value; 4]) -> Result<Option<Record>> {
    let [data, revision, expires_at, subject] = fields.map(reply::string);
    match (data, revision, expires_at, subject) {
        (Some(Some(data)), Some(Some(revision)), Some(Some(expires_at)), Some(Some(subject))) => {
            let record = decode(key, &data)?;
            if self::subject(&record).as_bytes() != subject {
                return Err(Error::corrupt("two subjects"));
            }
            let revision = Revision::new(digits(&revision)?);
            let expires_at = Timestamp::from_millis(digits(&expires_at)?);
            Ok(Some(Record { revision, expires_at, ..record }))
        }
        (Some(None), Some(None), Some(None), Some(None)) => Ok(None),
        _ => Err(Error::corrupt("not the fields of a record")),
    }
}

fn digits(text: &[u8]) -> Result<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::corrupt("not a number"))
}
