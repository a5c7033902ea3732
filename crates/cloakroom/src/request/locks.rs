//! Having a session to oneself: this process's queue for it, and where the store has leases, the lease behind it.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Acquired, Applied, ErrorKind as StoreErrorKind, Key, LeaseId, Record};

use super::load::Loaded;
use super::{Binding, Exclusive, Request};
use crate::calls::Call;
use crate::clock::Stopwatch;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{self, StoreCall};
use crate::lease::{HeldLease, UnknownLease};
use crate::lifecycle::{Snapshot, Standing, judge};
use crate::token::{Token, Verifier};

/// What an attempt to take a lease came to.
enum Attempt {
    Held(HeldLease, Record),
    /// Another request holds it. The record matches the guard.
    Busy,
    /// The record does not match the guard.
    Mismatch(Record),
    /// There is no lease to be had on what is there.
    Without(Loaded),
}

impl Request {
    /// Waits for the session's turn, takes the lease behind it where the store has leases, and loads the record.
    ///
    /// `accepted` is the verifier of the session's secret if that of `token` was judged and accepted before. Otherwise a
    /// turn is taken that is free, and the secret is judged before this waits for one: `token` may be the former owner's.
    ///
    /// If what is there is not a session that `token` opens, this returns it without turn and lease.
    pub(super) async fn acquire(
        &mut self,
        engine: &Arc<Engine>,
        key: Key,
        token: &Token,
        accepted: Option<Verifier>,
    ) -> Result<Loaded> {
        self.release();
        let free = if accepted.is_none() { engine.queues.try_turn(key) } else { None };
        let accepted = match (&free, accepted) {
            (None, None) => {
                let loaded = self.load(engine, key).await?;
                match self.opened(engine, token, &loaded) {
                    None => return Ok(loaded),
                    accepted => accepted,
                }
            }
            (_, accepted) => accepted,
        };
        let watch = Stopwatch::start();
        let turn = match free {
            Some(turn) => turn,
            None => Arc::clone(&engine.queues).wait(key, engine.settings().lock_timeout).await?,
        };
        let has_leases = engine.store.facets().leases.is_some();
        let (lease, loaded) = if has_leases {
            match self.acquire_lease(engine, key, token, accepted, watch).await? {
                (None, loaded) => return Ok(loaded),
                held => held,
            }
        } else {
            (None, self.load(engine, key).await?)
        };
        self.exclusive = Some(Exclusive { lease, turn });
        Ok(loaded)
    }

    /// The verifier of the session's secret, if what was loaded is a session that `token` opens.
    fn opened(&self, engine: &Engine, token: &Token, loaded: &Loaded) -> Option<Verifier> {
        let Loaded::Record(record) = loaded else { return None };
        let rules = &engine.rules;
        let snapshot = Snapshot::read(record).ok()?;
        let (verifier, visit) = (rules.keyring.verifier(token), self.visit(rules, None));
        let standing = judge(&snapshot, &verifier, &visit, engine.now(), &rules.policy);
        // Its own secret, in a write that got no clear answer.
        let is_own = || self.unconfirmed.as_ref().is_some_and(|own| rules.is_current(own, &snapshot));
        (standing == Standing::Live || is_own()).then_some(snapshot.header.verifier)
    }

