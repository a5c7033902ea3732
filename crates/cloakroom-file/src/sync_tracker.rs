//! What can be read and is not known to be on the disk yet.
//!
//! After a write without a clear result the engine reads the record, and would take for done what a power failure undoes. So a
//! load that finds something that is not synced syncs it before it returns, or fails. Only changes of this process are known
//! here.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cloakroom_store::Key;

/// By the first byte of the key: what is synced together.
#[derive(Debug)]
pub(crate) struct SyncTracker([ShardSyncs; 256]);

#[derive(Debug, Default)]
struct ShardSyncs {
    /// The keys whose names are being changed, from before it can be seen until it is synced.
    pending: Mutex<Vec<Key>>,
    /// The syncs that have failed, counted.
    failed: AtomicU64,
    /// How many had failed when one began that then succeeded.
    made_good: AtomicU64,
}

/// A change that others can see, or will soon, and that is not synced.
#[derive(Debug)]
#[must_use]
pub(crate) struct PendingSync<'a> {
    shard: &'a ShardSyncs,
    key: Key,
}

impl SyncTracker {
    /// Notes that the name of `key` is about to be changed, until the returned value is dropped.
    pub(crate) fn begin(&self, key: &Key) -> PendingSync<'_> {
        let shard = self.shard(key);
        shard.pending().push(*key);
        PendingSync { shard, key: *key }
    }

    /// Whether what can be read under `key` is known to be on the disk.
    pub(crate) fn is_synced(&self, key: &Key) -> bool {
        let shard = self.shard(key);
        // In this order: a sync that fails is counted before its change is done with.
        let pending = shard.pending().contains(key);
        !pending && shard.failed.load(Ordering::SeqCst) == shard.made_good.load(Ordering::SeqCst)
    }

    /// Runs the sync of the shard that `key` is in, and notes how it ended.
    pub(crate) fn run(&self, key: &Key, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let shard = self.shard(key);
        let failed = shard.failed.load(Ordering::SeqCst);
        let synced = sync();
        match synced {
            Ok(()) => _ = shard.made_good.fetch_max(failed, Ordering::SeqCst),
            Err(_) => _ = shard.failed.fetch_add(1, Ordering::SeqCst),
        }
        synced
    }

    fn shard(&self, key: &Key) -> &ShardSyncs {
        &self.0[usize::from(key.as_bytes()[0])]
    }
}

impl ShardSyncs {
    fn pending(&self) -> MutexGuard<'_, Vec<Key>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PendingSync<'_> {
    fn drop(&mut self) {
        let mut pending = self.shard.pending();
        if let Some(index) = pending.iter().position(|key| *key == self.key) {
            pending.swap_remove(index);
        }
    }
}

impl Default for SyncTracker {
    fn default() -> Self {
        Self(std::array::from_fn(|_| ShardSyncs::default()))
    }
}
