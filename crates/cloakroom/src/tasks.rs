//! Work that outlives whoever asked for it, and an end to wait for.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;

/// Counts what runs, so that a shutdown can wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<Running>);

#[derive(Debug, Default)]
struct Running {
    count: AtomicUsize,
    idle: Notify,
}

impl Tasks {
    /// Runs `work` to its end whatever becomes of the caller: polled once here, where a store in memory finishes; if it
    /// is not done then, handed to a task of its own.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut work = Box::pin(work);
        let first = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => Poll::Ready(None),
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
        tokio::spawn(async move {
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
