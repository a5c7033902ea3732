//! Having a session to oneself.

use std::sync::Arc;

use cloakroom_store::{Acquired, Applied, Claim, ErrorKind as StoreErrorKind, Key, LeaseId, Record};

use super::Session;
use super::state::{Attached, Exclusive, Inner, State};
use crate::clock::Stopwatch;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::lifecycle::Changes;
use crate::lock::{HeldLease, UnknownLease};

/// Exclusive use.
impl Session {
    /// Has the session to itself for the rest of this request, across all instances of the application. Other requests
    /// that lock it wait; those that do not lock it are not kept from anything.
    ///
    /// Takes a fresh snapshot. A second call changes nothing. The lock ends when the response head leaves, or at
    /// [`unlock`](Self::unlock).
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if something this request has read is different by now, [`ErrorKind::LockTimeout`] if the
    /// wait takes longer than `lock_timeout`, [`ErrorKind::Ended`] if the session ended meanwhile.
    #[doc(alias = "acquire_lock")]
    pub async fn lock(&self) -> Result<()> {
        let mut state = self.writable().await?;
        self.0.lock(&mut state).await
    }

    /// Saves everything recorded so far, then lets others have the session.
    ///
    /// # Errors
    /// As [`save`](Self::save); the lock is given up in any case.
    #[doc(alias = "release_lock")]
    pub async fn unlock(&self) -> Result<()> {
        let saved = self.save().await;
        self.0.state().await?.release();
        saved
    }
}

/// What an attempt to take a lease came to.
enum Taken {
    Held(HeldLease, Record),
    Busy,
    Missing,
}

impl Inner {
    /// Waits for the session's turn, takes the lease behind it where the store has leases, and loads the record.
    pub(super) async fn enter(&self, state: &mut State, key: Key) -> Result<Option<Record>> {
        state.release();
        let watch = Stopwatch::start();
        let turn = self.engine.queues.wait(key, self.engine.settings.lock_timeout).await?;
        let (lease, record) = match self.engine.store.leases() {
            Some(_) => self.lease(state, key, watch).await?,
            None => (None, self.load(state, key).await?),
        };
        state.exclusive = Some(Exclusive { lease, turn });
        Ok(record)
    }

    async fn lease(
        &self,
        state: &mut State,
        key: Key,
        watch: Stopwatch,
    ) -> Result<(Option<HeldLease>, Option<Record>)> {
        let id = LeaseId::new(self.engine.random.u64().map_err(|e| Error::because(ErrorKind::Random, e))?);
        loop {
            match self.acquire(state, key, id).await? {
                Taken::Held(lease, record) => return Ok((Some(lease), Some(record))),
                Taken::Missing => return Ok((None, None)),
                Taken::Busy => {}
            }
            let left = self.engine.settings.lock_timeout.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Err(Error::with_detail(ErrorKind::LockTimeout, "lock_timeout passed"));
            }
            // Bounded by the lease, in case its holder is gone and nobody will wake us.
            let at_most = left.min(self.engine.settings.lease_ttl);
            let store = Arc::clone(&self.engine.store);
            if let Some(leases) = store.leases()
                && tokio::time::timeout(at_most, leases.wait(key, at_most))
                    .await
                    .is_ok_and(|woken| woken.is_err())
            {
                // Waiting is a convenience; without it, ask again after a while.
                tokio::time::sleep(at_most.min(RETRY)).await;
            }
        }
    }

    /// One attempt. A lease that is acquired after the caller has gone gives itself back.
    async fn acquire(&self, state: &mut State, key: Key, id: LeaseId) -> Result<Taken> {
        let engine = Arc::clone(&self.engine);
        let call = Box::pin(async move {
            let store = Arc::clone(&engine.store);
            let leases = store.leases().ok_or(cloakroom_store::Error::new(StoreErrorKind::Other))?;
            let ttl = engine.settings.lease_ttl;
            let claim = Claim { lease: id, now: engine.clock.now(), ttl, takeover: engine.revision() };
            let unknown = UnknownLease::new(Arc::clone(&engine), key, id);
            let acquired = leases.acquire(key, claim).await;
            if !acquired
                .as_ref()
                .is_err_and(|error| error.kind() == StoreErrorKind::Unavailable(Applied::Maybe))
            {
                unknown.known();
            }
            Ok(match acquired? {
                Acquired::Held(record) => Taken::Held(HeldLease::new(Arc::clone(&engine), key, id), record),
                Acquired::Busy => Taken::Busy,
                Acquired::Missing => Taken::Missing,
            })
        });
        match self
            .engine
            .calls
            .run(events::StoreCall::new("acquire", Some(&key)), &mut state.budget, call)
            .await
        {
            Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                events::quarantined(&key);
                Ok(Taken::Missing)
            }
            Err(error) => {
                events::store_error(&key, &error);
                Err(error.into())
            }
            Ok(taken) => Ok(taken),
        }
    }

    /// After the record has changed: fails if the request had locked the session and does not have it any more. A holder
    /// that slept through its lease must not come between its successor's reads and writes, so it saves nothing more.
    pub(super) async fn check_lock(&self, state: &mut State) -> Result<()> {
        let Some(exclusive) = &state.exclusive else { return Ok(()) };
        let key = exclusive.turn.key();
        let Some(lease) = exclusive.lease.as_ref().map(HeldLease::id) else { return Ok(()) };
        let engine = Arc::clone(&self.engine);
        let call = Box::pin(async move {
            let store = Arc::clone(&engine.store);
            let leases = store.leases().ok_or(cloakroom_store::Error::new(StoreErrorKind::Other))?;
            leases.renew(key, engine.renewal(lease)).await
        });
        match self
            .engine
            .calls
            .run(events::StoreCall::new("renew", Some(&key)), &mut state.budget, call)
            .await
        {
            Ok(true) => Ok(()),
            Ok(false) => {
                state.changes = Changes::default();
                state.attached = Attached::Dropped;
                state.release();
                Err(Error::with_detail(ErrorKind::Conflict, "the lock ran out before this was saved"))
            }
            Err(error) => {
                events::store_error(&key, &error);
                Err(error.into())
            }
        }
    }

    pub(super) async fn lock(&self, state: &mut State) -> Result<()> {
        let key = match &state.attached {
            Attached::Stored(held) => held.key,
            // Nobody else knows of it.
            Attached::Nothing => return Ok(()),
            Attached::Dropped => return Err(Error::new(ErrorKind::Ended)),
        };
        if state.exclusive.as_ref().is_some_and(|exclusive| exclusive.turn.key() == key) {
            return Ok(());
        }
        let record = self.enter(state, key).await?;
        self.adopt(state, record);
        let Some(held) = state.attached.stored() else {
            return Err(Error::new(ErrorKind::Ended));
        };
        if state.reads.stale(&held.snapshot.entries) {
            state.release();
            return Err(Error::with_detail(
                ErrorKind::Conflict,
                "a key was read before the lock and changed since",
            ));
        }
        Ok(())
    }
}

const RETRY: std::time::Duration = std::time::Duration::from_millis(50);
