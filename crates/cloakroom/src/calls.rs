//! Store calls that end: each has a deadline, all of a request share a budget, and one that is given up is never cut in
//! half.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cloakroom_store::{BoxFuture, Error, Result};
use tokio::time::Sleep;

use crate::clock::Stopwatch;
use crate::events::StoreCall;

/// Gives store calls their deadlines.
#[derive(Debug)]
pub(crate) struct Calls {
    timeout: Duration,
    detached: Arc<AtomicUsize>,
}

/// How much time a request's store calls may still take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Budget(pub(crate) Duration);

/// One call of the store, not begun yet. It can be moved between polls, and so be handed to a task.
pub(crate) struct Call<T> {
    what: StoreCall,
    future: BoxFuture<'static, Result<T>>,
}

/// A call under its deadline, with the time that it took when it did not answer at once.
///
/// Past the deadline the call runs on in a task of its own, detached, for at most 30 s.
pub(crate) struct Timed<T> {
    /// What is called, or why nothing is.
    call: Result<Call<T>, Option<Error>>,
    within: Duration,
    /// Set when the call did not answer at once.
    deadline: Option<(Stopwatch, Pin<Box<Sleep>>)>,
    detached: Arc<AtomicUsize>,
}

impl Calls {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, detached: Arc::default() }
    }

    /// The same with another deadline for each call.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, detached: Arc::clone(&self.detached) }
    }

    /// The call under its deadline. Nothing is sent before it is polled.
    ///
    /// # Errors
    /// Its outcome is the call's own; `maybe_applied` past the deadline, or if the call panics; `unavailable`, with nothing
    /// sent, when the budget is spent or too many calls are detached.
    pub(crate) fn timed<T>(&self, budget: Budget, call: Call<T>) -> Timed<T> {
        let within = budget.0.min(self.timeout);
        let call = if within.is_zero() {
            Err(Some(Error::unavailable("the request's store_budget is spent")))
        } else if self.detached.load(Ordering::Relaxed) >= MAX_DETACHED {
            Err(Some(Error::unavailable("too many store calls are past their deadline")))
        } else {
            Ok(call)
        };
        Timed { call, within, deadline: None, detached: Arc::clone(&self.detached) }
    }

    /// Waits for the call in place: in work that runs to its end whatever becomes of its caller.
    pub(crate) async fn wait<T: Send + 'static>(&self, budget: &mut Budget, call: Call<T>) -> Result<T> {
        let (answer, took) = self.timed(*budget, call).await;
        budget.spend(took);
        answer
    }
}

impl Budget {
    pub(crate) fn spend(&mut self, time: Duration) {
        self.0 = self.0.saturating_sub(time);
    }
}

impl<T> Call<T> {
    pub(crate) fn new(what: StoreCall, future: BoxFuture<'static, Result<T>>) -> Self {
        Self { what, future }
    }
}

/// A call that panics has failed, and nothing else.
impl<T> Future for Call<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let Self { what, future } = &mut *self;
        let _inside = what.span.enter();
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(Error::maybe_applied("the store call panicked"))))
    }
}

impl<T: Send + 'static> Future for Timed<T> {
    type Output = (Result<T>, Duration);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let call = match &mut this.call {
            Ok(call) => call,
            Err(refusal) => {
                let refusal = refusal.take().expect("not polled after it was ready");
                return Poll::Ready((Err(refusal), Duration::ZERO));
            }
        };
        if let Poll::Ready(answer) = Pin::new(call).poll(cx) {
            let took = this.deadline.as_ref().map_or(Duration::ZERO, |(watch, _)| watch.elapsed());
            return Poll::Ready((answer, took));
        }
        let within = this.within;
        let (_, sleep) =
            this.deadline.get_or_insert_with(|| (Stopwatch::start(), Box::pin(tokio::time::sleep(within))));
        ready!(sleep.as_mut().poll(cx));
        if let Ok(call) = std::mem::replace(&mut this.call, Err(None)) {
            let detached = Detached::count(&this.detached);
            tokio::spawn(async move {
                let _detached = detached;
                _ = tokio::time::timeout(MAX_DETACHED_TIME, call).await;
            });
        }
        Poll::Ready((Err(Error::maybe_applied("no answer within store_timeout")), within))
    }
}

/// Counts one call that runs on without anyone waiting for it.
struct Detached(Arc<AtomicUsize>);

impl Detached {
    fn count(calls: &Arc<AtomicUsize>) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(calls))
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many calls may be detached.
const MAX_DETACHED: usize = 1024;
/// For how long after its deadline.
const MAX_DETACHED_TIME: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
