//! Which keys belong to whom.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard};

use cloakroom_store::{Key, Subject};

use super::lock;

/// Pairs of subject and key.
///
/// Invariant: while a subject's lock is free, every record that names the subject has its entry. Whoever
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

    pub(super) fn keys(&self, subject: &Subject) -> Vec<Key> {
        let bounds = |byte| (subject.clone(), Key::new([byte; Key::LEN]));
        self.lock(subject).range(bounds(0x00)..=bounds(0xff)).map(|(_, key)| *key).collect()
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }
}

const SHARDS: usize = 256;
