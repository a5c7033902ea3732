//! What all sessions of a manager share: the store, and how it is called.

use std::sync::Arc;

use cloakroom_store::{
    BoxFuture, Claim, DynLeases, DynNotices, DynScan, DynStore, DynSubjects, Error as StoreError,
    ErrorKind as StoreErrorKind, Facets, Key, LeaseId, Record, Result as StoreResult, Revision, Subject,
    Timestamp,
};
use tokio::sync::Semaphore;

use crate::calls::{Budget, Call, Calls};
use crate::clock::Clock;
use crate::config::{Settings, SubjectLimit};
use crate::envelope::GUARD;
use crate::error::{ConfigError, Result};
use crate::events::{self, StoreCall};
use crate::lifecycle::{self, Snapshot};
use crate::queues::Queues;
use crate::random::Random;
use crate::rules::Rules;
use crate::seen_leases::SeenLeases;
use crate::sign_ins::SignIns;
use crate::tasks::Tasks;
use crate::token::Verifier;
use crate::watch::Watches;
use crate::write::{Next, Write, Written};

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn DynStore>,
    pub(crate) rules: Rules,
    pub(crate) clock: Clock,
    pub(crate) queues: Arc<Queues>,
    pub(crate) calls: Calls,
    pub(crate) tasks: Tasks,
    pub(crate) seen_leases: SeenLeases,
    /// What streams and sockets wait for.
    pub(crate) watches: Arc<Watches>,
    pub(crate) sign_ins: Arc<SignIns>,
    /// Places for leases that wait for a store to be back.
    pub(crate) late_releases: Arc<Semaphore>,
}

impl Engine {
    pub(crate) fn new(
        store: Arc<dyn DynStore>,
        settings: Settings,
        clock: Clock,
        random: Random,
    ) -> Result<Self, ConfigError> {
        let rules = Rules::new(settings, random)?;
        let settings = &rules.settings;
        if let SubjectLimit::AtMost(limit) = settings.subject_limit
            && store.facets().subjects.is_none()
        {
            let reason =
                "this store does not list the sessions of a subject; choose another store, or no limit";
            return Err(ConfigError::new("subject_limit", limit, reason));
        }
        Ok(Self {
            queues: Arc::new(Queues::new(settings.max_lock_waiters)),
            calls: Calls::new(settings.store_timeout),
            tasks: Tasks::new(),
            seen_leases: SeenLeases::new(settings.lease_ttl),
            watches: Arc::default(),
            sign_ins: Arc::new(SignIns::default()),
            late_releases: Arc::new(Semaphore::new(MAX_LATE_RELEASES)),
            store,
            rules,
            clock,
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.rules.settings
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The budget of a request, or of a call from outside of any.
    pub(crate) fn budget(&self) -> Budget {
        Budget(self.settings().store_budget)
    }

    /// The claim of a lease: for a new one, with a revision for taking over one that is over. It is taken only on a record
    /// with the verifier `guard`, if there is one.
    pub(crate) fn claim(&self, key: &Key, lease: LeaseId, guard: Option<Verifier>) -> Claim {
        let mut claim = Claim::new(lease, self.now(), self.settings().lease_ttl, self.rules.revision());
        if let Some(guard) = guard {
            claim = claim.guarded(*guard.as_bytes());
        }
        match self.seen_leases.dead(key) {
            Some(dead) => claim.overruling(dead),
            None => claim,
        }
    }

    /// The claim of a holder that keeps its lease: a renewal takes nothing over.
    pub(crate) fn renewal(&self, lease: LeaseId) -> Claim {
        Claim::new(lease, self.now(), self.settings().lease_ttl, Revision::new(0))
    }
}

/// Calls of the store, not begun yet.
impl Engine {
    pub(crate) fn load(&self, key: Key) -> Call<Option<Record>> {
        Call::new(StoreCall::new("load", Some(&key)), Arc::clone(&self.store).load(key))
    }

    pub(crate) fn touch(&self, key: Key, now: Timestamp, expires_at: Timestamp) -> Call<bool> {
        Call::new(StoreCall::new("touch", Some(&key)), Arc::clone(&self.store).touch(key, now, expires_at))
    }

    pub(crate) fn delete(&self, key: Key) -> Call<bool> {
        Call::new(StoreCall::new("delete", Some(&key)), Arc::clone(&self.store).delete(key))
    }

    pub(crate) fn send(&self, write: &Write) -> Call<()> {
        let Write { key, expected, lease, .. } = *write;
        let (store, record, now) = (Arc::clone(&self.store), write.record.clone(), self.now());
        match (expected, lease) {
            (None, _) => Call::new(StoreCall::new("create", Some(&key)), store.create(key, record, now)),
            (Some(expected), None) => {
                Call::new(StoreCall::new("replace", Some(&key)), store.replace(key, record, expected, now))
            }
            (Some(expected), Some(lease)) => self.ask_leases("replace", key, move |leases| {
                leases.replace_and_release(key, record, expected, lease, now)
            }),
        }
    }

    /// Asks the store's leases, which are known to be there.
    pub(crate) fn ask_leases<T: Send + 'static>(
        &self,
        name: &'static str,
        key: Key,
        ask: impl for<'a> FnOnce(&'a dyn DynLeases) -> BoxFuture<'a, StoreResult<T>> + Send + 'static,
    ) -> Call<T> {
        self.ask(StoreCall::new(name, Some(&key)), |facets| Some(ask(facets.leases?)))
    }

    /// Asks the store's index of users, which is known to be there.
    pub(crate) fn ask_subjects<T: Send + 'static>(
        &self,
        name: &'static str,
        key: Option<&Key>,
        ask: impl for<'a> FnOnce(&'a dyn DynSubjects) -> BoxFuture<'a, StoreResult<T>> + Send + 'static,
    ) -> Call<T> {
        self.ask(StoreCall::new(name, key), |facets| Some(ask(facets.subjects?)))
    }

    /// Asks for the store's walk over all records, which is known to be there.
    pub(crate) fn ask_scan<T: Send + 'static>(
        &self,
        name: &'static str,
        ask: impl for<'a> FnOnce(&'a dyn DynScan) -> BoxFuture<'a, StoreResult<T>> + Send + 'static,
    ) -> Call<T> {
        self.ask(StoreCall::new(name, None), |facets| Some(ask(facets.scan?)))
    }

    /// Asks for the store's messages, which are known to be there.
    pub(crate) fn ask_notices<T: Send + 'static>(
        &self,
        name: &'static str,
        key: Option<&Key>,
        ask: impl for<'a> FnOnce(&'a dyn DynNotices) -> BoxFuture<'a, StoreResult<T>> + Send + 'static,
    ) -> Call<T> {
        self.ask(StoreCall::new(name, key), |facets| Some(ask(facets.notices?)))
    }

    /// A call of a facet, which owns its store.
    fn ask<T: Send + 'static>(
        &self,
        what: StoreCall,
        ask: impl for<'a> FnOnce(Facets<'a>) -> Option<BoxFuture<'a, StoreResult<T>>> + Send + 'static,
    ) -> Call<T> {
        let store = Arc::clone(&self.store);
        let call = Box::pin(async move {
            match ask(store.facets()) {
                Some(call) => call.await,
                None => Err(StoreError::new(StoreErrorKind::Other).because("the store lacks this facet")),
            }
        });
        Call::new(what, call)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.watches.stop();
    }
}

