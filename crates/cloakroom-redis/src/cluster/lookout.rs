//! When a cluster's nodes are asked again who has what.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The task that asks as long as somebody wants it, with pauses between.
#[derive(Default)]
pub(crate) struct Lookout {
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Default)]
struct State {
    /// Since the last look began.
    wanted: bool,
    task: Option<JoinHandle<()>>,
}

impl Lookout {
    /// Wants a look that begins after this; `start` spawns the task that looks while [`Self::is_wanted`], if none runs.
    pub(crate) fn want(&self, start: impl FnOnce() -> JoinHandle<()>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.wanted = true;
        // One that ended with its runtime does not come back.
        if state.task.as_ref().is_none_or(JoinHandle::is_finished) {
            state.task = Some(start());
        }
    }

    /// A node has said that something moved: the next look does not wait long, whatever the last ones saw.
    pub(crate) fn moved(&self) {
        self.moved.notify_one();
    }

    /// Waits after a look that `changed` what is known or did not; answers how long to wait the next time.
    pub(crate) async fn pause(&self, pause: Duration, changed: bool) -> Duration {
        let pause = if changed { SHORTEST_PAUSE } else { pause };
        if timeout(pause, self.moved.notified()).await.is_err() {
            return (pause * 2).min(LONGEST_PAUSE);
        }
        sleep(SHORTEST_PAUSE).await;
        SHORTEST_PAUSE
    }

    /// Whether anybody has wanted a look since the last one began. If not, the task has to end.
    pub(crate) fn is_wanted(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = std::mem::take(&mut state.wanted);
        if !wanted {
            // Who wants a look from now on starts another task, though this one may not have ended yet.
            state.task = None;
        }
        wanted
    }
}

/// What the first pause is.
pub(crate) const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
