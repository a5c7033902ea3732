//! How full a store is, and how full it may get.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cloakroom_store::{Error, ErrorKind, Record, Result};

/// Counts sessions and bytes; exact, and never above the bounds.
///
/// The counters order nothing: each record's share changes under the lock of its shard or after its removal.
pub(super) struct Bounds {
    max_sessions: usize,
    max_bytes: usize,
    sessions: AtomicUsize,
    bytes: AtomicUsize,
    /// How many of these, and of their bytes, are never evicted.
    kept_sessions: AtomicUsize,
    kept_bytes: AtomicUsize,
    evicted: AtomicUsize,
}

impl Bounds {
    pub(super) fn new(max_sessions: usize, max_bytes: usize) -> Self {
        Self {
            max_sessions,
            max_bytes,
            sessions: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            kept_sessions: AtomicUsize::new(0),
            kept_bytes: AtomicUsize::new(0),
            evicted: AtomicUsize::new(0),
        }
    }

    /// Makes room for one more.
    pub(super) fn admit(&self, record: &Record) -> Result<()> {
        add(&self.sessions, 1, self.max_sessions)?;
        add(&self.bytes, cost(record), self.max_bytes).inspect_err(|_| {
            self.sessions.fetch_sub(1, Relaxed);
        })?;
        self.keep(record);
        Ok(())
    }

    /// Whether there would be room for one more if everything were evicted that may be.
    pub(super) fn could_admit(&self, record: &Record) -> bool {
        let kept = (self.kept_sessions.load(Relaxed), self.kept_bytes.load(Relaxed));
        kept.0 < self.max_sessions && kept.1 + cost(record) <= self.max_bytes
    }

    /// Makes room for `new` in the place of `old`.
    pub(super) fn exchange(&self, old: &Record, new: &Record) -> Result<()> {
        let (old_cost, new_cost) = (cost(old), cost(new));
        if new_cost > old_cost {
            add(&self.bytes, new_cost - old_cost, self.max_bytes)?;
        } else if new_cost < old_cost {
            self.bytes.fetch_sub(old_cost - new_cost, Relaxed);
        }
        self.keep(new);
        self.keep_no_more(old);
        Ok(())
    }

    /// Whether there would be room for `new` in the place of `old` if everything else were evicted that may be.
    pub(super) fn could_exchange(&self, old: &Record, new: &Record) -> bool {
        let old_bytes = if old.subject.is_some() { cost(old) } else { 0 };
        self.kept_bytes.load(Relaxed).saturating_sub(old_bytes) + cost(new) <= self.max_bytes
    }

    /// Gives a removed record's room back.
    pub(super) fn dismiss(&self, record: &Record) {
        self.keep_no_more(record);
        self.sessions.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(cost(record), Relaxed);
    }

    fn keep(&self, record: &Record) {
        if record.subject.is_some() {
            self.kept_sessions.fetch_add(1, Relaxed);
            self.kept_bytes.fetch_add(cost(record), Relaxed);
        }
    }

    fn keep_no_more(&self, record: &Record) {
        if record.subject.is_some() {
            self.kept_sessions.fetch_sub(1, Relaxed);
            self.kept_bytes.fetch_sub(cost(record), Relaxed);
        }
    }

    /// Counts an eviction.
    pub(super) fn evicted(&self) {
        self.evicted.fetch_add(1, Relaxed);
    }

    pub(super) fn evictions(&self) -> usize {
        self.evicted.load(Relaxed)
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.load(Relaxed)
    }

    pub(super) fn max_sessions(&self) -> usize {
        self.max_sessions
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes
    }
}

fn add(counter: &AtomicUsize, amount: usize, max: usize) -> Result<()> {
    counter
        .fetch_update(Relaxed, Relaxed, |count| count.checked_add(amount).filter(|sum| *sum <= max))
        .map(drop)
        .map_err(|_| Error::new(ErrorKind::Full))
}

fn cost(record: &Record) -> usize {
    let subject = record.subject.as_ref().map_or(0, |subject| SUBJECT_OVERHEAD + subject.as_str().len());
    MIN_COST.max(OVERHEAD + subject + record.data.len())
}

// What the measurement in `benches/` shows at the worst fill of the tables, rounded up; promised in the
// documentation of `max_bytes`.
const OVERHEAD: usize = 350;
const SUBJECT_OVERHEAD: usize = 100;
const MIN_COST: usize = 512;
