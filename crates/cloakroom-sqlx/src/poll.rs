//! Waiting for a lease in a database that cannot notify.

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use cloakroom_store::Result;
use tokio::time::{sleep, timeout};

/// Asks again and again, until the lease is not held any more or `at_most` is over.
///
/// Only one of a process waits for a lease, in the engine's queue; it asks after 1 ms first, and every 16 ms at last.
pub(crate) async fn while_held<F>(at_most: Duration, held: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let mut over = pin!(sleep(at_most));
    let mut pause = SHORTEST_PAUSE;
    // Only pauses are cut short: a question that is dropped before its answer takes its connection along.
    while held().await? && timeout(jittered(pause), over.as_mut()).await.is_err() {
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

/// The pause give or take a quarter, so that several processes do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let dice = RandomState::new().hash_one(()) as f64 / u64::MAX as f64;
    pause.mul_f64(0.75 + 0.5 * dice)
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);
