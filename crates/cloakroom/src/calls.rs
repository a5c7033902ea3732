//! Store calls that end: each has a deadline, all of a request share a budget, and one that is given up by its
//! caller is never cut in half.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use cloakroom_store::{BoxFuture, Error, Result};
use tokio::runtime::Handle;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use crate::clock::Stopwatch;
use crate::events::StoreCall;

/// Runs store calls.
#[derive(Debug)]
pub(crate) struct Calls {
    timeout: Duration,
    detached: Arc<AtomicUsize>,
}

/// How much time a request's store calls may still take together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget(pub(crate) Duration);

impl Calls {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, detached: Arc::default() }
    }

    /// The same with another deadline for each call.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, detached: Arc::clone(&self.detached) }
    }

    /// Runs the call here until the deadline. Past it, or when the caller is dropped, the call runs on in a task of its own.
    ///
    /// # Errors
    /// The call's own; `maybe_applied` past the deadline, or if the call panics; `unavailable`, with nothing sent, when
    /// the budget is spent or too many calls are detached.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        what: StoreCall,
        budget: &mut Budget,
        call: BoxFuture<'static, Result<T>>,
    ) -> Result<T> {
        let within = budget.0.min(self.timeout);
        if within.is_zero() {
            return Err(Error::unavailable("the request's store_budget is spent"));
        }
        if self.detached.load(Ordering::Relaxed) >= MAX_DETACHED {
            return Err(Error::unavailable("too many store calls are past their deadline"));
        }
        let mut running =
            Running { call: Some(call.instrument(what.span.clone())), detached: &self.detached };
        // A store in memory finishes at the first poll, and needs no timer.
        let (mut deadline, mut watch) = (pin!(None), None);
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = Pin::new(&mut running).poll(cx) {
                return Poll::Ready(answer);
            }
            if deadline.is_none() {
                deadline.set(Some(tokio::time::sleep(within)));
                watch = Some(Stopwatch::start());
            }
            let late = deadline.as_mut().as_pin_mut().map_or(Poll::Pending, |deadline| deadline.poll(cx));
            late.map(|()| Err(Error::maybe_applied("no answer within store_timeout")))
        });
        let answer = answer.await;
        if let Some(watch) = watch {
            budget.0 = budget.0.saturating_sub(watch.elapsed());
        }
        answer
    }
}

/// A call under way. Dropped before it is done, it is not cut in half: a task takes it over.
struct Running<'a, T: Send + 'static> {
    call: Option<Instrumented<BoxFuture<'static, Result<T>>>>,
    detached: &'a Arc<AtomicUsize>,
}

impl<T: Send + 'static> Future for Running<'_, T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let call = self.call.as_mut().expect("not polled after it was ready");
        let answer = match catch_unwind(AssertUnwindSafe(|| Pin::new(call).poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(answer)) => answer,
            Err(_) => Err(Error::maybe_applied("the store call panicked")),
        };
        self.call = None;
        Poll::Ready(answer)
    }
}

impl<T: Send + 'static> Drop for Running<'_, T> {
    fn drop(&mut self) {
        // Without a runtime there is nobody left to finish it.
        if let Some(call) = self.call.take()
            && let Ok(runtime) = Handle::try_current()
        {
            let detached = Detached::new(self.detached);
            runtime.spawn(async move {
                let _detached = detached;
                tokio::time::timeout(MAX_DETACHED_TIME, call).await
            });
        }
    }
}

/// One call that runs on without anybody waiting for it.
struct Detached(Arc<AtomicUsize>);

impl Detached {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many calls may run on without anybody waiting for them.
const MAX_DETACHED: usize = 1024;
/// For how long after its deadline.
const MAX_DETACHED_TIME: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
