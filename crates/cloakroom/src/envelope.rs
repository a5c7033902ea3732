//! A session as bytes: what the engine keeps in a record's data. `docs/format.md` draws it.

#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::Timestamp;

use crate::token::Verifier;

/// Everything about a session but its values; its subject and idle expiry are columns of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Of the secret that is current.
    pub(crate) verifier: Verifier,
    /// When that secret became current.
    pub(crate) secret_since: Timestamp,
    /// The secret before it, and until when it still works (not at all if that is in the past).
    pub(crate) previous: Option<(Verifier, Timestamp)>,
    pub(crate) created_at: Timestamp,
    /// The absolute limit.
    pub(crate) ends_at: Timestamp,
    pub(crate) authenticated_at: Option<Timestamp>,
    /// Set by `remember`: the session's own idle timeout, and a cookie that outlives the browser.
    pub(crate) remembered: Option<Duration>,
    /// The client's address when the session was created, where the settings bind sessions to it.
    pub(crate) address: Option<IpAddr>,
    /// A tombstone: the session was ended and only its secret's end is remembered.
    pub(crate) ended: bool,
}

/// The values of a session as they are stored: keys in ascending order, each with its encoded value.
///
/// Nothing is decoded until it is asked for, and what is not asked for is kept byte for byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    data: Option<Arc<[u8]>>,
    start: usize,
    count: usize,
}

/// Bytes that are not a session of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Reads a session. Checks every length before use; allocates nothing.
pub(crate) fn read(data: &Arc<[u8]>) -> Result<(Header, Entries), Unreadable> {
    let mut input = Input(data);
    if input.u8()? != VERSION {
        return Err(Unreadable);
    }
    let flags = input.u8()?;
    if flags & !ALL_FLAGS != 0 || flags & ADDRESS_V4 != 0 && flags & ADDRESS_V6 != 0 {
        return Err(Unreadable);
    }
    let has = |flag| flags & flag != 0;
    let header = Header {
        verifier: input.verifier()?,
        secret_since: input.timestamp()?,
        previous: has(PREVIOUS).then(|| Ok((input.verifier()?, input.timestamp()?))).transpose()?,
        created_at: input.timestamp()?,
        ends_at: input.timestamp()?,
        authenticated_at: has(AUTHENTICATED).then(|| input.timestamp()).transpose()?,
        remembered: has(REMEMBERED).then(|| input.u64().map(Duration::from_millis)).transpose()?,
        address: match (has(ADDRESS_V4), has(ADDRESS_V6)) {
            (true, _) => Some(IpAddr::from(*input.array::<4>()?)),
            (_, true) => Some(IpAddr::from(*input.array::<16>()?)),
            _ => None,
        },
        ended: has(ENDED),
    };
    let count = usize::from(u16::from_le_bytes(*input.array()?));
    let start = data.len() - input.0.len();
    let mut last = None;
    for _ in 0..count {
        let (key, _) = input.entry()?;
        if last.is_some_and(|last| last >= key) {
            return Err(Unreadable);
        }
        last = Some(key);
    }
    if !input.0.is_empty() {
        return Err(Unreadable);
    }
    Ok((header, Entries { data: Some(Arc::clone(data)), start, count }))
}

/// Writes a session. `entries` come in ascending order of their keys.
///
/// # Panics
/// If a key is longer than 255 bytes, a value 4 GiB or longer, or there are more than 65,535 entries: limits of
/// the settings are far below.
pub(crate) fn write<'a>(header: &Header, entries: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.push(VERSION);
    out.push(flags(header));
    out.extend_from_slice(header.verifier.as_bytes());
    push_timestamp(&mut out, header.secret_since);
    if let Some((verifier, until)) = &header.previous {
        out.extend_from_slice(verifier.as_bytes());
        push_timestamp(&mut out, *until);
    }
    push_timestamp(&mut out, header.created_at);
    push_timestamp(&mut out, header.ends_at);
    if let Some(at) = header.authenticated_at {
        push_timestamp(&mut out, at);
    }
    if let Some(idle) = header.remembered {
        let millis = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        out.extend_from_slice(&millis.to_le_bytes());
    }
    match header.address {
        Some(IpAddr::V4(ip)) => out.extend_from_slice(&ip.octets()),
        Some(IpAddr::V6(ip)) => out.extend_from_slice(&ip.octets()),
        None => {}
    }
    let count_at = out.len();
    out.extend_from_slice(&[0; 2]);
    let mut count: u16 = 0;
    for (key, value) in entries {
        out.push(u8::try_from(key.len()).expect("a key has at most 255 bytes"));
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(&u32::try_from(value.len()).expect("a value is below 4 GiB").to_le_bytes());
        out.extend_from_slice(value);
        count = count.checked_add(1).expect("at most 65,535 entries");
    }
    out[count_at..count_at + 2].copy_from_slice(&count.to_le_bytes());
    out
}

impl Entries {
    pub(crate) const EMPTY: &Self = &Self { data: None, start: 0, count: 0 };

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether they are the very same bytes in memory.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.data, &other.data) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// The encoded value under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        self.iter().take_while(|(found, _)| *found <= key).find(|(found, _)| *found == key).map(|(_, v)| v)
    }

    /// All entries, ascending by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut input = Input(self.data.as_ref().map_or(&[], |data| &data[self.start..]));
        std::iter::from_fn(move || input.entry().ok())
    }
}

fn flags(header: &Header) -> u8 {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    flag(header.previous.is_some(), PREVIOUS)
        | flag(header.authenticated_at.is_some(), AUTHENTICATED)
        | flag(header.remembered.is_some(), REMEMBERED)
        | flag(matches!(header.address, Some(IpAddr::V4(_))), ADDRESS_V4)
        | flag(matches!(header.address, Some(IpAddr::V6(_))), ADDRESS_V6)
        | flag(header.ended, ENDED)
}

fn push_timestamp(out: &mut Vec<u8>, at: Timestamp) {
    out.extend_from_slice(&at.as_millis().to_le_bytes());
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Unreadable> {
        self.0.split_off(..len).ok_or(Unreadable)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Unreadable> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Unreadable)?;
        self.0 = rest;
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, Unreadable> {
        self.array::<1>().map(|[byte]| *byte)
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn timestamp(&mut self) -> Result<Timestamp, Unreadable> {
        let millis = self.u64()?;
        // Later than any time there is: `from_millis` would quietly make it the latest.
        if millis > Timestamp::MAX.as_millis() { Err(Unreadable) } else { Ok(Timestamp::from_millis(millis)) }
    }

    fn verifier(&mut self) -> Result<Verifier, Unreadable> {
        self.array().map(|bytes| Verifier::new(*bytes))
    }

    fn entry(&mut self) -> Result<(&'a str, &'a [u8]), Unreadable> {
        let key_len = self.u8()?;
        let key = std::str::from_utf8(self.bytes(usize::from(key_len))?).map_err(|_| Unreadable)?;
        let value_len = u32::from_le_bytes(*self.array()?);
        Ok((key, self.bytes(value_len as usize)?))
    }
}

const VERSION: u8 = 1;
const PREVIOUS: u8 = 1;
const AUTHENTICATED: u8 = 1 << 1;
const REMEMBERED: u8 = 1 << 2;
const ADDRESS_V4: u8 = 1 << 3;
const ADDRESS_V6: u8 = 1 << 4;
const ENDED: u8 = 1 << 5;
const ALL_FLAGS: u8 = PREVIOUS | AUTHENTICATED | REMEMBERED | ADDRESS_V4 | ADDRESS_V6 | ENDED;