    /// Takes the lease, if the record has the secret that is `accepted`, or that of `token`.
    async fn acquire_lease(
        &mut self,
        engine: &Arc<Engine>,
        key: Key,
        token: &Token,
        accepted: Option<Verifier>,
        watch: Stopwatch,
    ) -> Result<(Option<HeldLease>, Loaded)> {
        let random = engine.rules.random.u64();
        let id = LeaseId::new(random.map_err(|error| Error::because(ErrorKind::Random, error))?);
        let mut guard = Some(accepted.unwrap_or_else(|| engine.rules.keyring.verifier(token)));
        loop {
            match self.try_lease(engine, key, id, guard).await? {
                Attempt::Held(lease, record) => return Ok((Some(lease), Loaded::Record(record))),
                Attempt::Without(loaded) => return Ok((None, loaded)),
                Attempt::Mismatch(record) => {
                    let loaded = Loaded::Record(record);
                    let Some(current) = self.opened(engine, token, &loaded) else {
                        return Ok((None, loaded));
                    };
                    // The same again: to the store's clock it has expired, to ours it has not.
                    guard = Some(current).filter(|_| guard != Some(current));
                    continue;
                }
                Attempt::Busy => {}
            }
            let left = engine.settings().lock_timeout.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Err(Error::with_detail(ErrorKind::LockTimeout, "lock_timeout passed"));
            }
            // Bounded by the lease, in case its holder is gone and no release wakes us.
            let at_most = left.min(engine.settings().lease_ttl);
            let at_most = engine.seen_leases.dead_in(&key).map_or(at_most, |dead_in| at_most.min(dead_in));
            let store = Arc::clone(&engine.store);
            if let Some(leases) = store.facets().leases
                && tokio::time::timeout(at_most, leases.wait(key, at_most))
                    .await
                    .is_ok_and(|woken| woken.is_err())
            {
                // Waiting is a convenience; without it, ask again after a while.
                tokio::time::sleep(at_most.min(RETRY)).await;
            }
        }
    }

    /// One attempt. A lease that is acquired after the caller has gone is given back.
    async fn try_lease(
        &mut self,
        engine: &Arc<Engine>,
        key: Key,
        id: LeaseId,
        guard: Option<Verifier>,
    ) -> Result<Attempt> {
        let owner = Arc::clone(engine);
        let acquire = Box::pin(async move {
            let leases =
                owner.store.facets().leases.ok_or(cloakroom_store::Error::new(StoreErrorKind::Other))?;
            let unknown = UnknownLease::new(Arc::clone(&owner), key, id);
            let claim = owner.claim(&key, id, guard);
            let acquired = leases.acquire(key, claim).await;
            let is_unknown =
                |error: &cloakroom_store::Error| error.kind() == StoreErrorKind::Unavailable(Applied::Maybe);
            if !acquired.as_ref().is_err_and(is_unknown) {
                unknown.known();
            }
            let acquired = acquired?;
            match &acquired {
                Acquired::Busy(Some(seen)) if claim.overrule != Some(*seen) => {
                    owner.seen_leases.note(key, *seen);
                }
                // A request with a dead token must not make this forgotten.
                Acquired::Mismatch(_) => {}
                _ => owner.seen_leases.forget(&key),
            }
            Ok(match acquired {
                Acquired::Held(record) => Attempt::Held(HeldLease::new(Arc::clone(&owner), key, id), record),
                Acquired::Missing => Attempt::Without(Loaded::Nothing),
                Acquired::Mismatch(record) => Attempt::Mismatch(record),
                _ => Attempt::Busy,
            })
        });
        let acquire =
            engine.calls.timed(self.budget, Call::new(StoreCall::new("acquire", Some(&key)), acquire));
        let (attempt, took) = engine.tasks.finish(acquire).await;
        self.budget.spend(took);
        match attempt {
            Ok(attempt) => Ok(attempt),
            Err(error) => Loaded::from_answer(&key, Err(error)).map(Attempt::Without),
        }
    }

    pub(crate) async fn lock(&mut self, engine: &Arc<Engine>) -> Result<()> {
        let (key, token, accepted) = match &self.binding {
            Binding::Bound(held) => (held.key, held.token.clone(), held.snapshot.header.verifier),
            // No other request knows of it.
            Binding::New | Binding::Newer(_) => return Ok(()),
            Binding::Detached => return Err(Error::new(ErrorKind::Ended)),
        };
        if self.exclusive.as_ref().is_some_and(|exclusive| exclusive.turn.key() == key) {
            return Ok(());
        }
        let loaded = self.acquire(engine, key, &token, Some(accepted)).await?;
        self.rebase(&engine.rules, loaded, engine.now())?;
        let Some(held) = self.binding.held().filter(|_| self.exclusive.is_some()) else {
            self.release();
            return Err(Error::new(ErrorKind::Ended));
        };
        if self.reads.stale(&held.snapshot.entries) {
            self.release();
            let detail = "a key was read before the lock and changed since";
            return Err(Error::with_detail(ErrorKind::Conflict, detail));
        }
        Ok(())
    }

    /// Checks the lease, if the request has one.
    pub(crate) async fn check_lock(&mut self, engine: &Arc<Engine>) -> Result<()> {
        let Some((key, lease)) = self.lease() else { return Ok(()) };
        let renewal = engine.renewal(lease);
        let renew = engine.ask_leases("renew", key, move |leases| leases.renew(key, renewal));
        let (answer, took) = engine.tasks.finish(engine.calls.timed(self.budget, renew)).await;
        self.budget.spend(took);
        let renewed = self.renewed(key, answer);
        self.release_lost();
        renewed
    }

    /// What the answer to a renewal means, that was asked for because the record has changed. A holder that slept through
    /// its lease must not come between its successor's reads and writes, so it saves nothing more.
    pub(super) fn renewed(&mut self, key: Key, answer: cloakroom_store::Result<bool>) -> Result<()> {
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.changes = Default::default();
                self.detach();
                Err(Error::with_detail(ErrorKind::Conflict, "the lock ran out before this was saved"))
            }
            Err(error) => {
                events::store_error(&key, &error);
                Err(error.into())
            }
        }
    }

    /// The lease that the request holds, and on which session.
    pub(super) fn lease(&self) -> Option<(Key, LeaseId)> {
        let exclusive = self.exclusive.as_ref()?;
        Some((exclusive.turn.key(), exclusive.lease.as_ref()?.id()))
    }

    /// The lease was given back together with a write.
    pub(super) fn lease_released(&mut self) {
        if let Some(lease) = self.exclusive.as_mut().and_then(|exclusive| exclusive.lease.take()) {
            lease.released();
        }
    }

    /// Lets others have a session that is not this request's any more.
    pub(super) fn release_lost(&mut self) {
        if self.is_detached() {
            self.release();
        }
    }

    /// Lets others have the session: first those in other processes, then the next in the queue.
    pub(crate) fn release(&mut self) {
        match self.exclusive.take() {
            Some(Exclusive { lease: Some(lease), turn }) => lease.give_back(turn),
            turn_alone => drop(turn_alone),
        }
    }
}

const RETRY: Duration = Duration::from_millis(50);
