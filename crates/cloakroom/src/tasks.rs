//! Work that outlives its caller, and an end to wait for.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{OnceLock, Weak};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{self, JoinHandle};
use tokio_util::task::TaskTracker;

/// Runs work to its end, and tracks it so that a shutdown can wait.
#[derive(Debug)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    /// The runtime that this was made in.
    #[cfg_attr(
        not(any(test, feature = "actix_v4")),
        allow(dead_code, reason = "of interest to one adapter")
    )]
    made_in: Option<Handle>,
    pinned: OnceLock<PinnedRuntime>,
}

/// A runtime, and whether it still runs.
#[derive(Debug)]
struct PinnedRuntime {
    runtime: Handle,
    /// A task holds it, which ends with the runtime.
    is_alive: Weak<()>,
}

/// What runs a piece of code: a task, or a thread that runs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    Task(task::Id),
    Thread(ThreadId),
}

impl Runner {
    pub(crate) fn current() -> Self {
        task::try_id().map_or_else(|| Self::Thread(thread::current().id()), Self::Task)
    }
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { tracker: TaskTracker::new(), made_in: Handle::try_current().ok(), pinned: OnceLock::new() }
    }

    /// Lets all work run on the runtime that this was made in, as long as that runs. For frameworks whose workers have
    /// runtimes of their own, which end before the application does.
    #[cfg(any(test, feature = "actix_v4"))]
    pub(crate) fn pin_runtime(&self) {
        let Some(runtime) = self.made_in.clone() else { return };
        self.pinned.get_or_init(|| {
            let life = std::sync::Arc::new(());
            let is_alive = std::sync::Arc::downgrade(&life);
            runtime.spawn(async move {
                let _life = life;
                std::future::pending::<()>().await;
            });
            PinnedRuntime { runtime, is_alive }
        });
    }

    fn pinned(&self) -> Option<&Handle> {
        let pinned = self.pinned.get().filter(|pinned| pinned.is_alive.strong_count() > 0);
        pinned.map(|pinned| &pinned.runtime)
    }

    /// The runtime for what outlives its caller.
    pub(crate) fn runtime(&self) -> Handle {
        self.pinned().cloned().unwrap_or_else(Handle::current)
    }

    /// Runs `work` to its end whatever becomes of the caller: polled once here, where a store in memory finishes; if it
    /// is not done then, moved to a task of its own. This is the one place where work changes hands.
    pub(crate) async fn finish<F>(&self, mut work: F) -> F::Output
    where
        F: Future<Output: Send> + Unpin + Send + 'static,
    {
        let first = poll_fn(|cx| {
            // What the work waits for belongs to the runtime that continues it.
            let _runtime = self.pinned().map(Handle::enter);
            Poll::Ready(Pin::new(&mut work).poll(cx))
        });
        if let Poll::Ready(output) = first.await {
            return output;
        }
        match self.spawn(work).await {
            Ok(output) => output,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down and has dropped the task; so it will drop this one.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Runs `work` in the background.
    pub(crate) fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tracker.spawn_on(work, &self.runtime())
    }

    /// Waits until nothing runs any more (a tracker that is closed still takes work), `at_most` this long. False if something still runs.
    pub(crate) async fn drain(&self, at_most: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(at_most, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests;