/// Work of several calls, for callers that run to their end.
impl Engine {
    /// Carries out a conditional write, and finds out whether it was applied.
    pub(crate) async fn write(&self, budget: &mut Budget, mut write: Write) -> Result<Written> {
        let mut next = Next::Send;
        loop {
            next = match next {
                Next::Ended(written) => return Ok(written),
                Next::Send => write.answered(self.calls.wait(budget, self.send(&write)).await)?,
                Next::LookUp => {
                    let found = self.calls.wait(budget, self.load(write.key)).await;
                    let found = found.inspect_err(|error| events::store_error(&write.key, error))?;
                    write.looked_up(found.map(|found| found.revision))?
                }
            };
        }
    }

    /// Ends the session under `key`, if it is there and is that of `subject`, where one is given: by the same conditional
    /// write as everything else. A record that only a later version can read is deleted.
    pub(crate) async fn end(&self, budget: &mut Budget, key: Key, subject: Option<&Subject>) -> Result<bool> {
        loop {
            let record = match self.calls.wait(budget, self.load(key)).await {
                Err(error) if error.kind() == StoreErrorKind::Corrupt => return Ok(false),
                // Whose it is cannot be told.
                Err(error) if error.kind() == StoreErrorKind::UnknownVersion && subject.is_none() => {
                    return self.end_unread(budget, key).await;
                }
                record => record?,
            };
            let is_meant = |record: &Record| subject.is_none() || record.subject.as_ref() == subject;
            let Some(record) = record.filter(is_meant) else { return Ok(false) };
            let Ok(snapshot) = self.rules.read(&key, &record) else {
                return self.end_unread(budget, key).await;
            };
            let Some(snapshot) = snapshot.filter(|found| !found.header.ended) else { return Ok(false) };
            match self.write(budget, self.tombstone(key, &snapshot)).await? {
                Written::Applied => {
                    events::destroyed(&key);
                    self.changed(key);
                    return Ok(true);
                }
                Written::Missing | Written::Gone => return Ok(false),
                Written::Conflict => {}
            }
        }
    }

    async fn end_unread(&self, budget: &mut Budget, key: Key) -> Result<bool> {
        let deleted = self.calls.wait(budget, self.delete(key)).await;
        self.changed(key);
        Ok(deleted?)
    }

    fn tombstone(&self, key: Key, snapshot: &Snapshot) -> Write {
        let draft = lifecycle::end(snapshot, self.now());
        Write::new(key, self.rules.record(&draft), Some(snapshot.revision), None)
    }
}

// What a store compares with a claim's guard is the verifier.
const _: () = assert!(GUARD.start == Claim::GUARD.start && GUARD.end == Claim::GUARD.end);

/// How many leases at a time may wait for a store to be back.
pub(crate) const MAX_LATE_RELEASES: usize = 64;
