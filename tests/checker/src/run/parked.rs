use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_store::{
    Acquired, BoxFuture, Claim, Cursor, DynStore, Error, Facets, Key, LeaseId, Leases, Page, Record, Result,
    Revision, Store, Subject, SubjectEntry, Subjects, Timestamp, decode, encode,
};
use tokio::runtime::Handle;

use super::lot::{Lot, Stop, Verdict};
use super::stores::Threads;

/// A store whose calls wait for the schedule, which also says how they come out.
#[derive(Debug)]
pub(super) struct ParkedStore {
    inner: Arc<dyn DynStore>,
    lot: Arc<Lot>,
    threads: Threads,
    /// Nothing waits here.
    open: bool,
    /// The last record that was loaded: the answer to another question.
    last: Mutex<Option<(Key, Record)>>,
}

impl ParkedStore {
    pub(super) fn new(inner: Arc<dyn DynStore>, lot: Arc<Lot>, threads: Threads) -> Self {
        Self { inner, lot, threads, open: false, last: Mutex::default() }
    }

    /// The same store without any queue.
    pub(super) fn open(inner: Arc<dyn DynStore>, lot: Arc<Lot>, threads: Threads) -> Self {
        Self { open: true, ..Self::new(inner, lot, threads) }
    }

    async fn verdict(&self, stop: Stop) -> Verdict {
        if self.open { Verdict::Go } else { self.lot.park(stop).await }
    }

    async fn call<T: Send + 'static>(&self, stop: Stop, work: BoxFuture<'static, Result<T>>) -> Result<T> {
        let verdict = self.verdict(stop).await;
        self.go_on(verdict, work).await
    }

    async fn go_on<T: Send + 'static>(
        &self,
        verdict: Verdict,
        work: BoxFuture<'static, Result<T>>,
    ) -> Result<T> {
        let (lot, threads) = (&self.lot, &self.threads);
        match verdict {
            Verdict::Go | Verdict::Mixed | Verdict::Damaged(_) => carry_out(lot, threads, work).await,
            Verdict::Linger => {
                let answer = carry_out(lot, threads, work).await;
                lot.park(Stop::Answer).await;
                answer
            }
            Verdict::Fail => Err(Error::unavailable("the schedule says so")),
            Verdict::Lost => Err(Error::maybe_applied("the schedule lost it")),
            Verdict::Unanswered => {
                _ = carry_out(lot, threads, work).await;
                Err(Error::maybe_applied("the schedule lost the answer"))
            }
            Verdict::Late => {
                let (lot, threads) = (Arc::clone(lot), threads.clone());
                tokio::spawn(async move {
                    lot.park(Stop::Late).await;
                    _ = carry_out(&lot, &threads, work).await;
                });
                Err(Error::maybe_applied("the schedule keeps it for later"))
            }
        }
    }

    /// What a load answers when the bytes are not what they should be: as a store with the contract's codec finds them.
    fn garble(&self, key: &Key, verdict: Verdict, found: Option<Record>) -> Result<Option<Record>> {
        let bytes = match (verdict, &found) {
            (Verdict::Mixed, _) => {
                let other = self.last.lock().unwrap().clone().filter(|(other, _)| other != key);
                other.map(|(other, record)| encode(&other, &record))
            }
            (Verdict::Damaged(at), Some(record)) => {
                let mut bytes = encode(key, record);
                let at = at % bytes.len();
                bytes[at] ^= 1;
                Some(bytes)
            }
            _ => None,
        };
        match bytes {
            Some(bytes) => {
                self.lot.note_unreadable(key.to_string());
                decode(key, &bytes).map(Some)
            }
            None => {
                if let Some(record) = &found {
                    *self.last.lock().unwrap() = Some((*key, record.clone()));
                }
                Ok(found)
            }
        }
    }
}

