//! The bytes of an envelope: read with every length checked before use, written into exactly the room they need.

use std::ops::Range;
use std::sync::Arc;

use cloakroom_store::Timestamp;

use crate::token::Verifier;

/// Why bytes are not a session that this version can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// They are not what any version writes.
    Damaged,
    /// A later version wrote them, and this one must not act on them. The verifier of the current secret has the same
    /// place in all versions: only who presents that secret is known to be the session's visitor.
    Newer { verifier: Verifier },
}

/// What is left to read.
#[derive(Clone, Debug)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Unreadable> {
        self.0.split_off(..len).ok_or(Unreadable::Damaged)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Unreadable> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Unreadable> {
        self.array::<1>().map(|[byte]| *byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Unreadable> {
        self.array().map(|bytes| u16::from_le_bytes(*bytes))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Unreadable> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    pub(super) fn timestamp(&mut self) -> Result<Timestamp, Unreadable> {
        let millis = self.u64()?;
        // Later than any time there is: `from_millis` would quietly make it the latest.
        if millis > Timestamp::MAX.as_millis() {
            Err(Unreadable::Damaged)
        } else {
            Ok(Timestamp::from_millis(millis))
        }
    }

    pub(super) fn verifier(&mut self) -> Result<Verifier, Unreadable> {
        self.array().map(|bytes| Verifier::new(*bytes))
    }
}

/// Room for exactly what is to be written.
pub(super) struct Output<'a>(pub(super) &'a mut [u8]);

impl Output<'_> {
    /// # Panics
    /// If there is no room left for `bytes`.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let room = self.0.split_off_mut(..bytes.len()).expect("the room was measured");
        room.copy_from_slice(bytes);
    }

    pub(super) fn timestamp(&mut self, at: Timestamp) {
        self.put(&at.as_millis().to_le_bytes());
    }
}

/// A part of an envelope's bytes, shared with the rest of them; without bytes it holds on to nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    data: Option<Arc<[u8]>>,
    range: Range<usize>,
}

impl Section {
    pub(super) const EMPTY: Self = Self { data: None, range: 0..0 };

    pub(super) fn new(data: &Arc<[u8]>, range: Range<usize>) -> Self {
        if range.is_empty() { Self::EMPTY } else { Self { data: Some(Arc::clone(data)), range } }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.data.as_ref().map_or(&[], |data| &data[self.range.clone()])
    }

    pub(super) fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether they are the very same bytes in memory.
    pub(super) fn same(&self, other: &Self) -> bool {
        std::ptr::eq(self.bytes(), other.bytes()) || self.len() == 0 && other.len() == 0
    }
}
