use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloakroom_store::{Error, Facets, Key, Record, Result, Revision, Store, Timestamp};

/// Wraps a store, counts its calls, and makes them fail on command.
///
/// Clones are the same store. Calls of the facets go to the inner store: they never fail on command, and they are not counted.
///
/// ```
/// use cloakroom::stores::MemoryStore;
/// use cloakroom::testing::{Call, Fault, FaultyStore};
///
/// let store = FaultyStore::new(MemoryStore::new());
/// store.fail(Fault::Unavailable);      // from now on
/// store.heal();
/// store.fail_nth(2, Fault::Unanswered); // the call after the next one
/// assert_eq!(store.count(Call::Load), 0);
/// ```
pub struct FaultyStore<S> {
    inner: Arc<S>,
    plan: Arc<Mutex<Plan>>,
}

/// A method of [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the method of the same name")]
#[non_exhaustive]
pub enum Call {
    Create,
    Load,
    Replace,
    Touch,
    Delete,
    Purge,
}

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The call has no effect, and the error says so.
    Unavailable,
    /// A write is applied, but its result gets lost: the error says that it may have been applied.
    Unanswered,
    /// A write gets lost: it has no effect, but the error says that it may have been applied.
    Lost,
    /// The call never returns and has no effect.
    Silence,
    /// What is stored cannot be read.
    Corrupt,
}

#[derive(Default)]
struct Plan {
    always: Option<(Option<Call>, Fault)>,
    /// Calls to go until the fault.
    later: Option<(usize, Fault)>,
    counts: HashMap<Call, usize>,
    failed: Option<Call>,
}

impl<S: Store> FaultyStore<S> {
    /// Wraps `inner`. No call fails until told so.
    pub fn new(inner: S) -> Self {
        Self { inner: Arc::new(inner), plan: Arc::default() }
    }

    /// Fails every call from now on.
    pub fn fail(&self, fault: Fault) {
        self.plan().always = Some((None, fault));
    }

    /// Fails every call of this kind from now on.
    pub fn fail_calls(&self, call: Call, fault: Fault) {
        self.plan().always = Some((Some(call), fault));
    }

    /// Fails one call: the next for 1, the one after it for 2.
    pub fn fail_nth(&self, nth: usize, fault: Fault) {
        self.plan().later = Some((nth, fault));
    }

    /// Stops failing calls.
    pub fn heal(&self) {
        let mut plan = self.plan();
        plan.always = None;
        plan.later = None;
    }

    /// Returns the number of calls of this kind.
    pub fn count(&self, call: Call) -> usize {
        self.plan().counts.get(&call).copied().unwrap_or(0)
    }

    /// Returns the number of all calls.
    pub fn count_all(&self) -> usize {
        self.plan().counts.values().sum()
    }

    /// Returns the last call that was made to fail.
    pub fn last_failed(&self) -> Option<Call> {
        self.plan().failed
    }

    /// Returns the wrapped store.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    async fn run<T>(&self, call: Call, work: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = self.plan().next(call);
        if fault.is_some() {
            self.plan().failed = Some(call);
        }
        let is_write = !matches!(call, Call::Load);
        match fault {
            None => work.await,
            Some(Fault::Unavailable) => Err(Error::unavailable("told to fail")),
            Some(Fault::Corrupt) => Err(Error::corrupt("told to fail")),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Unanswered) if is_write => {
                _ = work.await;
                Err(Error::maybe_applied("told to lose the answer"))
            }
            Some(Fault::Lost) if is_write => Err(Error::maybe_applied("told to lose the write")),
            Some(Fault::Unanswered | Fault::Lost) => Err(Error::unavailable("told to fail")),
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn next(&mut self, call: Call) -> Option<Fault> {
        *self.counts.entry(call).or_default() += 1;
        if let Some((to_go, fault)) = &mut self.later {
            *to_go = to_go.saturating_sub(1);
            if *to_go == 0 {
                let fault = *fault;
                self.later = None;
                return Some(fault);
            }
        }
        self.always.filter(|(only, _)| only.is_none_or(|only| only == call)).map(|(_, fault)| fault)
    }
}

impl<S: Store> Store for FaultyStore<S> {
    async fn create(&self, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
        self.run(Call::Create, self.inner.create(key, record, now)).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>> {
        self.run(Call::Load, self.inner.load(key)).await
    }

    async fn replace(&self, key: &Key, record: &Record, expected: Revision, now: Timestamp) -> Result<()> {
        self.run(Call::Replace, self.inner.replace(key, record, expected, now)).await
    }

    async fn touch(&self, key: &Key, now: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.run(Call::Touch, self.inner.touch(key, now, expires_at)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.run(Call::Delete, self.inner.delete(key)).await
    }

    async fn purge(&self, cutoff: Timestamp, limit: usize) -> Result<usize> {
        self.run(Call::Purge, self.inner.purge(cutoff, limit)).await
    }

    /// The known facets of the inner store. A facet that is added later stays absent until it is named here.
    fn facets(&self) -> Facets<'_> {
        let inner = self.inner.facets();
        let mut facets = Facets::none();
        facets.leases = inner.leases;
        facets.subjects = inner.subjects;
        facets.scan = inner.scan;
        facets.notices = inner.notices;
        facets
    }
}

impl<S> Clone for FaultyStore<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), plan: Arc::clone(&self.plan) }
    }
}

impl<S: fmt::Debug> fmt::Debug for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}
