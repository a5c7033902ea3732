//! A session as bytes: what the engine keeps in a record's data. `docs/format.md` draws it.

mod bytes;
mod extensions;
#[cfg(test)]
pub(crate) mod golden;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::Timestamp;

pub(crate) use self::bytes::Unreadable;
use self::bytes::{Input, Output, Section};
pub(crate) use self::extensions::{Bits, CLIENT, Extensions, FORGOTTEN, GRACE};
use crate::token::Verifier;

/// A session, and the bytes that it is stored as.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) data: Arc<[u8]>,
    pub(crate) header: Header,
    pub(crate) entries: Entries,
    pub(crate) extensions: Extensions,
}

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
    section: Section,
    count: usize,
}

/// How many entries there are, and how many bytes they take as they are stored: keys, values, and 5 more for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

/// Reads a session. Checks every length before use; allocates nothing.
///
/// # Errors
/// [`Unreadable::Newer`] for what only a later version can write: a greater version number, a flag or a critical tag that
/// is not known here. [`Unreadable::Damaged`] for everything else that is not a session.
pub(crate) fn read(data: &Arc<[u8]>) -> Result<Envelope, Unreadable> {
    let mut input = Input(data);
    let (version, flags) = (input.u8()?, input.u8()?);
    let verifier = input.verifier()?;
    if version > VERSION {
        return Err(Unreadable::Newer { verifier });
    }
    if version != VERSION || data.len() > MAX_LEN {
        return Err(Unreadable::Damaged);
    }
    if flags & !ALL_FLAGS != 0 {
        return Err(Unreadable::Newer { verifier });
    }
    if flags & ADDRESS_V4 != 0 && flags & ADDRESS_V6 != 0 {
        return Err(Unreadable::Damaged);
    }
    let has = |flag| flags & flag != 0;
    let header = Header {
        verifier,
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
    let count = usize::from(input.u16()?);
    let start = data.len() - input.0.len();
    let mut last = None;
    for _ in 0..count {
        let (key, _) = entry(&mut input)?;
        if last.is_some_and(|last| last >= key) {
            return Err(Unreadable::Damaged);
        }
        last = Some(key);
    }
    let end = data.len() - input.0.len();
    let (extensions, foreign) = Extensions::read(data, end)?;
    if foreign {
        return Err(Unreadable::Newer { verifier });
    }
    let entries = Entries { section: Section::new(data, start..end), count };
    Ok(Envelope { data: Arc::clone(data), header, entries, extensions })
}

/// Writes a session. `entries` come in ascending order of their keys and have this `size`; `tags` come in ascending order of their
/// numbers, as [`Extensions::with`] has them.
///
/// # Panics
/// If `size` is not that of the entries, a key is longer than 255 bytes, a value 4 GiB or longer, or there are more than
/// 65,535 entries: limits of the settings are far below.
pub(crate) fn write<'a>(
    header: Header,
    size: Size,
    entries: impl Iterator<Item = (&'a str, &'a [u8])>,
    tags: impl Iterator<Item = &'a [u8]> + Clone,
) -> Envelope {
    let start = header.len() + 2;
    let end = start + size.bytes;
    let len = end + tags.clone().map(<[u8]>::len).sum::<usize>();
    // Its length is known, so this is the only allocation, and nothing is copied afterwards.
    let mut data: Arc<[u8]> = std::iter::repeat_n(0, len).collect();
    let mut out = Output(Arc::get_mut(&mut data).expect("it was just made, and is not shared"));
    header.write(&mut out);
    out.put(&u16::try_from(size.count).expect("at most 65,535 entries").to_le_bytes());
    let mut count = 0;
    for (key, value) in entries {
        out.put(&[u8::try_from(key.len()).expect("a key has at most 255 bytes")]);
        out.put(key.as_bytes());
        out.put(&u32::try_from(value.len()).expect("a value is below 4 GiB").to_le_bytes());
        out.put(value);
        count += 1;
    }
    tags.for_each(|tag| out.put(tag));
    assert!(count == size.count && out.0.is_empty(), "the size of the entries is what was said");
    let entries = Entries { section: Section::new(&data, start..end), count };
    let extensions = Extensions::written(&data, end);
    Envelope { data, header, entries, extensions }
}

