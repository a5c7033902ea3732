//! The records by key, and in the order in which they fall due.

use std::collections::BTreeSet;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cloakroom_store::{Error, Key, Record, Result, Revision, Subject, Timestamp};

use super::bounds::Bounds;

/// Locks, also after a panic of a holder: no panic can leave what is inside half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A map cut into shards, so that neither a call nor the growth of one shard's table holds up the others.
pub(super) struct Records {
    shards: Box<[Mutex<Shard>]>,
    bounds: Bounds,
}

impl Records {
    pub(super) fn new(bounds: Bounds) -> Self {
        let shards = bounds.max_sessions().div_ceil(SHARD_LEN).clamp(MIN_SHARDS, MAX_SHARDS);
        let shards = (0..shards.next_power_of_two()).map(|_| Mutex::default()).collect();
        Self { shards, bounds }
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    pub(super) fn create(&self, key: &Key, record: &Record) -> Result<()> {
        let record = record.clone();
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let Entry::Vacant(vacant) = shard.slots.entry(*key) else { return Err(Error::exists()) };
        self.bounds.admit(&record)?;
        shard.due.insert((record.expires_at, *key));
        vacant.insert(Slot { due: record.expires_at, record });
        Ok(())
    }

    pub(super) fn load(&self, key: &Key) -> Option<Record> {
        self.shard(key).slots.get(key).map(|slot| slot.record.clone())
    }

    pub(super) fn subject(&self, key: &Key) -> Option<Subject> {
        self.shard(key).slots.get(key).and_then(|slot| slot.record.subject.clone())
    }

    /// Returns the subject of the record that was replaced.
    pub(super) fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Result<Option<Subject>> {
        let record = record.clone();
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let slot = shard.slots.get_mut(key).ok_or_else(Error::missing)?;
        if slot.record.revision != expected {
            return Err(Error::conflict());
        }
        self.bounds.exchange(&slot.record, &record)?;
        if record.expires_at < slot.due {
            shard.due.remove(&(slot.due, *key));
            shard.due.insert((record.expires_at, *key));
            slot.due = record.expires_at;
        }
        let before = mem::replace(&mut slot.record, record);
        // The bytes that were replaced are freed without the lock.
        drop(guard);
        Ok(before.subject)
    }

    pub(super) fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> bool {
        let mut shard = self.shard(key);
        let Some(slot) = shard.slots.get_mut(key) else { return false };
        let alive = slot.record.expires_at > now;
        if alive && slot.record.expires_at < expires_at {
            slot.record.expires_at = expires_at;
        }
        alive
    }

    pub(super) fn remove_if(&self, key: &Key, condition: impl FnOnce(&Record) -> bool) -> Option<Record> {
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let Entry::Occupied(occupied) = shard.slots.entry(*key) else { return None };
        if !condition(&occupied.get().record) {
            return None;
        }
        let slot = occupied.remove();
        shard.due.remove(&(slot.due, *key));
        drop(guard);
        self.bounds.dismiss(&slot.record);
        Some(slot.record)
    }

    /// Removes at most `limit` records that expired before `cutoff`, and returns how many. Calls `removed` with each while
    /// no lock is held.
    pub(super) fn purge(
        &self,
        cutoff: Timestamp,
        limit: usize,
        mut removed: impl FnMut(&Key, &Record),
    ) -> usize {
        let mut left = limit;
        let mut piece = Vec::with_capacity(PIECE.min(limit));
        for shard in &self.shards {
            let left_before = left;
            let mut more = true;
            while more && left > 0 {
                more = lock(shard).take_due(cutoff, PIECE.min(left), &mut piece);
                left -= piece.len();
                for (key, record) in piece.drain(..) {
                    self.bounds.dismiss(&record);
                    removed(&key, &record);
                }
            }
            if left < left_before {
                shrink(shard);
            }
        }
        limit - left
    }

    /// Returns how many records expire after `now`.
    pub(super) fn live(&self, now: Timestamp) -> u64 {
        self.shards.iter().map(|shard| lock(shard).live(now) as u64).sum()
    }

    pub(super) fn shards(&self) -> u32 {
        self.shards.len() as u32
    }

    pub(super) fn in_shard(&self, shard: u32) -> Vec<(Key, Record)> {
        let shard = lock(&self.shards[shard as usize]);
        shard.slots.iter().map(|(key, slot)| (*key, slot.record.clone())).collect()
    }

    /// A walk that sees each shard as it is when it comes to it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Record)> {
        (0..self.shards()).flat_map(|shard| self.in_shard(shard))
    }

