//! Expired records out of the store: in small batches, off the request path.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::calls::Budget;
use crate::engine::Engine;
use crate::events;

/// The background task that sweeps, once it has been started.
#[derive(Debug, Default)]
pub(crate) struct Sweeper {
    task: Mutex<Started>,
}

#[derive(Debug, Default)]
enum Started {
    #[default]
    NotYet,
    Running(AbortHandle),
    Stopped,
}

impl Sweeper {
    /// Starts it with the first request, when there is a runtime for sure.
    pub(crate) fn start(&self, engine: &Arc<Engine>) {
        let interval = engine.settings.sweep_interval;
        let mut task = self.lock();
        if matches!(*task, Started::NotYet) && !interval.is_zero() {
            *task = Started::Running(tokio::spawn(run(Arc::downgrade(engine), interval)).abort_handle());
        }
    }

    /// Stops it for good. A batch under way is finished by the store.
    pub(crate) fn stop(&self) {
        if let Started::Running(task) = std::mem::replace(&mut *self.lock(), Started::Stopped) {
            task.abort();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Started> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Removes everything that expired more than ten minutes ago; answers how many.
    pub(crate) async fn purge(&self) -> cloakroom_store::Result<usize> {
        let mut total = 0;
        loop {
            let cutoff = self.clock.now().saturating_sub(BEHIND);
            let mut budget = Budget(self.settings.store_timeout);
            let batch = Arc::clone(&self.store).purge(cutoff, BATCH);
            let count = self.calls.run(&mut budget, batch).await?;
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
    let dice = engine.random.u64().unwrap_or_default() as f64 / u64::MAX as f64;
    interval.mul_f64(0.9 + 0.2 * dice)
}

/// How many records one call removes at most.
const BATCH: usize = 1000;
/// How long an expired record is left, so that clocks may differ a little and a late request is told apart from a
/// forged one.
const BEHIND: Duration = Duration::from_secs(10 * 60);
