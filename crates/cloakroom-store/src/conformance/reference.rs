//! The smallest store that keeps every promise of the contract, all facets included.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::sleep::sleep;
use crate::codec::{decode, encode};
use crate::error::{Error, Result};
use crate::facets::Facets;
use crate::key::Key;
use crate::lease::{Acquired, Claim, LeaseId, SeenLease};
use crate::notice::Notice;
use crate::page::{Cursor, Page, SubjectEntry};
use crate::record::{Record, Revision, Subject};
use crate::store::{Leases, Notices, Scan, Store, Subjects};
use crate::timestamp::Timestamp;

/// A map behind one lock, to read before writing a store, and to test with: slow on purpose where that is
/// simpler.
///
/// It keeps each record as the bytes that [`encode`] makes, so that foreign bytes can be put into it. Leases
/// go by [`Claim::now`]. Clones share the records.
#[derive(Clone, Default)]
pub struct ReferenceStore {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Key, Entry>,
    waiting: Vec<(Key, Waker)>,
    /// What each listener has not received yet, and how to wake it.
    listeners: BTreeMap<u64, (VecDeque<Notice>, Option<Waker>)>,
    listened: u64,
}

#[derive(Clone)]
struct Entry {
    bytes: Vec<u8>,
    lease: Option<Lease>,
}

#[derive(Clone, Copy)]
struct Lease {
    holder: LeaseId,
    until: Timestamp,
}

impl ReferenceStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is kept under `key`.
    pub fn bytes(&self, key: &Key) -> Option<Vec<u8>> {
        self.state().entries.get(key).map(|entry| entry.bytes.clone())
    }

    /// Keeps `bytes` under `key`, whatever they are and whatever was there.
    pub fn plant(&self, key: Key, bytes: Vec<u8>) {
        self.state().entries.insert(key, Entry { bytes, lease: None });
    }

    /// Another store with what this one keeps, as if this one had been closed.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let state = State { entries: self.state().entries.clone(), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ReferenceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceStore").field("records", &self.state().entries.len()).finish()
    }
}

impl State {
    fn records(&self) -> impl Iterator<Item = (Key, Record)> {
        self.entries.iter().filter_map(|(key, entry)| Some((*key, decode(key, &entry.bytes).ok()?)))
    }

    fn records_of(&self, subject: &Subject) -> impl Iterator<Item = (Key, Record)> {
        self.records().filter(move |(_, record)| record.subject.as_ref() == Some(subject))
    }

    /// The entry under `key` if its record has the revision `expected`.
    fn expect(&mut self, key: &Key, expected: Revision) -> Result<&mut Entry> {
        let entry = self.entries.get_mut(key).ok_or_else(Error::missing)?;
        if decode(key, &entry.bytes)?.revision != expected {
            return Err(Error::conflict());
        }
        Ok(entry)
    }

    fn remove(&mut self, key: &Key) -> bool {
        let was_there = self.entries.remove(key).is_some();
        self.wake(key);
        was_there
    }

    fn remove_all(&mut self, keys: &[Key]) -> usize {
        keys.iter().filter(|key| self.remove(key)).count()
    }

    fn release(&mut self, key: &Key, holder: LeaseId) -> bool {
        let lease = self.entries.get_mut(key).map(|entry| &mut entry.lease);
        let Some(lease) = lease.filter(|lease| lease.is_some_and(|lease| lease.holder == holder)) else {
            return false;
        };
        *lease = None;
        self.wake(key);
        true
    }

    /// Wakes all who wait, so that one that is gone swallows nobody's turn.
    fn wake(&mut self, key: &Key) {
        for (_, waker) in self.waiting.extract_if(.., |(waiting_for, _)| waiting_for == key) {
            waker.wake();
        }
    }
}

impl Store for ReferenceStore {
    async fn create(&self, key: &Key, record: &Record, _: Timestamp) -> Result<()> {
        let mut state = self.state();
        if state.entries.contains_key(key) {
            return Err(Error::exists());
        }
        state.entries.insert(*key, Entry { bytes: encode(key, record), lease: None });
        Ok(())
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.state().entries.get(key).map(|entry| decode(key, &entry.bytes)).transpose()
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, _: Timestamp) -> Result<()> {
        self.state().expect(key, expected)?.bytes = encode(key, record);
        Ok(())
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(key) else { return Ok(false) };
        let mut record = decode(key, &entry.bytes)?;
        if record.expires_at <= now {
            return Ok(false);
        }
        record.expires_at = record.expires_at.max(expires_at);
        entry.bytes = encode(key, &record);
        Ok(true)
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        Ok(self.state().remove(key))
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        let mut state = self.state();
        let expired = state.records().filter(|(_, record)| record.expires_at < cutoff);
        let keys: Vec<_> = expired.map(|(key, _)| key).take(limit).collect();
        Ok(state.remove_all(&keys))
    }

    fn facets(&self) -> Facets<'_> {
        Facets::none().leases(self).subjects(self).scan(self).notices(self)
    }
}

