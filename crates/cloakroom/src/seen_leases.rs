//! Leases of others that were in the way, and for how long they have stayed the same.
//!
//! On a store whose leases go by the clocks of its clients, a lease that one of them took while its clock was ahead would
//! look taken for as long. A holder renews its lease or gives it back; so one that has not changed for longer than it can
//! last belongs to no session, whatever it says.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom_store::{Claim, Key, SeenLease};

use crate::clock::Stopwatch;

/// What all requests of this process have seen: one that waits may give up before a lease is due.
#[derive(Debug)]
pub(crate) struct SeenLeases {
    seen: Mutex<HashMap<Key, Seen>>,
    /// For how long a lease must have stayed the same.
    patience: Duration,
}

#[derive(Debug)]
struct Seen {
    lease: SeenLease,
    /// Since when it has been the same.
    first: Stopwatch,
    /// Since it was looked at.
    last: Stopwatch,
}

impl SeenLeases {
    /// For leases that last for `ttl` unless they are renewed.
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { seen: Mutex::default(), patience: ttl.saturating_add(Claim::TOLERANCE) }
    }

    /// Notes that `lease` was in the way.
    pub(crate) fn note(&self, key: Key, lease: SeenLease) {
        let now = Stopwatch::start();
        let mut all = self.all();
        match all.get_mut(&key) {
            Some(seen) if seen.lease == lease => seen.last = now,
            Some(seen) => *seen = Seen { lease, first: now, last: now },
            None => {
                if all.len() >= MAX_SEEN {
                    // What was not asked about for the longest time.
                    let oldest = all.iter().max_by_key(|(_, seen)| seen.last.elapsed()).map(|(key, _)| *key);
                    oldest.map(|key| all.remove(&key));
                }
                all.insert(key, Seen { lease, first: now, last: now });
            }
        }
    }

    /// No other holder is in the way any more, or it is not known which.
    pub(crate) fn forget(&self, key: &Key) {
        self.all().remove(key);
    }

    /// The lease on `key`, if it has stayed the same for longer than one can last.
    pub(crate) fn dead(&self, key: &Key) -> Option<SeenLease> {
        let all = self.all();
        let seen = all.get(key)?;
        (seen.first.elapsed() >= self.patience).then_some(seen.lease)
    }

    /// In how long the lease on `key` is dead, if it stays the same.
    pub(crate) fn dead_in(&self, key: &Key) -> Option<Duration> {
        Some(self.patience.saturating_sub(self.all().get(key)?.first.elapsed()))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many are remembered.
const MAX_SEEN: usize = 1024;

#[cfg(test)]
mod tests;
