//! What the checks have in common: a handle that is pleasant to call, and things to store.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::harness::{Expiry, Facet, Harness};
use crate::erased::DynStore;
use crate::error::{Error, ErrorKind, Result};
use crate::facets::{BoxFuture, DynLeases, DynNotices, DynScan, DynSubjects, Facets};
use crate::key::Key;
use crate::lease::{Acquired, Claim, LeaseId, SeenLease};
use crate::notice::Notice;
use crate::page::{Cursor, Page, SubjectEntry};
use crate::record::{Record, Revision, Subject};
use crate::timestamp::Timestamp;

/// A handle on the store under test whose calls are owned: they can be raced, moved and dropped.
#[derive(Clone)]
pub(super) struct Probe {
    store: Arc<dyn DynStore>,
    /// What the caller's clock shows.
    now: Timestamp,
}

impl Probe {
    pub(super) fn new(harness: &dyn Harness) -> Self {
        Self { store: harness.store(), now: at(0) }
    }

    /// The same handle, in the hands of a caller whose clock shows this time.
    pub(super) fn at_time(&self, now: Timestamp) -> Self {
        Self { now, ..self.clone() }
    }

    /// A handle on a store that has `facet`; `None` if the author says that it has not, which is checked.
    pub(super) fn with(facet: Facet, harness: &dyn Harness) -> Option<Self> {
        let probe = Self::new(harness);
        // Named one by one: a facet that is added to the contract does not compile until the suite knows it.
        let Facets { leases, subjects, scan, notices } = probe.store.facets();
        let there = match facet {
            Facet::Leases => leases.is_some(),
            Facet::Subjects => subjects.is_some(),
            Facet::Scan => scan.is_some(),
            Facet::Notices => notices.is_some(),
        };
        let listed = harness.facets().contains(&facet);
        assert_eq!(there, listed, "the store has the facet {facet:?} (left) exactly if it is listed (right)");
        listed.then_some(probe)
    }

    /// A handle on a store whose expired records are for `purge` to remove; `None` if its backend does that, which is
    /// checked.
    pub(super) async fn purging(harness: &dyn Harness) -> Option<Self> {
        let probe = Self::new(harness);
        if harness.expiry() == Expiry::Purged {
            return Some(probe);
        }
        let expired = expiring(at(-1), &record(1));
        probe.put(key(1), &expired).await;
        assert_eq!(probe.purge(at(0), usize::MAX).await.expect("purge succeeds"), 0);
        assert_eq!(probe.stored(key(1)).await, Some(expired), "the backend removes it, in its own time");
        None
    }

    /// Purges what expired before `at(0)` (and by any clock), which is one record, and nothing where the backend removes it by itself;
    /// returns whether it is gone.
    pub(super) async fn purge_one(&self, harness: &dyn Harness) -> bool {
        let purged = harness.expiry() == Expiry::Purged;
        assert_eq!(self.purge(at(0), 10).await.expect("purge succeeds"), usize::from(purged));
        purged
    }

    pub(super) fn create(&self, key: Key, record: &Record) -> BoxFuture<'static, Result<()>> {
        Arc::clone(&self.store).create(key, record.clone(), self.now)
    }

    pub(super) fn load(&self, key: Key) -> BoxFuture<'static, Result<Option<Record>>> {
        Arc::clone(&self.store).load(key)
    }

    pub(super) fn replace(&self, key: Key, new: &Record, old: &Record) -> BoxFuture<'static, Result<()>> {
        Arc::clone(&self.store).replace(key, new.clone(), old.revision, self.now)
    }

    pub(super) fn touch(&self, key: Key, now: Timestamp, to: Timestamp) -> BoxFuture<'static, Result<bool>> {
        Arc::clone(&self.store).touch(key, now, to)
    }

    pub(super) fn delete(&self, key: Key) -> BoxFuture<'static, Result<bool>> {
        Arc::clone(&self.store).delete(key)
    }

    pub(super) fn purge(&self, cutoff: Timestamp, limit: usize) -> BoxFuture<'static, Result<usize>> {
        Arc::clone(&self.store).purge(cutoff, limit)
    }

    /// Creates a record that nothing stands in the way of.
    pub(super) async fn put(&self, key: Key, record: &Record) {
        self.create(key, record).await.expect("create under a free key succeeds");
    }

    /// What is under `key`, which is sound.
    pub(super) async fn stored(&self, key: Key) -> Option<Record> {
        self.load(key).await.expect("load succeeds")
    }
}

