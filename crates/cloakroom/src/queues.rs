//! Exclusive use of a session within this process: a first-come-first-served queue for each session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloakroom_store::Key;
use tokio::sync::OwnedMutexGuard;

use crate::error::{Error, ErrorKind, Result};

/// The queues of all sessions that are in exclusive use right now.
#[derive(Debug)]
pub(crate) struct Queues {
    shards: [Mutex<HashMap<Key, Queue>>; SHARDS],
    max_waiters: usize,
}

/// Fair: first come, first served (guaranteed by tokio's mutex).
type Queue = Arc<tokio::sync::Mutex<()>>;

/// The exclusive use of one session within this process, until dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    // Dropped in this order: the next in line is woken, then the place is given up.
    _turn: OwnedMutexGuard<()>,
    waiter: Waiter,
}

impl Turn {
    pub(crate) fn key(&self) -> Key {
        self.waiter.key
    }
}

impl Queues {
    pub(crate) fn new(max_waiters: usize) -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), max_waiters }
    }

    /// The session's turn, if it is free and no request waits for it. Takes no place in the queue otherwise.
    pub(crate) fn try_turn(self: &Arc<Self>, key: Key) -> Option<Turn> {
        let mut shard = self.shard(&key);
        // Under the shard's lock, so that it is not taken for one that waits.
        let turn = Arc::clone(shard.entry(key).or_default()).try_lock_owned().ok()?;
        drop(shard);
        Some(Turn { _turn: turn, waiter: Waiter { queues: Arc::clone(self), key } })
    }

    /// Waits for the session's turn, `at_most` this long.
    ///
    /// # Errors
    /// `LockTimeout` if the time passes, or at once if as many as may are waiting.
    pub(crate) async fn wait(self: Arc<Self>, key: Key, at_most: Duration) -> Result<Turn> {
        let (queue, waiter) = self.register(key)?;
        let turn = match Arc::clone(&queue).try_lock_owned() {
            Ok(turn) => turn,
            Err(_) => tokio::time::timeout(at_most, queue.lock_owned())
                .await
                .map_err(|_| Error::with_detail(ErrorKind::LockTimeout, "lock_timeout passed"))?,
        };
        Ok(Turn { _turn: turn, waiter })
    }

    fn register(self: &Arc<Self>, key: Key) -> Result<(Queue, Waiter)> {
        let mut shard = self.shard(&key);
        let queue = Arc::clone(shard.entry(key).or_default());
        // One count is the map's, one is ours, one the holder's; the rest are waiting.
        if Arc::strong_count(&queue) > self.max_waiters + 2 {
            return Err(Error::with_detail(ErrorKind::LockTimeout, "max_lock_waiters are waiting"));
        }
        drop(shard);
        Ok((queue, Waiter { queues: Arc::clone(self), key }))
    }

    fn shard(&self, key: &Key) -> std::sync::MutexGuard<'_, HashMap<Key, Queue>> {
        self.shards[key.prefix() as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a session's queue. The last to leave removes the queue.
#[derive(Debug)]
struct Waiter {
    queues: Arc<Queues>,
    key: Key,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut shard = self.queues.shard(&self.key);
        if shard.get(&self.key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            shard.remove(&self.key);
        }
    }
}

const SHARDS: usize = 64;

#[cfg(test)]
mod tests;
