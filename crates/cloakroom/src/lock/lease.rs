use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Claim, ErrorKind, Key, LeaseId, Result, Revision};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::calls::Budget;
use crate::clock::Stopwatch;
use crate::engine::Engine;
use crate::events::StoreCall;
use crate::lock::Turn;

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
    let (ttl, limit) = (engine.settings.lease_ttl, engine.settings.lease_limit);
    let step = ttl / 3;
    let held = Stopwatch::start();
    let mut ticks = tokio::time::interval(step);
    ticks.tick().await; // The first is at once.
    while held.elapsed() + step + ttl <= limit {
        ticks.tick().await;
        let Some(leases) = engine.store.leases() else { return };
        // An error or silence may pass before the lease runs out; a refusal will not.
        if let Ok(Ok(false)) = tokio::time::timeout(step, leases.renew(key, engine.renewal(lease))).await {
            return;
        }
    }
}

impl Engine {
    /// The claim of a holder who wants to keep its lease.
    pub(crate) fn renewal(&self, lease: LeaseId) -> Claim {
        // The revision is for taking over an expired lease, which a renewal never does.
        Claim { lease, now: self.clock.now(), ttl: self.settings.lease_ttl, takeover: Revision::new(0) }
    }
}

/// Gives a lease back; then the next in this process's queue has its turn. A store that is away is asked again, for as long
/// as the lease may last: whoever waits for it when the store is back would have to wait for its end.
pub(crate) async fn release(engine: Arc<Engine>, key: Key, lease: LeaseId, turn: Option<Turn>) {
    let watch = Stopwatch::start();
    let mut released = try_to_release(&engine, key, lease).await;
    drop(turn);
    while is_away(&released) && watch.elapsed() < engine.settings.lease_ttl {
        tokio::time::sleep(RETRY).await;
        released = try_to_release(&engine, key, lease).await;
    }
}

async fn try_to_release(engine: &Engine, key: Key, lease: LeaseId) -> Result<bool> {
    let store = Arc::clone(&engine.store);
    let call = Box::pin(async move {
        match store.leases() {
            Some(leases) => leases.release(key, lease).await,
            None => Ok(false),
        }
    });
    let what = StoreCall::new("release", Some(&key));
    engine.calls.run(what, &mut Budget(engine.settings.store_timeout), call).await
}

fn is_away(released: &Result<bool>) -> bool {
    released.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Unavailable(_)))
}

const RETRY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