impl Leases for ReferenceStore {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(key) else { return Ok(Acquired::Missing) };
        let mut record = decode(key, &entry.bytes)?;
        if !claim.admits(&record) {
            return Ok(Acquired::Mismatch(record));
        }
        if let Some(lease) = entry.lease {
            let seen = SeenLease::new(lease.holder, lease.until);
            if claim.finds_expired(seen, claim.now) {
                record.revision = claim.takeover;
                entry.bytes = encode(key, &record);
            } else if lease.holder != claim.lease {
                return Ok(Acquired::Busy(Some(seen)));
            }
        }
        entry.lease = Some(Lease { holder: claim.lease, until: claim.now.saturating_add(claim.ttl) });
        Ok(Acquired::Held(record))
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let mut state = self.state();
        let lease = state.entries.get_mut(key).and_then(|entry| entry.lease.as_mut());
        let Some(lease) = lease.filter(|lease| lease.holder == claim.lease && lease.until > claim.now) else {
            return Ok(false);
        };
        lease.until = claim.now.saturating_add(claim.ttl);
        Ok(true)
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        Ok(self.state().release(key, lease))
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        _: Timestamp,
    ) -> Result<()> {
        let mut state = self.state();
        state.expect(key, expected)?.bytes = encode(key, record);
        state.release(key, lease);
        Ok(())
    }

    async fn wait(&self, key: &Key, at_most: Duration) -> Result<()> {
        let mut time_is_up = pin!(sleep(at_most));
        poll_fn(|cx| {
            let mut state = self.state();
            if state.entries.get(key).is_none_or(|entry| entry.lease.is_none()) {
                return Poll::Ready(Ok(()));
            }
            if !state.waiting.iter().any(|(for_key, waker)| for_key == key && waker.will_wake(cx.waker())) {
                state.waiting.push((*key, cx.waker().clone()));
            }
            drop(state);
            time_is_up.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

impl Subjects for ReferenceStore {
    async fn enroll(&self, subject: &Subject, key: &Key, _: Timestamp, _: Timestamp) -> Result<usize> {
        let state = self.state();
        Ok(1 + state.records_of(subject).filter(|(enrolled, _)| enrolled != key).count())
    }

    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        let found = page(self.state().records_of(subject), cursor, limit);
        let entries = found.items.iter().map(|(key, record)| SubjectEntry::new(*key, record.expires_at));
        Ok(Page::new(entries.collect(), found.next))
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let mut state = self.state();
        let keys: Vec<_> =
            state.records_of(subject).map(|(key, _)| key).filter(|key| Some(key) != except).collect();
        Ok(state.remove_all(&keys))
    }
}

impl Scan for ReferenceStore {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<(Key, Record)>> {
        Ok(page(self.state().records(), cursor, limit))
    }

    async fn count(&self, now: Timestamp) -> Result<u64> {
        Ok(self.state().records().filter(|(_, record)| record.expires_at > now).count() as u64)
    }
}

impl Notices for ReferenceStore {
    async fn publish(&self, key: &Key) -> Result<()> {
        for (notices, waker) in self.state().listeners.values_mut() {
            notices.push_back(Notice::Changed(*key));
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
        Ok(())
    }

    async fn listen(&self, receive: &(dyn Fn(Notice) + Send + Sync)) -> Result<()> {
        let listener = Listener::new(self);
        poll_fn(|cx| {
            loop {
                let mut state = self.state();
                let Some((notices, waker)) = state.listeners.get_mut(&listener.id) else {
                    return Poll::Ready(Err(Error::unavailable("not listening")));
                };
                let Some(notice) = notices.pop_front() else {
                    *waker = Some(cx.waker().clone());
                    return Poll::Pending;
                };
                drop(state);
                receive(notice);
            }
        })
        .await
    }
}

/// A listener, until it is dropped.
struct Listener<'a> {
    store: &'a ReferenceStore,
    id: u64,
}

impl<'a> Listener<'a> {
    fn new(store: &'a ReferenceStore) -> Self {
        let mut state = store.state();
        state.listened += 1;
        let id = state.listened;
        state.listeners.insert(id, (VecDeque::from([Notice::Listening]), None));
        Self { store, id }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.store.state().listeners.remove(&self.id);
    }
}

/// The first items whose key comes after the cursor, which is a key itself.
fn page<T>(items: impl Iterator<Item = (Key, T)>, cursor: Option<&Cursor>, limit: usize) -> Page<(Key, T)> {
    let last_seen = cursor.map(Cursor::as_bytes);
    let mut rest = items.filter(|(key, _)| last_seen.is_none_or(|seen| &key.as_bytes()[..] > seen));
    let found: Vec<_> = rest.by_ref().take(limit.max(1)).collect();
    let next = match (found.last(), rest.next()) {
        (Some((key, _)), Some(_)) => Some(Cursor::new(*key.as_bytes())),
        _ => None,
    };
    Page::new(found, next)
}
