//! Removes expired records from the store: in small batches, off the request path.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cloakroom_store::{Error, Timestamp};
use tokio::task::AbortHandle;

use crate::calls::{Budget, Call};
use crate::clock::Stopwatch;
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
            let sweep = || {
                let run = run(Arc::downgrade(engine), interval, Jumps::none_at(engine.now()));
                engine.tasks.runtime().spawn(run).abort_handle()
            };
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

async fn run(engine: Weak<Engine>, interval: Duration, mut jumps: Jumps) {
    loop {
        // After a jump it looks again when that is long enough ago, however rarely it sweeps.
        let pause = if jumps.are_over() { interval } else { interval.min(QUIET) };
        let Some(pause) = engine.upgrade().map(|engine| jittered(&engine, pause)) else { return };
        tokio::time::sleep(pause).await;
        let Some(engine) = engine.upgrade() else { return };
        let now = engine.now();
        if let Some(ahead) = jumps.look(now) {
            events::sweep_paused(ahead);
        }
        if !jumps.are_over() {
            continue;
        }
        match engine.purge(now).await {
            Ok(count) => events::swept(count),
            // The next round tries again.
            Err(error) => events::sweep_failed(&error),
        }
    }
}

/// Tells a clock that was set ahead from time that has passed: to such a clock, sessions in use look long expired.
struct Jumps {
    /// The last look, on the clock and on a monotonic one.
    looked: (Timestamp, Stopwatch),
    /// Since when the clock has kept time, after a jump.
    quiet: Option<Stopwatch>,
}

impl Jumps {
    fn none_at(now: Timestamp) -> Self {
        Self { looked: (now, Stopwatch::start()), quiet: None }
    }

    /// How far the clock has been set ahead since the last look, if that is a jump.
    fn look(&mut self, now: Timestamp) -> Option<Duration> {
        let (last, watch) = std::mem::replace(&mut self.looked, (now, Stopwatch::start()));
        let ahead = now.since(last).saturating_sub(watch.elapsed());
        if ahead > TOLERANCE {
            self.quiet = Some(Stopwatch::start());
            return Some(ahead);
        }
        self.quiet = self.quiet.filter(|since| since.elapsed() < QUIET);
        None
    }

    fn are_over(&self) -> bool {
        self.quiet.is_none()
    }
}

impl Engine {
    /// Removes everything that expired more than ten minutes before `now`; returns how many. One reading of the clock
    /// counts for all of it, for it may jump in the middle.
    pub(crate) async fn purge(&self, now: Timestamp) -> cloakroom_store::Result<usize> {
        // Nobody waits for it, and a batch takes longer than a record.
        let patient = self.calls.with_timeout(PATIENCE);
        let cutoff = now.saturating_sub(BEHIND);
        let mut total = 0;
        loop {
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
/// How far a clock may run ahead between two rounds without having been set.
const TOLERANCE: Duration = Duration::from_secs(60);
/// How long a clock that has jumped must keep time before it is believed.
const QUIET: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests;
