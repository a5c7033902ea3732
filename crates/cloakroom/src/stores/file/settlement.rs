//! What can be read and is not known to be on the disk yet.
//!
//! Whoever gets no clear answer to a write reads it back, and would take for done what a power failure undoes. So a load
//! that finds something unsettled syncs it before it answers, or fails. Only changes of this process are known here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cloakroom_store::{Error, Key, Result};

use super::folder::Folder;

/// By the first byte of the key: what is synced together.
#[derive(Debug)]
pub(super) struct Settlement([Shard; 256]);

#[derive(Debug, Default)]
struct Shard {
    /// The keys whose names are being changed, from before it can be seen until it is synced.
    pending: Mutex<Vec<Key>>,
    /// The syncs that have failed, counted.
    failed: AtomicU64,
    /// How many had failed when one began that then succeeded.
    settled: AtomicU64,
}

/// A change that others can see, or will soon, and that is not synced.
#[derive(Debug)]
#[must_use]
pub(super) struct Unsettled<'a> {
    shard: &'a Shard,
    key: Key,
}

impl Settlement {
    /// Notes that the name of `key` is about to be changed, until the answer is dropped.
    pub(super) fn begin(&self, key: &Key) -> Unsettled<'_> {
        let shard = self.shard(key);
        shard.pending().push(*key);
        Unsettled { shard, key: *key }
    }

    /// Whether what can be read under `key` is known to be on the disk.
    fn is_settled(&self, key: &Key) -> bool {
        let shard = self.shard(key);
        // In this order: a sync that fails is counted before its change is done with.
        let pending = shard.pending().contains(key);
        !pending && shard.failed.load(Ordering::SeqCst) == shard.settled.load(Ordering::SeqCst)
    }

    fn shard(&self, key: &Key) -> &Shard {
        &self.0[usize::from(key.as_bytes()[0])]
    }
}

impl Folder {
    /// Makes what was done to the name of `key` last.
    pub(super) fn settle(&self, key: &Key) -> Result<()> {
        let shard = self.settlement.shard(key);
        let failed = shard.failed.load(Ordering::SeqCst);
        let synced = self.disk.sync_folder(&self.layout.shard_of(key));
        match synced {
            Ok(()) => _ = shard.settled.fetch_max(failed, Ordering::SeqCst),
            Err(_) => _ = shard.failed.fetch_add(1, Ordering::SeqCst),
        }
        synced.map_err(Error::maybe_applied)
    }

    /// Settles the names of many keys, each shard once; with the first failure it ends.
    pub(super) fn settle_all<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Result<()> {
        let mut shards = [false; 256];
        for key in keys {
            if !std::mem::replace(&mut shards[usize::from(key.as_bytes()[0])], true) {
                self.settle(key)?;
            }
        }
        Ok(())
    }

    /// For what was just read under `key`, before it is answered.
    pub(super) fn settle_what_was_read(&self, key: &Key) -> Result<()> {
        if self.settlement.is_settled(key) {
            return Ok(());
        }
        // Whoever reads has changed nothing.
        self.settle(key).map_err(Error::unavailable)
    }
}

impl Shard {
    fn pending(&self) -> MutexGuard<'_, Vec<Key>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        let mut pending = self.shard.pending();
        if let Some(place) = pending.iter().position(|key| *key == self.key) {
            pending.swap_remove(place);
        }
    }
}

impl Default for Settlement {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Shard::default()))
    }
}
