//! Work that outlives whoever asked for it, and an end to wait for.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Counts what runs, so that a shutdown can wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<Running>);

#[derive(Debug)]
struct Running {
    count: AtomicUsize,
    idle: Notify,
    /// The runtime that this was made in.
    #[cfg_attr(
        not(any(test, feature = "actix_v4")),
        allow(dead_code, reason = "of interest to one adapter")
    )]
    made_in: Option<Handle>,
    home: OnceLock<Home>,
}

/// A runtime, and whether it still runs.
#[derive(Debug)]
struct Home {
    runtime: Handle,
    /// A task holds it, which ends with the runtime.
    lives: Weak<()>,
}

impl Default for Running {
    fn default() -> Self {
        let made_in = Handle::try_current().ok();
        Self { count: AtomicUsize::new(0), idle: Notify::new(), made_in, home: OnceLock::new() }
    }
}

impl Tasks {
    /// Lets all work run on the runtime that this was made in, as long as that runs. For frameworks whose workers have
    /// runtimes of their own, which end before the application does.
    #[cfg(any(test, feature = "actix_v4"))]
    pub(crate) fn stay_at_home(&self) {
        let Some(runtime) = self.0.made_in.clone() else { return };
        self.0.home.get_or_init(|| {
            let life = Arc::new(());
            let lives = Arc::downgrade(&life);
            runtime.spawn(async move {
                let _life = life;
                std::future::pending::<()>().await;
            });
            Home { runtime, lives }
        });
    }

    fn home(&self) -> Option<&Handle> {
        self.0.home.get().filter(|home| home.lives.strong_count() > 0).map(|home| &home.runtime)
    }

    /// The runtime for what outlives its caller.
    pub(crate) fn runtime(&self) -> Handle {
        self.home().cloned().unwrap_or_else(Handle::current)
    }

    /// Runs `work` to its end whatever becomes of the caller: polled once here, where a store in memory finishes; if it
    /// is not done then, handed to a task of its own.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut work = Box::pin(work);
        let first = std::future::poll_fn(|cx| {
            // What it waits for belongs to the runtime that goes on with it.
            let _home = self.home().map(Handle::enter);
            match work.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => Poll::Ready(None),
            }
        });
        if let Some(answer) = first.await {
            return answer;
        }
        match self.spawn(work).await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down and has dropped the task; so it will drop this one.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Runs `work` in the background.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let one = One::new(&self.0);
        self.runtime().spawn(async move {
            let _one = one;
            work.await
        })
    }

    /// Waits until nothing runs any more, `at_most` this long. False if something still runs.
    pub(crate) async fn drain(&self, at_most: Duration) -> bool {
        let idle = async {
            loop {
                // Made before the count is read: it hears of whatever ends from then on.
                let notified = self.0.idle.notified();
                if self.0.count.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(at_most, idle).await.is_ok()
    }
}

/// One running task.
struct One(Arc<Running>);

impl One {
    fn new(running: &Arc<Running>) -> Self {
        running.count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(running))
    }
}

impl Drop for One {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests;
