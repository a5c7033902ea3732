//! What a request did to its session's values: recorded as operations, so that they can be applied
//! again when another request got there first.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::envelope::{Entries, Size};

/// Inserts, removals and clears, in their shortest form: perhaps a clear, then at most one operation for
/// each key. Applying it twice is the same as applying it once.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpLog {
    cleared: bool,
    /// `None` removes the key.
    writes: BTreeMap<Box<str>, Option<Arc<[u8]>>>,
}

/// What a log does to one key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect<'a> {
    /// Nothing: the value underneath shows through.
    None,
    /// The key has this value afterwards.
    Set(&'a [u8]),
    /// The key is gone afterwards.
    Gone,
}

impl OpLog {
    /// Records an insert, or without a value a removal.
    pub(crate) fn record(&mut self, key: &str, value: Option<Arc<[u8]>>) {
        self.writes.insert(key.into(), value);
    }

    pub(crate) fn clear(&mut self) {
        self.writes.clear();
        self.cleared = true;
    }

    /// Takes back what was recorded for `key`, whose value underneath is the same; after a clear nothing is underneath.
    pub(crate) fn forget(&mut self, key: &str) {
        if !self.cleared {
            self.writes.remove(key);
        }
    }

    /// Whether the log begins with a clear, and so says something about every key.
    pub(crate) fn is_cleared(&self) -> bool {
        self.cleared
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.cleared && self.writes.is_empty()
    }

    /// Whether the log says anything about `key`.
    pub(crate) fn writes(&self, key: &str) -> bool {
        self.effect(key) != Effect::None
    }

    /// What the log does to `key`.
    pub(crate) fn effect(&self, key: &str) -> Effect<'_> {
        match self.writes.get(key) {
            Some(Some(value)) => Effect::Set(value),
            Some(None) => Effect::Gone,
            None if self.cleared => Effect::Gone,
            None => Effect::None,
        }
    }

    /// The value under `key` after the log has been applied to `base`.
    pub(crate) fn get<'a>(&'a self, base: &'a Entries, key: &str) -> Option<&'a [u8]> {
        match self.effect(key) {
            Effect::Set(value) => Some(value),
            Effect::Gone => None,
            Effect::None => base.get(key),
        }
    }

    /// All entries after the log has been applied to `base`, ascending by key.
    pub(crate) fn apply<'a>(&'a self, base: &'a Entries) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let mut kept = base.iter().filter(|(key, _)| self.effect(key) == Effect::None).peekable();
        let mut written =
            self.writes.iter().filter_map(|(key, value)| Some((&**key, &**value.as_ref()?))).peekable();
        std::iter::from_fn(move || match (kept.peek(), written.peek()) {
            (Some((kept_key, _)), Some((written_key, _))) if kept_key < written_key => kept.next(),
            (Some(_), None) => kept.next(),
            _ => written.next(),
        })
    }

    /// The size of the entries after the log has been applied to `base`. Goes through the entries once, up to the last
    /// key that the log writes.
    pub(crate) fn size(&self, base: &Entries) -> Size {
        let mut size = if self.cleared { Size::default() } else { base.size() };
        let mut below = (!self.cleared).then(|| base.iter()).into_iter().flatten().peekable();
        for (key, value) in &self.writes {
            while below.next_if(|(kept, _)| *kept < &**key).is_some() {}
            if let Some((_, old)) = below.next_if(|(kept, _)| *kept == &**key) {
                size = size.minus(key, old.len());
            }
            if let Some(value) = value {
                size = size.plus(key, value.len());
            }
        }
        size
    }

    /// The same with one more insert, of a value of `len` bytes, which is not recorded.
    pub(crate) fn size_with(&self, base: &Entries, key: &str, len: usize) -> Size {
        let size = self.size(base);
        match self.get(base, key) {
            Some(old) => size.minus(key, old.len()).plus(key, len),
            None => size.plus(key, len),
        }
    }

    /// The keys the log says something about: those it writes, and under a clear those of `base`.
    pub(crate) fn keys<'a>(&'a self, base: &'a Entries) -> impl Iterator<Item = &'a str> {
        let written = self.writes.keys().map(|key| &**key);
        let cleared =
            base.iter().map(|(key, _)| key).filter(|key| self.cleared && !self.writes.contains_key(*key));
        written.chain(cleared)
    }

    /// The keys whose value differs after the log has been applied to `base`.
    pub(crate) fn changes<'a>(&'a self, base: &'a Entries) -> impl Iterator<Item = &'a str> {
        self.keys(base).filter(|key| self.get(base, key) != base.get(key))
    }
}

#[cfg(test)]
mod tests;
