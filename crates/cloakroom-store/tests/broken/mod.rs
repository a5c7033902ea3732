//! The reference store, broken on purpose in one way at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use cloakroom_store::conformance::reference::ReferenceStore;
use cloakroom_store::{
    Error, Key, LeaseId, Record, Result, Revision, Scan, Store, Subject, Timestamp, decode, encode,
};

pub use expected::SEEN_BY;
pub use fault::Fault;

mod expected;
mod fault;
mod guards;
mod leases;
mod native_expiry;
mod notices;
mod scan;
mod store;
mod subjects;

#[derive(Debug)]
pub struct Broken {
    pub fault: Fault,
    pub inner: ReferenceStore,
    pub memory: Arc<Mutex<Memory>>,
    /// What this handle has loaded.
    pub cache: Mutex<BTreeMap<Key, Option<Record>>>,
    /// The cursors that this handle has made.
    pub cursors: Mutex<BTreeSet<Vec<u8>>>,
}

/// What a broken store remembers, and should not.
#[derive(Debug, Default)]
pub struct Memory {
    pub created: BTreeMap<Key, Record>,
    pub replaced: BTreeMap<Key, Record>,
    pub removed: Vec<(Key, Record)>,
    pub purged: BTreeSet<Key>,
    pub planted: Vec<Key>,
    pub enrolled: Vec<(Subject, Key)>,
    pub restarted: bool,
    pub expiry: BTreeMap<Key, Timestamp>,
    /// When the backend removes a record, by its own clock.
    pub ends: BTreeMap<Key, Timestamp>,
    pub holders: BTreeMap<Key, (LeaseId, Timestamp)>,
    pub ever_held: BTreeSet<(Key, u64)>,
    pub ghosts: BTreeSet<Key>,
    pub released: BTreeSet<Key>,
    pub taken_over: BTreeMap<Key, Revision>,
    pub releases: usize,
    pub freed_by_release: BTreeMap<Key, bool>,
    pub dropped_waiters: usize,
    pub locked: BTreeSet<Key>,
    pub unread_answer: Option<Option<Record>>,
    pub listeners: usize,
    pub taken: BTreeSet<Key>,
}

impl Broken {
    pub fn new(fault: Fault, inner: ReferenceStore, memory: Arc<Mutex<Memory>>) -> Self {
        Self { fault, inner, memory, cache: Mutex::default(), cursors: Mutex::default() }
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes without any condition, and drops the lease.
    pub fn force(&self, key: &Key, record: &Record) {
        self.inner.plant(*key, encode(key, record));
    }

    pub fn is_foreign(&self, key: &Key) -> bool {
        self.inner.bytes(key).is_some_and(|bytes| decode(key, &bytes).is_err())
    }

    /// The record under a key, or the copied record of another key.
    pub fn any_record(&self, key: &Key) -> Option<Record> {
        let bytes = self.inner.bytes(key)?;
        let own_key: [u8; Key::LEN] = bytes.get(3..3 + Key::LEN)?.try_into().ok()?;
        decode(&Key::new(own_key), &bytes).ok()
    }

    pub async fn all(&self) -> Vec<(Key, Record)> {
        self.inner.page(None, usize::MAX).await.unwrap().items
    }

    /// A wrapper's transformation of a record, which is its own inverse: data with every bit flipped, or a subject backwards.
    pub fn turned(&self, record: &Record) -> Record {
        match self.fault {
            Fault::TurnsAndPassesLeases | Fault::TurnsAndPassesScan => {
                changed(record, |record| record.data = record.data.iter().map(|byte| !byte).collect())
            }
            Fault::TurnsAndPassesSubjects => {
                let backwards = |subject: &Subject| subject.as_str().chars().rev().collect::<String>();
                let subject = record.subject.as_ref().map(backwards);
                record.clone().with_subject(subject.map(|subject| Subject::new(subject).unwrap()))
            }
            _ => record.clone(),
        }
    }

    pub async fn record(&self, key: &Key) -> Result<Option<Record>> {
        Store::load(&self.inner, key).await
    }

    /// The record under `key` if it has this revision.
    pub async fn expect(&self, key: &Key, expected: Revision) -> Result<Record> {
        let record = self.record(key).await?.ok_or_else(Error::missing)?;
        if record.revision == expected { Ok(record) } else { Err(Error::conflict()) }
    }
}

/// The same record with a change.
pub fn changed(record: &Record, change: impl FnOnce(&mut Record)) -> Record {
    let mut record = record.clone();
    change(&mut record);
    record
}

/// The same record with this expiry.
pub fn expiring(expires_at: Timestamp, record: &Record) -> Record {
    changed(record, |record| record.expires_at = expires_at)
}

/// The time that the checks call now.
pub const NOW: Timestamp = Timestamp::from_millis(4_102_444_800_000);

/// Lets others run.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets time pass, in short steps: the thread that sleeps through one does so even if nobody waits any more.
pub async fn nap(duration: Duration) {
    let mut left = duration;
    while !left.is_zero() {
        let step = left.min(Duration::from_millis(10));
        let over = Arc::new(AtomicBool::new(false));
        let mut started = false;
        poll_fn(|cx| {
            if over.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            if !started {
                started = true;
                let (over, waker) = (Arc::clone(&over), cx.waker().clone());
                thread::spawn(move || {
                    thread::sleep(step);
                    over.store(true, Ordering::Release);
                    waker.wake();
                });
            }
            Poll::Pending
        })
        .await;
        left -= step;
    }
}

/// Does something if the future that it lives in is dropped before its end.
pub struct IfDropped<F: FnMut()> {
    pub action: F,
    pub armed: bool,
}

impl<F: FnMut()> IfDropped<F> {
    pub fn new(action: F) -> Self {
        Self { action, armed: true }
    }

    pub fn disarm(mut self) {
        self.armed = false;
    }
}

impl<F: FnMut()> Drop for IfDropped<F> {
    fn drop(&mut self) {
        if self.armed {
            (self.action)();
        }
    }
}

pub fn as_double(number: u64) -> u64 {
    number as f64 as u64
}