    /// Takes bits from the middle of the key: the tables inside use the lowest ones to choose a place and
    /// the highest seven to tell its neighbours apart.
    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        lock(&self.shards[(key.prefix() >> 32) as usize & (self.shards.len() - 1)])
    }

    /// How many records the tables could hold as they are.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).slots.capacity()).sum()
    }

    #[cfg(test)]
    pub(super) fn due_entries(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).due.len()).sum()
    }
}

#[derive(Default)]
struct Shard {
    slots: Slots,
    /// Exactly one entry for each slot. Activity moves expiries later all the time, so an entry stays where
    /// it is then, too early, and moves only when the sweep comes across it.
    due: BTreeSet<(Timestamp, Key)>,
}

type Slots = HashMap<Key, Slot, BuildHasherDefault<Uniform>>;

struct Slot {
    record: Record,
    /// Where this record stands in `Shard::due`; never after it expires.
    due: Timestamp,
}

impl Shard {
    /// An entry that is due after `now` expires after it too; the others are looked up.
    fn live(&self, now: Timestamp) -> usize {
        let due = self.due.range(..=(now, Key::new([u8::MAX; Key::LEN])));
        let expired =
            due.filter(|(_, key)| self.slots.get(key).is_some_and(|slot| slot.record.expires_at <= now));
        self.slots.len() - expired.count()
    }

    /// One piece of a sweep: looks at no more than [`PIECE`] entries, moves at most `limit` expired records
    /// into `out`, and returns whether there may be more.
    fn take_due(&mut self, cutoff: Timestamp, limit: usize, out: &mut Vec<(Key, Record)>) -> bool {
        for _ in 0..PIECE {
            if out.len() == limit {
                return true;
            }
            let Some(&(due, key)) = self.due.first().filter(|(due, _)| *due < cutoff) else {
                return false;
            };
            self.due.remove(&(due, key));
            let Entry::Occupied(mut slot) = self.slots.entry(key) else { continue };
            if slot.get().record.expires_at < cutoff {
                out.push((key, slot.remove().record));
            } else {
                let due = slot.get().record.expires_at;
                slot.get_mut().due = due;
                self.due.insert((due, key));
            }
        }
        true
    }
}

/// Gives the table of a shard back after a peak. Moves an eighth of it at most, and has the allocator do its
/// part, which can take a millisecond, while no lock is held.
fn shrink(shard: &Mutex<Shard>) {
    let len = {
        let slots = &lock(shard).slots;
        if slots.len() >= slots.capacity() / 8 {
            return;
        }
        slots.len()
    };
    let mut slots = Slots::with_capacity_and_hasher(2 * len, BuildHasherDefault::default());
    let mut shard = lock(shard);
    if shard.slots.len() <= slots.capacity() {
        slots.extend(shard.slots.drain());
        mem::swap(&mut shard.slots, &mut slots);
    }
    drop(shard);
}

/// Uses the key as its own hash: keys are uniform, and clients cannot choose them.
#[derive(Default)]
struct Uniform(u64);

impl Hasher for Uniform {
    fn write(&mut self, key: &[u8]) {
        self.0 = key.first_chunk().map_or(0, |prefix| u64::from_be_bytes(*prefix));
    }

    /// The length that comes before the bytes says nothing.
    fn write_usize(&mut self, _len: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// How many records a shard has when the store is full: what a growing table moves under its lock.
const SHARD_LEN: usize = 1024;
const MIN_SHARDS: usize = 64;
const MAX_SHARDS: usize = 16 * 1024;

/// How many records are looked at before a sweep lets go of a shard: some ten microseconds.
const PIECE: usize = 32;
