//! A record as the fields of a hash, there and back.

use std::time::Duration;

use cloakroom_store::{Error, ErrorKind, Key, Record, Result, Revision, Subject, Timestamp, decode, encode};
use redis::Value;

use crate::reply;

/// The largest data of a record, in bytes.
pub(crate) const MAX_DATA_LEN: usize = 16 << 20;

/// The fields that make a record, as they are asked for.
pub(crate) const FIELDS: [&str; 4] = ["d", "r", "e", "s"];

/// The field of the expiry alone.
pub(crate) const EXPIRY: &str = "e";

/// The latest time and the longest duration that scripts calculate with, in milliseconds: 285,000 years. Lua's numbers are exact up to
/// there.
const LATEST: u64 = 9_000_000_000_000_000;

/// A record in the form that scripts take.
pub(crate) struct RecordArgs<'a> {
    bytes: Vec<u8>,
    revision: String,
    expires_at: String,
    kept: String,
    subject: &'a str,
}

impl<'a> RecordArgs<'a> {
    pub(crate) fn new(key: &Key, record: &'a Record, now: Timestamp) -> Result<Self> {
        if record.data.len() > MAX_DATA_LEN {
            return Err(Error::new(ErrorKind::TooLarge));
        }
        Ok(Self {
            bytes: encode(key, record),
            revision: record.revision.get().to_string(),
            expires_at: time(record.expires_at),
            kept: kept(record.expires_at, now),
            subject: subject(record),
        })
    }

    pub(crate) fn args(&self) -> [&[u8]; 5] {
        [
            &self.bytes,
            self.revision.as_bytes(),
            self.expires_at.as_bytes(),
            self.kept.as_bytes(),
            self.subject.as_bytes(),
        ]
    }
}

/// A time in 19 digits, so that it is ordered as text like the number it is.
pub(crate) fn time(time: Timestamp) -> String {
    format!("{:019}", time.as_millis())
}

/// For how many milliseconds Redis keeps what ends at `end`, by the clock that says `now`: until then, and
/// [`Record::NATIVE_EXPIRY_MARGIN`]. A length, because the server's clock may say something else; 0 if that is over.
pub(crate) fn kept(end: Timestamp, now: Timestamp) -> String {
    duration(end.saturating_add(Record::NATIVE_EXPIRY_MARGIN).since(now))
}

/// A duration in milliseconds.
pub(crate) fn duration(duration: Duration) -> String {
    millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A number of milliseconds that Lua keeps exactly.
pub(crate) fn millis(millis: u64) -> String {
    millis.min(LATEST).to_string()
}

fn subject(record: &Record) -> &str {
    record.subject.as_ref().map_or("", Subject::as_str)
}

/// Reads [`FIELDS`]. The fields of their own are the ones that count; the bytes were written before a touch or a takeover.
///
/// The bytes are read first: what a later version keeps beside them is not known here.
pub(crate) fn record(key: &Key, fields: [Value; 4]) -> Result<Option<Record>> {
    let [data, revision, expires_at, subject] = fields.map(reply::string);
    let incomplete = || Error::corrupt("not the fields of a record");
    let decoded = match data.ok_or_else(incomplete)? {
        Some(data) => decode(key, &data)?,
        None if [revision, expires_at, subject].iter().all(|field| *field == Some(None)) => return Ok(None),
        None => return Err(incomplete()),
    };
    let (Some(Some(revision)), Some(Some(expires_at)), Some(Some(subject))) = (revision, expires_at, subject)
    else {
        return Err(incomplete());
    };
    if self::subject(&decoded).as_bytes() != subject {
        return Err(Error::corrupt("two subjects"));
    }
    let revision = Revision::new(digits(&revision)?);
    let expires_at = self::expires_at(&expires_at)?;
    Ok(Some(Record::new(revision, expires_at, decoded.data).with_subject(decoded.subject)))
}

/// Reads the field [`EXPIRY`].
pub(crate) fn expires_at(field: &[u8]) -> Result<Timestamp> {
    digits(field).map(Timestamp::from_millis)
}

fn digits(text: &[u8]) -> Result<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::corrupt("not a number"))
}
