use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Claim, DynStore, Key, LeaseId, Revision};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::clock::Clock;

/// A lease that this request holds: renewed in the background, given back when dropped.
#[derive(Debug)]
pub(crate) struct HeldLease {
    store: Arc<dyn DynStore>,
    key: Key,
    id: LeaseId,
    renewal: AbortHandle,
    runtime: Handle,
    released: bool,
}

impl HeldLease {
    /// Takes over a lease that was just acquired. It is renewed at every third of `ttl`, for `limit` at most.
    pub(crate) fn new(
        store: Arc<dyn DynStore>,
        key: Key,
        id: LeaseId,
        ttl: Duration,
        limit: Duration,
        clock: Clock,
    ) -> Self {
        let runtime = Handle::current();
        let renewal = runtime.spawn(renew(Arc::clone(&store), key, id, ttl, limit, clock)).abort_handle();
        Self { store, key, id, renewal, runtime, released: false }
    }

    pub(crate) fn id(&self) -> LeaseId {
        self.id
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
            let (store, key, id) = (Arc::clone(&self.store), self.key, self.id);
            // A release that fails costs its waiters the rest of the lease, nothing else.
            self.runtime.spawn(async move {
                if let Some(leases) = store.leases() {
                    _ = leases.release(key, id).await;
                }
            });
        }
    }
}

async fn renew(
    store: Arc<dyn DynStore>,
    key: Key,
    lease: LeaseId,
    ttl: Duration,
    limit: Duration,
    clock: Clock,
) {
    let step = ttl / 3;
    let mut held = Duration::ZERO;
    while held + ttl < limit {
        tokio::time::sleep(step).await;
        held += step;
        // The revision is for taking over an expired lease, which a renewal never does.
        let claim = Claim { lease, now: clock.now(), ttl, takeover: Revision::new(0) };
        let Some(leases) = store.leases() else { return };
        // An error may pass before the lease runs out; a refusal will not.
        if let Ok(false) = leases.renew(key, claim).await {
            return;
        }
    }
}
