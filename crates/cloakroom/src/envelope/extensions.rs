//! The extension block: tagged values behind the entries, by which later versions add to a session without locking
//! this one out of it.

use std::sync::Arc;

use super::bytes::{Input, Section, Unreadable};

/// The tags of a session, ascending by number, each as it is stored.
///
/// A tag belongs to the version that wrote it. What its bits say, every version does: a write keeps the tags that
/// survive it and drops the others, whether it knows them or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extensions(Section);

/// What the bits of a tag say: the top four of its first two bytes. By default there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(u16);

impl Bits {
    /// Who does not know the tag must not use the session.
    pub(crate) const CRITICAL: Self = Self(1 << 15);
    /// Kept by a write. Every write of the data is one, whatever else it does.
    pub(crate) const SURVIVES_WRITE: Self = Self(1 << 14);
    /// Kept by a write that gives the session a new secret, too.
    pub(crate) const SURVIVES_NEW_SECRET: Self = Self(1 << 13);
    /// Kept when a user signs in, too: to an anonymous session, or once more to their own.
    pub(crate) const SURVIVES_REAUTHENTICATION: Self = Self(1 << 12);

    /// The first two bytes of a tag with this number.
    pub(crate) const fn head(self, number: u16) -> [u8; 2] {
        (number | self.0).to_le_bytes()
    }

    pub(crate) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// The numbers of the tags that this version knows: what it may use although they are critical. Numbers are given in
/// ascending order, so that a version's own tags stand before those of later versions. Their bits and values are in
/// `lifecycle/tags.rs`.
const KNOWN: [u16; 3] = [GRACE, FORGOTTEN, CLIENT];
/// The grace of a rotation: how long it is, and whether the new secret has been presented.
pub(crate) const GRACE: u16 = 1;
/// When the session ceased to be remembered.
pub(crate) const FORGOTTEN: u16 = 2;
/// The client's device and address.
pub(crate) const CLIENT: u16 = 3;

/// One tag, as it is stored.
struct Tag<'a> {
    number: u16,
    bits: Bits,
    /// All of it: number, length and value.
    bytes: &'a [u8],
}

impl<'a> Tag<'a> {
    fn read(input: &mut Input<'a>) -> Result<Self, Unreadable> {
        let start = input.0;
        let head = input.u16()?;
        let len = input.u16()?;
        input.bytes(usize::from(len))?;
        let bytes = &start[..start.len() - input.0.len()];
        Ok(Self { number: head & NUMBER, bits: Bits(head & !NUMBER), bytes })
    }
}

impl Extensions {
    pub(crate) const EMPTY: &Self = &Self(Section::EMPTY);

    /// Reads the block that `data` ends with, and whether there is a critical tag in it that this version does not
    /// know.
    pub(super) fn read(data: &Arc<[u8]>, start: usize) -> Result<(Self, bool), Unreadable> {
        let mut input = Input(&data[start..]);
        if input.0.len() > MAX_BYTES {
            return Err(Unreadable::Damaged);
        }
        let (mut last, mut count, mut foreign) = (0, 0, false);
        while !input.0.is_empty() {
            let tag = Tag::read(&mut input)?;
            // The least number is 1, so that zeros at the end are damage and not a tag.
            if tag.number <= last || count == MAX_TAGS {
                return Err(Unreadable::Damaged);
            }
            foreign |= tag.bits.contains(Bits::CRITICAL) && !KNOWN.contains(&tag.number);
            (last, count) = (tag.number, count + 1);
        }
        Ok((Self::written(data, start), foreign))
    }

    /// The block that `data` ends with.
    pub(super) fn written(data: &Arc<[u8]>, start: usize) -> Self {
        Self(Section::new(data, start..data.len()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The value of the tag with this number.
    pub(crate) fn get(&self, number: u16) -> Option<&[u8]> {
        self.tags().find(|tag| tag.number == number).map(|tag| &tag.bytes[HEAD_LEN..])
    }

    /// The tags that have at least these bits, each as it is stored.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn with(&self, bits: Bits) -> impl Iterator<Item = &[u8]> + Clone {
        self.tags().filter(move |tag| tag.bits.contains(bits)).map(|tag| tag.bytes)
    }

    /// The same without those that this version knows, and writes anew.
    pub(crate) fn foreign_with(&self, bits: Bits) -> impl Iterator<Item = &[u8]> + Clone {
        let foreign = |tag: &Tag<'_>| !KNOWN.contains(&tag.number);
        self.tags().filter(move |tag| foreign(tag) && tag.bits.contains(bits)).map(|tag| tag.bytes)
    }

    fn tags(&self) -> impl Iterator<Item = Tag<'_>> + Clone {
        let mut input = Input(self.0.bytes());
        std::iter::from_fn(move || Tag::read(&mut input).ok())
    }
}

/// The length of a tag's number and length.
const HEAD_LEN: usize = 4;
/// The part of a tag's first two bytes that is its number.
const NUMBER: u16 = 0x0fff;
/// The most tags that are read. Those who write them keep to 16.
const MAX_TAGS: usize = 64;
/// The longest block that is read. Those who write one keep to 1 KiB.
const MAX_BYTES: usize = 16 << 10;