impl Header {
    /// How many bytes it takes.
    fn len(&self) -> usize {
        let optional = [
            (self.previous.is_some(), Verifier::LEN + 8),
            (self.authenticated_at.is_some(), 8),
            (self.remembered.is_some(), 8),
            (matches!(self.address, Some(IpAddr::V4(_))), 4),
            (matches!(self.address, Some(IpAddr::V6(_))), 16),
        ];
        let optional = optional.into_iter().filter(|(there, _)| *there).map(|(_, len)| len);
        GUARD.end + 3 * 8 + optional.sum::<usize>()
    }

    fn write(&self, out: &mut Output<'_>) {
        out.put(&[VERSION, self.flags()]);
        out.put(self.verifier.as_bytes());
        out.timestamp(self.secret_since);
        if let Some((verifier, until)) = &self.previous {
            out.put(verifier.as_bytes());
            out.timestamp(*until);
        }
        out.timestamp(self.created_at);
        out.timestamp(self.ends_at);
        if let Some(at) = self.authenticated_at {
            out.timestamp(at);
        }
        if let Some(idle) = self.remembered {
            out.put(&u64::try_from(idle.as_millis()).unwrap_or(u64::MAX).to_le_bytes());
        }
        match self.address {
            Some(IpAddr::V4(ip)) => out.put(&ip.octets()),
            Some(IpAddr::V6(ip)) => out.put(&ip.octets()),
            None => {}
        }
    }

    fn flags(&self) -> u8 {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        flag(self.previous.is_some(), PREVIOUS)
            | flag(self.authenticated_at.is_some(), AUTHENTICATED)
            | flag(self.remembered.is_some(), REMEMBERED)
            | flag(matches!(self.address, Some(IpAddr::V4(_))), ADDRESS_V4)
            | flag(matches!(self.address, Some(IpAddr::V6(_))), ADDRESS_V6)
            | flag(self.ended, ENDED)
    }
}

impl Entries {
    pub(crate) const EMPTY: &Self = &Self { section: Section::EMPTY, count: 0 };

    pub(crate) fn size(&self) -> Size {
        Size { count: self.count, bytes: self.section.len() }
    }

    /// Whether they are the very same bytes in memory.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.section.same(&other.section)
    }

    /// The encoded value under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        self.iter().take_while(|(found, _)| *found <= key).find(|(found, _)| *found == key).map(|(_, v)| v)
    }

    /// All entries, ascending by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut input = Input(self.section.bytes());
        std::iter::from_fn(move || entry(&mut input).ok())
    }
}

impl Size {
    /// With one more entry.
    pub(crate) fn plus(self, key: &str, value_len: usize) -> Self {
        Self { count: self.count + 1, bytes: self.bytes + entry_len(key, value_len) }
    }

    /// Without one of its entries.
    pub(crate) fn minus(self, key: &str, value_len: usize) -> Self {
        Self { count: self.count - 1, bytes: self.bytes - entry_len(key, value_len) }
    }
}

fn entry<'a>(input: &mut Input<'a>) -> Result<(&'a str, &'a [u8]), Unreadable> {
    let key_len = input.u8()?;
    let key = std::str::from_utf8(input.bytes(usize::from(key_len))?).map_err(|_| Unreadable::Damaged)?;
    let value_len = u32::from_le_bytes(*input.array()?);
    Ok((key, input.bytes(value_len as usize)?))
}

const fn entry_len(key: &str, value_len: usize) -> usize {
    1 + key.len() + 4 + value_len
}

/// The place of the current secret's verifier. Every version begins with its number in one byte and has the verifier
/// here, so that a store can compare it, and a version can tell whose session it is that it cannot read.
pub(crate) const GUARD: Range<usize> = 2..2 + Verifier::LEN;
/// The longest envelope that is read: twice the largest `max_record_bytes` that can be set.
const MAX_LEN: usize = 32 << 20;

const VERSION: u8 = 1;
const PREVIOUS: u8 = 1;
const AUTHENTICATED: u8 = 1 << 1;
const REMEMBERED: u8 = 1 << 2;
const ADDRESS_V4: u8 = 1 << 3;
const ADDRESS_V6: u8 = 1 << 4;
const ENDED: u8 = 1 << 5;
const ALL_FLAGS: u8 = PREVIOUS | AUTHENTICATED | REMEMBERED | ADDRESS_V4 | ADDRESS_V6 | ENDED;
