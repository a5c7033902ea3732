//! The records by key, and in the order in which they fall due.

use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cloakroom_store::{Error, ErrorKind, Key, Record, Result, Revision, Subject, Timestamp};

use super::bounds::Bounds;
use super::due::{Class, Due, EarliestDue, capped};

/// Locks, also after a panic of a holder: no panic can leave what is inside half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A map cut into shards, so that neither a call nor the growth of one shard's table holds up the others.
pub(super) struct Records {
    shards: Box<[Mutex<Shard>]>,
    earliest: EarliestDue,
    bounds: Bounds,
}

impl Records {
    pub(super) fn new(bounds: Bounds) -> Self {
        let shards = bounds.max_sessions().div_ceil(SHARD_LEN).clamp(MIN_SHARDS, MAX_SHARDS);
        let shards: Box<_> = (0..shards.next_power_of_two()).map(|_| Mutex::default()).collect();
        Self { earliest: EarliestDue::new(shards.len()), shards, bounds }
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Stores a new record if there is room for it.
    pub(super) fn insert(&self, key: &Key, record: &Record, class: Class) -> Result<()> {
        let record = record.clone();
        let mut shard = self.shard(key);
        if shard.slots.contains_key(key) {
            return Err(Error::exists());
        }
        self.bounds.admit(&record)?;
        let class = Class::of(&record, class);
        let due = record.expires_at;
        shard.due.insert(class, due, *key);
        shard.slots.insert(*key, Slot { due, class, record });
        self.earliest.note(self.index(key), &shard.due);
        Ok(())
    }

    /// As [`insert`](Self::insert), after evictions if it has to be.
    pub(super) fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        loop {
            match self.insert(key, record, Class::New) {
                Err(full) if is_full(&full) => {
                    if !self.bounds.could_admit(record) || !self.evict(now) {
                        return Err(full);
                    }
                }
                inserted => return inserted,
            }
        }
    }

    pub(super) fn load(&self, key: &Key) -> Option<Record> {
        self.shard(key).slots.get(key).map(|slot| slot.record.clone())
    }

    pub(super) fn subject(&self, key: &Key) -> Option<Subject> {
        self.shard(key).slots.get(key).and_then(|slot| slot.record.subject.clone())
    }

    /// Returns the subject of the record that was replaced. A record that needs more room evicts others.
    pub(super) fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> Result<Option<Subject>> {
        loop {
            match self.exchange(key, record, expected) {
                Err(full) if is_full(&full) => {
                    // It is not evicted itself while others make room for it.
                    let fits = |old: &Record| self.bounds.could_exchange(old, record);
                    match self.reclassify(key, expected, Class::Kept, fits) {
                        Some(true) if self.evict(now) => {}
                        Some(_) => {
                            self.reclassify(key, expected, Class::Returned, |_| true);
                            return Err(full);
                        }
                        None => {}
                    }
                }
                exchanged => return exchanged,
            }
        }
    }

    fn exchange(&self, key: &Key, record: &Record, expected: Revision) -> Result<Option<Subject>> {
        let record = record.clone();
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let slot = shard.slots.get_mut(key).ok_or_else(Error::missing)?;
        if slot.record.revision != expected {
            return Err(Error::conflict());
        }
        self.bounds.exchange(&slot.record, &record)?;
        let (class, due) = (Class::of(&record, Class::Returned), slot.due.min(record.expires_at));
        let before = mem::replace(&mut slot.record, record);
        if slot.move_to(&mut shard.due, key, class, due) {
            self.earliest.note(self.index(key), &shard.due);
        }
        // The bytes that were replaced are freed without the lock.
        drop(guard);
        Ok(before.subject)
    }

    /// Moves a record to another class, if `condition` holds for it, and returns whether it does. None if there is no record of
    /// this revision any more.
    fn reclassify(
        &self,
        key: &Key,
        expected: Revision,
        class: Class,
        condition: impl FnOnce(&Record) -> bool,
    ) -> Option<bool> {
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let slot = shard.slots.get_mut(key).filter(|slot| slot.record.revision == expected)?;
        if !condition(&slot.record) {
            return Some(false);
        }
        let (class, due) = (Class::of(&slot.record, class), slot.due);
        if slot.move_to(&mut shard.due, key, class, due) {
            self.earliest.note(self.index(key), &shard.due);
        }
        Some(true)
    }

    pub(super) fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> bool {
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let Some(slot) = shard.slots.get_mut(key) else { return false };
        let alive = slot.record.expires_at > now;
        if alive && slot.record.expires_at < expires_at {
            slot.record.expires_at = expires_at;
        }
        if alive && slot.class == Class::New {
            let due = slot.record.expires_at;
            slot.move_to(&mut shard.due, key, Class::Returned, due);
            self.earliest.note(self.index(key), &shard.due);
        }
        alive
    }