/// Leases.
impl Probe {
    pub(super) fn leases(&self) -> &dyn DynLeases {
        self.store.facets().leases.expect("the facet Leases is there")
    }

    pub(super) fn acquire(&self, key: Key, claim: Claim) -> BoxFuture<'static, Result<Acquired>> {
        let this = self.clone();
        Box::pin(async move { this.leases().acquire(key, claim).await })
    }

    pub(super) fn wait(&self, key: Key, at_most: Duration) -> BoxFuture<'static, Result<()>> {
        let this = self.clone();
        Box::pin(async move { this.leases().wait(key, at_most).await })
    }

    pub(super) async fn renew(&self, key: Key, claim: Claim) -> bool {
        self.leases().renew(key, claim).await.expect("renew succeeds")
    }

    pub(super) async fn release(&self, key: Key, holder: u64) -> bool {
        self.leases().release(key, LeaseId::new(holder)).await.expect("release succeeds")
    }

    pub(super) async fn replace_and_release(
        &self,
        key: Key,
        new: &Record,
        old: &Record,
        holder: u64,
    ) -> Result<()> {
        self.leases()
            .replace_and_release(key, new.clone(), old.revision, LeaseId::new(holder), self.now)
            .await
    }

    /// Acquires a lease that is free.
    pub(super) async fn hold(&self, key: Key, claim: Claim) -> Record {
        match self.acquire(key, claim).await {
            Ok(Acquired::Held(record)) => record,
            other => panic!("the lease is free, but the result is {other:?}"),
        }
    }

    /// What a claim returns that does not match the record, or comes too late for it.
    pub(super) async fn mismatch(&self, key: Key, claim: Claim) -> Record {
        match self.acquire(key, claim).await {
            Ok(Acquired::Mismatch(record)) => record,
            other => panic!("the guard does not admit the claim, but the result is {other:?}"),
        }
    }

    /// The lease that another caller holds, if the store tells which it is.
    pub(super) async fn seen(&self, key: Key, claim: Claim) -> Option<SeenLease> {
        match self.acquire(key, claim).await {
            Ok(Acquired::Busy(seen)) => seen,
            other => panic!("another holds the lease, but the result is {other:?}"),
        }
    }

    /// Whether another caller holds the lease. Takes it if not.
    pub(super) async fn is_busy(&self, key: Key, claim: Claim) -> bool {
        matches!(self.acquire(key, claim).await.expect("acquire succeeds"), Acquired::Busy(_))
    }
}

/// Subjects.
impl Probe {
    pub(super) fn subjects(&self) -> &dyn DynSubjects {
        self.store.facets().subjects.expect("the facet Subjects is there")
    }

    /// Creates a record of `subject` the way the engine does: first the index, then the record.
    pub(super) async fn put_of(&self, subject: &str, key: Key, record: &Record) -> Record {
        let record = of(subject, record);
        self.enroll(subject, key).await;
        self.put(key, &record).await;
        record
    }

    pub(super) async fn enroll(&self, subject: &str, key: Key) -> usize {
        self.subjects().enroll(named(subject), key, self.now, at(86_400_000)).await.expect("enroll succeeds")
    }

    pub(super) async fn list_page(
        &self,
        subject: &str,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Page<SubjectEntry> {
        self.subjects().list(named(subject), cursor, limit).await.expect("a page of the list succeeds")
    }

    /// The subject's entries, sorted by key, in pages that hold more than any check stores.
    pub(super) async fn list(&self, subject: &str) -> Vec<SubjectEntry> {
        self.list_from(subject, None, 1_000).await
    }

    /// Continues a walk over the subject's records to its end. The entries are sorted by key.
    pub(super) async fn list_from(
        &self,
        subject: &str,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Vec<SubjectEntry> {
        let mut seen = to_the_end(cursor, |cursor| self.list_page(subject, cursor, limit)).await;
        seen.sort_by_key(|entry| entry.key);
        seen
    }

    pub(super) fn end_all(&self, subject: &str, except: Option<Key>) -> BoxFuture<'static, Result<usize>> {
        let (this, subject) = (self.clone(), named(subject));
        Box::pin(async move { this.subjects().end_all(subject, except).await })
    }
}

/// Scan.
impl Probe {
    fn scan(&self) -> &dyn DynScan {
        self.store.facets().scan.expect("the facet Scan is there")
    }

