//! When records fall due, by what may become of them in a full store.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cloakroom_store::{Key, Record, Timestamp};

/// What may become of a record in a full store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It has no user, and its cookie never came back: it was neither touched nor replaced since it was created.
    New,
    /// It has no user, and it was used again.
    Returned,
    /// It names a subject, or others make room for it: it is never evicted.
    Kept,
}

impl Class {
    /// The class of a record that would have the class `anonymous` without a subject.
    pub(super) fn of(record: &Record, anonymous: Self) -> Self {
        if record.subject.is_some() { Self::Kept } else { anonymous }
    }
}

/// The keys of a shard, in each class in the order in which they fall due.
#[derive(Default)]
pub(super) struct Due([BTreeSet<(Timestamp, Key)>; 3]);

impl Due {
    pub(super) fn insert(&mut self, class: Class, due: Timestamp, key: Key) {
        self.0[class as usize].insert((due, key));
    }

    pub(super) fn remove(&mut self, class: Class, due: Timestamp, key: Key) {
        self.0[class as usize].remove(&(due, key));
    }

    pub(super) fn first(&self, class: Class) -> Option<(Timestamp, Key)> {
        self.0[class as usize].first().copied()
    }

    /// The first of all classes.
    pub(super) fn earliest(&self) -> Option<(Class, Timestamp, Key)> {
        let first = |class| self.first(class).map(|(due, key)| (class, due, key));
        [Class::New, Class::Returned, Class::Kept]
            .into_iter()
            .filter_map(first)
            .min_by_key(|(_, due, _)| *due)
    }

    /// The keys that are due by `now`.
    pub(super) fn until(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        let last = (now, Key::new([u8::MAX; Key::LEN]));
        self.0.iter().flat_map(move |entries| entries.range(..=last)).map(|(_, key)| key)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(BTreeSet::len).sum()
    }
}

/// The time of the first entry of each shard, in the classes that are evicted from.
///
/// Invariant: while the lock of a shard is free, these are the times in its [`Due`]. Read without the lock, they are hints:
/// an eviction checks again under the lock.
pub(super) struct EarliestDue([Box<[AtomicU64]>; 2]);

impl EarliestDue {
    pub(super) fn new(shards: usize) -> Self {
        Self([(); 2].map(|()| (0..shards).map(|_| AtomicU64::new(NONE)).collect()))
    }

    /// Notes the first entries of the shard, whose lock the caller holds.
    pub(super) fn note(&self, shard: usize, due: &Due) {
        for (class, times) in EVICTED.into_iter().zip(&self.0) {
            let first = due.first(class).map_or(NONE, |(due, _)| capped(due));
            if times[shard].load(Relaxed) != first {
                times[shard].store(first, Relaxed);
            }
        }
    }

    /// The class and the shard to evict from, and when its first record is due: the earliest of all that are due by `now`, or
    /// the earliest of the first class that has any.
    pub(super) fn candidate(&self, now: Timestamp) -> Option<(Class, usize, Timestamp)> {
        let earliest = EVICTED.into_iter().zip(&self.0).filter_map(|(class, times)| {
            let times = times.iter().enumerate().map(|(shard, due)| (due.load(Relaxed), shard));
            let (due, shard) = times.min().filter(|(due, _)| *due != NONE)?;
            Some((class, shard, Timestamp::from_millis(due)))
        });
        // Of equal ones the first is the minimum: of two that are not due yet, that of the first class.
        earliest.min_by_key(|(_, _, due)| if *due <= now { *due } else { Timestamp::MAX })
    }
}

/// The number that stands for a time: all but the latest stand for themselves.
pub(super) fn capped(due: Timestamp) -> u64 {
    due.as_millis().min(NONE - 1)
}

/// In this order.
const EVICTED: [Class; 2] = [Class::New, Class::Returned];
/// No entry.
const NONE: u64 = u64::MAX;
