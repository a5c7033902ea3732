//! When a sync fails nobody knows what is safe. What can be read then is not shown until another has succeeded:
//! whoever gets no clear answer reads it back, and would take what a power failure undoes for done.

use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom_store::{Error, Key, Result};

use super::folder::Folder;

/// The syncs of each shard that have failed, counted.
#[derive(Debug)]
pub(super) struct Settlement([Shard; 256]);

#[derive(Debug, Default)]
struct Shard {
    failed: AtomicU64,
    /// How many had failed when one began that then succeeded.
    settled: AtomicU64,
}

impl Folder {
    /// Makes what was done to the name of `key` last.
    pub(super) fn settle(&self, key: &Key) -> Result<()> {
        let shard = &self.settlement.0[usize::from(key.as_bytes()[0])];
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

    /// Tries again what failed in the shard of `key`; before anything is read from it.
    pub(super) fn settle_what_failed(&self, key: &Key) -> Result<()> {
        let shard = &self.settlement.0[usize::from(key.as_bytes()[0])];
        if shard.failed.load(Ordering::SeqCst) == shard.settled.load(Ordering::SeqCst) {
            return Ok(());
        }
        // Nothing has been changed by whoever is about to read.
        self.settle(key).map_err(Error::unavailable)
    }
}

impl Default for Settlement {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Shard::default()))
    }
}
