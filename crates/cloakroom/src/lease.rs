//! The lease on a session behind this process's queue: held, renewed, given back.

use std::sync::{Arc, Weak};
use std::time::Duration;

use cloakroom_store::{ErrorKind, Key, LeaseId, Result};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;

use crate::calls::Budget;
use crate::clock::Stopwatch;
use crate::engine::Engine;
use crate::queues::Turn;

/// A lease that this request holds: renewed in the background, given back when dropped.
#[derive(Debug)]
pub(crate) struct HeldLease {
    engine: Arc<Engine>,
    key: Key,
    id: LeaseId,
    renewal: AbortHandle,
    runtime: Handle,
    released: bool,
}

impl HeldLease {
    /// Takes over a lease that was just acquired.
    pub(crate) fn new(engine: Arc<Engine>, key: Key, id: LeaseId) -> Self {
        let runtime = Handle::current();
        let renewal = runtime.spawn(renew(Arc::clone(&engine), key, id)).abort_handle();
        Self { engine, key, id, renewal, runtime, released: false }
    }

    pub(crate) fn id(&self) -> LeaseId {
        self.id
    }

    /// Gives the lease back, and then lets the next in this process's queue have its turn.
    pub(crate) fn give_back(self, turn: Turn) {
        let release = release(Arc::clone(&self.engine), self.key, self.id, Some(turn));
        let _runtime = self.runtime.enter();
        self.engine.tasks.spawn(release);
        self.released();
    }

    /// The lease was given back together with a write.
    pub(crate) fn released(mut self) {
        self.released = true;
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.renewal.abort();
        if !self.released {
            // The last handle of a session may be dropped outside of the runtime.
            let _runtime = self.runtime.enter();
            self.engine.tasks.spawn(release(Arc::clone(&self.engine), self.key, self.id, None));
        }
    }
}

/// Renews the lease at every third of its time, so that it ends within `lease_limit`.
async fn renew(engine: Arc<Engine>, key: Key, lease: LeaseId) {
    let (ttl, limit) = (engine.settings().lease_ttl, engine.settings().lease_limit);
    let step = ttl / 3;
    let held = Stopwatch::start();
    let mut ticks = tokio::time::interval(step);
    ticks.tick().await; // The first is at once.
    while held.elapsed() + step + ttl <= limit {
        ticks.tick().await;
        let Some(leases) = engine.store.facets().leases else { return };
        // An error or silence may pass before the lease runs out; a refusal will not.
        if let Ok(Ok(false)) = tokio::time::timeout(step, leases.renew(key, engine.renewal(lease))).await {
            return;
        }
    }
}

/// Gives a lease back; then the next in this process's queue has its turn. A store that is away is asked again later, in the
/// background: whoever waits for the lease when the store is back would have to wait for its end.
async fn release(engine: Arc<Engine>, key: Key, lease: LeaseId, turn: Option<Turn>) {
    let released = try_to_release(&engine, key, lease).await;
    drop(turn);
    if is_away(&released)
        && let Ok(place) = Arc::clone(&engine.late_releases).try_acquire_owned()
    {
        let ttl = engine.settings().lease_ttl;
        // No save that a shutdown would have to wait for.
        tokio::spawn(release_later(Arc::downgrade(&engine), key, lease, ttl, place));
    }
}

/// For as long as the lease may last.
async fn release_later(
    engine: Weak<Engine>,
    key: Key,
    lease: LeaseId,
    ttl: Duration,
    _place: OwnedSemaphorePermit,
) {
    let watch = Stopwatch::start();
    let mut pause = FIRST_PAUSE;
    while watch.elapsed() < ttl {
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
        let Some(engine) = engine.upgrade() else { return };
        if !is_away(&try_to_release(&engine, key, lease).await) {
            return;
        }
    }
}

/// Gives back a lease of which it is not known whether it was taken, when dropped: others would wait for its end.
#[derive(Debug)]
pub(crate) struct UnknownLease {
    engine: Arc<Engine>,
    key: Key,
    id: LeaseId,
    known: bool,
}

impl UnknownLease {
    pub(crate) fn new(engine: Arc<Engine>, key: Key, id: LeaseId) -> Self {
        Self { engine, key, id, known: false }
    }

    /// The store has said whether it was taken.
    pub(crate) fn known(mut self) {
        self.known = true;
    }
}

impl Drop for UnknownLease {
    fn drop(&mut self) {
        if !self.known && Handle::try_current().is_ok() {
            self.engine.tasks.spawn(release(Arc::clone(&self.engine), self.key, self.id, None));
        }
    }
}

async fn try_to_release(engine: &Engine, key: Key, lease: LeaseId) -> Result<bool> {
    let release = engine.ask_leases("release", key, move |leases| leases.release(key, lease));
    engine.calls.wait(&mut Budget(engine.settings().store_timeout), release).await
}

fn is_away(released: &Result<bool>) -> bool {
    released.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Unavailable(_)))
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