    /// Removes one record without a subject: one that expired by `now`, or else one whose cookie never came back, or
    /// else the one that was not used for longest. Returns false if there is none.
    ///
    /// It looks at one number for each shard and class, and at each record once more for each time that its expiry was moved.
    fn evict(&self, now: Timestamp) -> bool {
        while let Some((class, index, due)) = self.earliest.candidate(now) {
            let mut shard = lock(&self.shards[index]);
            let evicted = shard.take_first(class, due);
            self.earliest.note(index, &shard.due);
            drop(shard);
            if let Some(record) = evicted {
                self.bounds.dismiss(&record);
                self.bounds.evicted();
                return true;
            }
        }
        false
    }

    pub(super) fn remove_if(&self, key: &Key, condition: impl FnOnce(&Record) -> bool) -> Option<Record> {
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let Entry::Occupied(occupied) = shard.slots.entry(*key) else { return None };
        if !condition(&occupied.get().record) {
            return None;
        }
        let slot = occupied.remove();
        shard.due.remove(slot.class, slot.due, *key);
        self.earliest.note(self.index(key), &shard.due);
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
        for (index, shard) in self.shards.iter().enumerate() {
            let left_before = left;
            let mut more = true;
            while more && left > 0 {
                let mut locked = lock(shard);
                more = locked.take_due(cutoff, PIECE.min(left), &mut piece);
                self.earliest.note(index, &locked.due);
                drop(locked);
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
    fn index(&self, key: &Key) -> usize {
        (key.prefix() >> 32) as usize & (self.shards.len() - 1)
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.index(key)])
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
    /// it is then, too early, and moves only when a sweep or an eviction comes across it.
    due: Due,
}

type Slots = HashMap<Key, Slot, BuildHasherDefault<Uniform>>;

struct Slot {
    record: Record,
    /// Where this record stands in `Shard::due`; never after it expires.
    due: Timestamp,
    class: Class,
}

impl Slot {
    /// Moves the entry of the slot, and returns whether it had to be moved.
    fn move_to(&mut self, index: &mut Due, key: &Key, class: Class, due: Timestamp) -> bool {
        if (class, due) == (self.class, self.due) {
            return false;
        }
        index.remove(self.class, self.due, *key);
        index.insert(class, due, *key);
        (self.class, self.due) = (class, due);
        true
    }
}

impl Shard {
    /// An entry that is due after `now` expires after it too; the others are looked up.
    fn live(&self, now: Timestamp) -> usize {
        let expired = self
            .due
            .until(now)
            .filter(|key| self.slots.get(key).is_some_and(|slot| slot.record.expires_at <= now));
        self.slots.len() - expired.count()
    }

    /// Takes the first record of the class out, if it is due at `due` and expires then. One that expires later moves.
    fn take_first(&mut self, class: Class, due: Timestamp) -> Option<Record> {
        let (first, key) = self.due.first(class).filter(|(first, _)| capped(*first) <= capped(due))?;
        let Entry::Occupied(mut slot) = self.slots.entry(key) else {
            self.due.remove(class, first, key);
            return None;
        };
        let class_now = Class::of(&slot.get().record, class);
        let due_now = slot.get().record.expires_at;
        if slot.get_mut().move_to(&mut self.due, &key, class_now, due_now) {
            return None;
        }
        self.due.remove(class, first, key);
        Some(slot.remove().record)
    }

    /// One piece of a sweep: looks at no more than [`PIECE`] entries, moves at most `limit` expired records
    /// into `out`, and returns whether there may be more.
    fn take_due(&mut self, cutoff: Timestamp, limit: usize, out: &mut Vec<(Key, Record)>) -> bool {
        for _ in 0..PIECE {
            if out.len() == limit {
                return true;
            }
            let Some((class, due, key)) = self.due.earliest().filter(|(_, due, _)| *due < cutoff) else {
                return false;
            };
            let Entry::Occupied(mut slot) = self.slots.entry(key) else {
                self.due.remove(class, due, key);
                continue;
            };
            if slot.get().record.expires_at < cutoff {
                self.due.remove(class, due, key);
                out.push((key, slot.remove().record));
            } else {
                let expires_at = slot.get().record.expires_at;
                slot.get_mut().move_to(&mut self.due, &key, class, expires_at);
            }
        }
        true
    }
}

fn is_full(error: &Error) -> bool {
    error.kind() == ErrorKind::Full
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
