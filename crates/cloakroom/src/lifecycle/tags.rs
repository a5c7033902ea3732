//! The tags that this version adds to a session: what it says beyond its header. `docs/format.md` lists them.

use std::net::IpAddr;
use std::time::Duration;

use cloakroom_store::Timestamp;

use crate::client::Client;
use crate::envelope::{Bits, CLIENT, Extensions, FORGOTTEN, GRACE};

/// The tags of a session, as they are to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    pub(crate) grace: Option<Grace>,
    /// When `forget` was called: the absolute limit counts from then.
    pub(crate) forgotten_at: Option<Timestamp>,
}

/// The grace that a plain rotation gave the secret before the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grace {
    /// Whether the current secret has been presented.
    pub(crate) confirmed: bool,
    /// How long it lasts from when its end was written.
    pub(crate) length: Duration,
}

/// Who wrote a session last, and when. A write sets it anew or drops it, so it is no part of what is rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastWrite {
    pub(crate) client: Client,
    pub(crate) at: Timestamp,
}

/// The stored form of [`Tags`], and perhaps of a [`LastWrite`].
#[derive(Clone, Debug)]
pub(super) struct Stored {
    grace: Option<[u8; 9]>,
    forgotten_at: Option<[u8; 12]>,
    client: Option<Vec<u8>>,
}

impl Tags {
    /// What the stored tags say. A value that cannot be read is as good as none.
    pub(crate) fn of(stored: &Extensions) -> Self {
        if stored.is_empty() {
            return Self::default();
        }
        let grace = stored.get(GRACE).and_then(|value| {
            let (&confirmed, length) = value.split_first()?;
            let length = u32::from_le_bytes(length.try_into().ok()?);
            Some(Grace { confirmed: confirmed != 0, length: Duration::from_millis(length.into()) })
        });
        let forgotten_at = stored
            .get(FORGOTTEN)
            .and_then(|value| Some(Timestamp::from_millis(u64::from_le_bytes(value.try_into().ok()?))));
        Self { grace, forgotten_at }
    }

    /// The client is given where it is recorded.
    pub(super) fn stored(&self, client: Option<&Client>, now: Timestamp) -> Stored {
        let grace = self.grace.map(|grace| {
            let length = u32::try_from(grace.length.as_millis()).unwrap_or(u32::MAX);
            tag(GRACE, Bits::SURVIVES_WRITE, [&[u8::from(grace.confirmed)][..], &length.to_le_bytes()])
        });
        let forgotten_at = self.forgotten_at.map(|at| {
            let bits = Bits::SURVIVES_WRITE.and(Bits::SURVIVES_NEW_SECRET);
            tag(FORGOTTEN, bits, [&at.as_millis().to_le_bytes()[..], &[]])
        });
        Stored { grace, forgotten_at, client: client.map(|client| client_tag(client, now)) }
    }
}

impl LastWrite {
    /// What the stored tags say. A value that cannot be read is as good as none.
    pub(crate) fn of(stored: &Extensions) -> Option<Self> {
        let (at, value) = stored.get(CLIENT)?.split_first_chunk::<8>()?;
        let (kind, value) = value.split_first()?;
        let (address, value) = match *kind {
            0 => (None, value),
            4 => value.split_first_chunk::<4>().map(|(octets, rest)| (Some(IpAddr::from(*octets)), rest))?,
            6 => value.split_first_chunk::<16>().map(|(octets, rest)| (Some(IpAddr::from(*octets)), rest))?,
            _ => return None,
        };
        let user_agent = str::from_utf8(value).ok()?;
        let user_agent = (!user_agent.is_empty()).then(|| user_agent.into());
        let at = Timestamp::from_millis(u64::from_le_bytes(*at));
        Some(Self { client: Client { address, user_agent }, at })
    }
}

impl Stored {
    /// Each tag, ascending by number, with those of later versions that have these bits. The client, which nothing rests on,
    /// is left out where they leave no room for it.
    pub(super) fn beside<'a>(
        &'a self,
        foreign: &'a Extensions,
        bits: Bits,
    ) -> impl Iterator<Item = &'a [u8]> + Clone {
        let grace = self.grace.as_ref().map(<[u8; 9]>::as_slice);
        let forgotten_at = self.forgotten_at.as_ref().map(<[u8; 12]>::as_slice);
        let (own, foreign) = (grace.into_iter().chain(forgotten_at), foreign.foreign_with(bits));
        let others = own.clone().chain(foreign.clone());
        let client = self.client.as_deref().filter(|client| {
            let (count, len) =
                others.fold((1, client.len()), |(count, len), tag| (count + 1, len + tag.len()));
            count <= MOST_TAGS && len <= MOST_BYTES
        });
        own.chain(client).chain(foreign)
    }
}

fn client_tag(client: &Client, now: Timestamp) -> Vec<u8> {
    let user_agent = client.user_agent.as_deref().unwrap_or_default().as_bytes();
    let (kind, address) = match client.address {
        None => (0, Vec::new()),
        Some(IpAddr::V4(address)) => (4, address.octets().to_vec()),
        Some(IpAddr::V6(address)) => (6, address.octets().to_vec()),
    };
    let len = u16::try_from(8 + 1 + address.len() + user_agent.len()).expect("a tag is short");
    let head = Bits::SURVIVES_WRITE.and(Bits::SURVIVES_NEW_SECRET).head(CLIENT);
    [&head[..], &len.to_le_bytes(), &now.as_millis().to_le_bytes(), &[kind], &address, user_agent].concat()
}

/// A tag of `N` bytes in all, as it is stored.
fn tag<const N: usize>(number: u16, bits: Bits, value: [&[u8]; 2]) -> [u8; N] {
    let mut bytes = [0; N];
    let len = u16::try_from(N - 4).expect("a tag is short");
    bytes[..2].copy_from_slice(&bits.head(number));
    bytes[2..4].copy_from_slice(&len.to_le_bytes());
    let (first, second) = bytes[4..].split_at_mut(value[0].len());
    first.copy_from_slice(value[0]);
    second.copy_from_slice(value[1]);
    bytes
}

/// How many tags, and how many bytes of them, a writer writes.
const MOST_TAGS: usize = 16;
const MOST_BYTES: usize = 1 << 10;
