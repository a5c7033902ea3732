//! Which keys belong to which subject.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use cloakroom_store::{Key, Subject};

use super::records::lock;

/// Pairs of subject and key.
///
/// Invariant: while a subject's lock is free, every record that names the subject has its entry. A call that
/// writes such a record holds the lock from before the record until after the entry. Between a record's
/// end and its entry's there may be an entry too many.
pub(super) struct SubjectIndex {
    shards: [Mutex<BTreeSet<(Subject, Key)>>; SHARDS],
    hasher: RandomState,
}

impl SubjectIndex {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }

    pub(super) fn lock(&self, subject: &Subject) -> MutexGuard<'_, BTreeSet<(Subject, Key)>> {
        lock(&self.shards[self.hasher.hash_one(subject) as usize % SHARDS])
    }

    /// Returns the first `limit` keys of the subject that come after `after`.
    pub(super) fn keys(&self, subject: &Subject, after: Option<&Key>, limit: usize) -> Vec<Key> {
        let pair = |key| (subject.clone(), key);
        let start = match after {
            None => Bound::Included(pair(Key::new([0; Key::LEN]))),
            Some(key) => Bound::Excluded(pair(*key)),
        };
        let end = Bound::Included(pair(Key::new([u8::MAX; Key::LEN])));
        self.lock(subject).range((start, end)).map(|(_, key)| *key).take(limit).collect()
    }

    /// How many keys the subject has, with this one.
    pub(super) fn count_with(&self, subject: &Subject, key: &Key) -> usize {
        let pair = |key| (subject.clone(), key);
        let all = pair(Key::new([0; Key::LEN]))..=pair(Key::new([u8::MAX; Key::LEN]));
        let index = self.lock(subject);
        index.range(all).count() + usize::from(!index.contains(&pair(*key)))
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }
}

const SHARDS: usize = 256;
