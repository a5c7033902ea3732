//! Removes expired records from the store: in small batches, off the request path.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cloakroom_store::Error;
use tokio::task::AbortHandle;

use crate::calls::{Budget, Call};
use crate::engine::Engine;
use crate::events::{self, StoreCall};

/// The background task that sweeps, once it has been started.
#[derive(Debug, Default)]
pub(crate) struct Sweeper {
    /// `None` in it: stopped before it was started.
    task: OnceLock<Option<AbortHandle>>,
}

impl Sweeper {
    /// Starts it with the first request, when there is a runtime for sure.
    pub(crate) fn start(&self, engine: &Arc<Engine>) {
        let interval = engine.settings().sweep_interval;
        if !interval.is_zero() {
            let sweep = || engine.tasks.runtime().spawn(run(Arc::downgrade(engine), interval)).abort_handle();
            self.task.get_or_init(|| Some(sweep()));
        }
    }

    /// Stops it for good. A batch under way is finished by the store.
    pub(crate) fn stop(&self) {
        if let Some(task) = self.task.get_or_init(|| None) {
            task.abort();
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn run(engine: Weak<Engine>, interval: Duration) {
    loop {
        let Some(pause) = engine.upgrade().map(|engine| jittered(&engine, interval)) else { return };
        tokio::time::sleep(pause).await;
        let Some(engine) = engine.upgrade() else { return };
        match engine.purge().await {
            Ok(count) => events::swept(count),
            // The next round tries again.
            Err(error) => events::sweep_failed(&error),
        }
    }
}

impl Engine {
    /// Removes everything that expired more than ten minutes ago; returns how many.
    pub(crate) async fn purge(&self) -> cloakroom_store::Result<usize> {
        // Nobody waits for it, and a batch takes longer than a record.
        let patient = self.calls.with_timeout(PATIENCE);
        let mut total = 0;
        loop {
            let cutoff = self.now().saturating_sub(BEHIND);
            let batch = Arc::clone(&self.store).purge(cutoff, BATCH);
            let batch = Call::new(StoreCall::new("purge", None), batch);
            // A batch that was begun is finished, even if the sweeper is stopped.
            let batch = self.tasks.runtime().spawn(patient.timed(Budget(PATIENCE), batch)).await;
            let (count, _) = batch.map_err(|_| Error::maybe_applied("the runtime is shutting down"))?;
            let count = count?;
            total += count;
            if count < BATCH {
                return Ok(total);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The interval give or take a tenth, so that several processes do not sweep in step.
fn jittered(engine: &Engine, interval: Duration) -> Duration {
    let dice = engine.rules.random.u64().unwrap_or_default() as f64 / u64::MAX as f64;
    interval.mul_f64(0.9 + 0.2 * dice)
}

/// How long the store may take for one batch.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many records one call removes at most.
const BATCH: usize = 1000;
/// How long an expired record is left, so that clocks may differ a little and a late request is told apart from a
/// forged one.
const BEHIND: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests;