    pub(super) async fn page(&self, cursor: Option<Cursor>, limit: usize) -> Page<(Key, Record)> {
        self.scan().page(cursor, limit).await.expect("a page of the walk succeeds")
    }

    pub(super) async fn count(&self, now: Timestamp) -> u64 {
        self.scan().count(now).await.expect("count succeeds")
    }

    /// Continues a walk to its end.
    pub(super) async fn walk(&self, cursor: Option<Cursor>, limit: usize) -> Vec<(Key, Record)> {
        to_the_end(cursor, |cursor| self.page(cursor, limit)).await
    }
}

/// Notices.
impl Probe {
    fn notices(&self) -> &dyn DynNotices {
        self.store.facets().notices.expect("the facet Notices is there")
    }

    pub(super) async fn publish(&self, key: Key) {
        self.notices().publish(key).await.expect("publish succeeds");
    }

    pub(super) fn listen(
        &self,
        receive: impl Fn(Notice) + Send + Sync + 'static,
    ) -> BoxFuture<'static, Result<()>> {
        let this = self.clone();
        Box::pin(async move { this.notices().listen(&receive).await })
    }
}

/// The items of all pages of a walk.
async fn to_the_end<T, F: Future<Output = Page<T>>>(
    mut cursor: Option<Cursor>,
    page: impl Fn(Option<Cursor>) -> F,
) -> Vec<T> {
    const STEPS: usize = 10_000;
    let mut seen = Vec::new();
    for _ in 0..STEPS {
        let page = page(cursor).await;
        seen.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return seen,
        }
    }
    panic!("the walk has an end, but none was seen in {STEPS} pages");
}

/// The n-th of many keys that look random.
pub(super) fn key(n: u64) -> Key {
    let mut bytes = [0; Key::LEN];
    for (i, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&scramble(4 * n + i as u64).to_le_bytes());
    }
    Key::new(bytes)
}

/// The finalizer of SplitMix64.
fn scramble(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A record without a subject, with this revision, alive for a minute after `at(0)`.
pub(super) fn record(revision: u64) -> Record {
    Record::new(Revision::new(revision), at(60_000), format!("data of revision {revision}").into_bytes())
}

/// What is listed of a record.
pub(super) fn entry(key: Key, record: &Record) -> SubjectEntry {
    SubjectEntry::new(key, record.expires_at)
}

/// The same record, of `subject`.
pub(super) fn of(subject: &str, record: &Record) -> Record {
    record.clone().with_subject(named(subject))
}

pub(super) fn expiring(expires_at: Timestamp, record: &Record) -> Record {
    Record { expires_at, ..record.clone() }
}

pub(super) fn named(subject: &str) -> Subject {
    Subject::new(subject).expect("a subject has 1 to 255 bytes")
}

/// The time that checks call now, plus this many milliseconds: the year 2100, so that "expired" is in the future
/// of any clock a backend may have.
pub(super) fn at(offset: i64) -> Timestamp {
    Timestamp::from_millis(4_102_444_800_000_u64.saturating_add_signed(offset))
}

/// As [`at`], in the year 2001: for checks in which `purge` removes records. A store whose backend has a clock removes none that has
/// not expired by that clock, too.
pub(super) fn past(offset: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000_u64.saturating_add_signed(offset))
}

/// [`past`], or [`at`] where the backend removes by itself what has expired.
pub(super) fn purge_clock(harness: &dyn Harness) -> fn(i64) -> Timestamp {
    match harness.expiry() {
        Expiry::Purged => past,
        Expiry::Native => at,
    }
}

/// `result` is an error of one of these kinds.
#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T>, kinds: &[ErrorKind]) {
    let kind = result.as_ref().map_err(Error::kind);
    assert!(kind.is_err_and(|kind| kinds.contains(&kind)), "expected one of {kinds:?}, got {result:?}");
}

/// The output of a call that must not hang.
pub(super) async fn in_time<T>(harness: &dyn Harness, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    let mut patience = harness.sleep(PATIENCE);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = call.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        assert!(patience.as_mut().poll(cx).is_pending(), "the call still hangs after {PATIENCE:?}");
        Poll::Pending
    })
    .await
}

/// Far longer than any call takes, or any poll of a waiter that is not notified.
const PATIENCE: Duration = Duration::from_secs(10);