/// Runs a call of the store. Where the store has threads of its own, the runtime must not take the time it waits for them
/// for an idle one, and let the clock go on: while a blocking task runs, it does not.
async fn carry_out<T: Send + 'static>(
    lot: &Arc<Lot>,
    threads: &Threads,
    work: BoxFuture<'static, Result<T>>,
) -> Result<T> {
    let runtime = match threads {
        Threads::None => return work.await,
        Threads::Own => Handle::current(),
        Threads::Of(runtime) => runtime.clone(),
    };
    let _busy = lot.busy();
    tokio::task::spawn_blocking(move || runtime.block_on(work)).await.unwrap()
}

impl Store for ParkedStore {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.call(Stop::Write, Arc::clone(&self.inner).create(*key, record.clone(), now)).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        let verdict = self.verdict(Stop::Load).await;
        let found = self.go_on(verdict, Arc::clone(&self.inner).load(*key)).await?;
        self.garble(key, verdict, found)
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.call(Stop::Write, Arc::clone(&self.inner).replace(*key, record.clone(), expected, now)).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.call(Stop::Touch, Arc::clone(&self.inner).touch(*key, now, expires_at)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.call(Stop::Write, Arc::clone(&self.inner).delete(*key)).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.call(Stop::Call, Arc::clone(&self.inner).purge(cutoff, limit)).await
    }

    fn facets(&self) -> Facets<'_> {
        let inner = self.inner.facets();
        let facets = Facets::none();
        let facets = if inner.leases.is_some() { facets.leases(self) } else { facets };
        if inner.subjects.is_some() { facets.subjects(self) } else { facets }
    }
}

/// Where the store behind has leases.
impl Leases for ParkedStore {
    async fn acquire(&self, key: &Key, claim: &Claim) -> Result<Acquired> {
        let (inner, key, claim) = (Arc::clone(&self.inner), *key, *claim);
        let work = async move { inner.facets().leases.unwrap().acquire(key, claim).await };
        self.call(Stop::Call, Box::pin(work)).await
    }

    async fn renew(&self, key: &Key, claim: &Claim) -> Result<bool> {
        let (inner, key, claim) = (Arc::clone(&self.inner), *key, *claim);
        let work = async move { inner.facets().leases.unwrap().renew(key, claim).await };
        self.call(Stop::Call, Box::pin(work)).await
    }

    async fn release(&self, key: &Key, lease: LeaseId) -> Result<bool> {
        let (inner, key) = (Arc::clone(&self.inner), *key);
        let work = async move { inner.facets().leases.unwrap().release(key, lease).await };
        self.call(Stop::Call, Box::pin(work)).await
    }

    async fn replace_and_release(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        lease: LeaseId,
        now: Timestamp,
    ) -> Result<()> {
        let (inner, key, record) = (Arc::clone(&self.inner), *key, record.clone());
        let work = async move {
            inner.facets().leases.unwrap().replace_and_release(key, record, expected, lease, now).await
        };
        self.call(Stop::Write, Box::pin(work)).await
    }

    /// Returns whenever the schedule wants: callers look again.
    async fn wait(&self, _: &Key, _: Duration) -> Result<()> {
        self.lot.park(Stop::Wait).await;
        Ok(())
    }
}

/// Where the store behind lists the sessions of a user.
impl Subjects for ParkedStore {
    async fn enroll(&self, subject: &Subject, key: &Key, now: Timestamp, until: Timestamp) -> Result<usize> {
        let (inner, subject, key) = (Arc::clone(&self.inner), subject.clone(), *key);
        let work = async move { inner.facets().subjects.unwrap().enroll(subject, key, now, until).await };
        self.call(Stop::Call, Box::pin(work)).await
    }

    async fn list(
        &self,
        subject: &Subject,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SubjectEntry>> {
        let (inner, subject, cursor) = (Arc::clone(&self.inner), subject.clone(), cursor.cloned());
        let work = async move { inner.facets().subjects.unwrap().list(subject, cursor, limit).await };
        self.call(Stop::Call, Box::pin(work)).await
    }

    async fn end_all(&self, subject: &Subject, except: Option<&Key>) -> Result<usize> {
        let (inner, subject, except) = (Arc::clone(&self.inner), subject.clone(), except.copied());
        let work = async move { inner.facets().subjects.unwrap().end_all(subject, except).await };
        self.call(Stop::Call, Box::pin(work)).await
    }
}
