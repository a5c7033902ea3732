//! Store calls that end: each has a deadline, all of a request share a budget, and one that is given up by its
//! caller is never cut in half.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use cloakroom_store::{BoxFuture, Error, Result};
use tracing::Instrument;

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

    /// Polls the call once here, where a store in memory finishes; if it is not done, hands it to a task of its own
    /// and waits for that until the deadline.
    ///
    /// Past the deadline, or when the caller is dropped, the call runs on detached.
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
        let mut call = call.instrument(what.span.clone());
        let first = poll_fn(|cx| {
            let poll = AssertUnwindSafe(|| Pin::new(&mut call).poll(cx));
            Poll::Ready(catch_unwind(poll))
        });
        match first.await {
            Ok(Poll::Ready(answer)) => return answer,
            Ok(Poll::Pending) => {}
            Err(_) => return Err(panicked()),
        }
        let watch = Stopwatch::start();
        let fate = Arc::new(Fate { state: AtomicU8::new(AWAITED), detached: Arc::clone(&self.detached) });
        let (task, end) = (Arc::clone(&fate), within + MAX_DETACHED_TIME);
        let running = tokio::spawn(async move {
            let _done = Done(task);
            tokio::time::timeout(end, call).await
        });
        let caller = Caller(fate);
        let answer = tokio::time::timeout(within, pin!(running)).await;
        drop(caller);
        budget.0 = budget.0.saturating_sub(watch.elapsed());
        match answer {
            Ok(Ok(Ok(answer))) => answer,
            Ok(Err(_)) => Err(panicked()),
            Ok(Ok(Err(_))) | Err(_) => Err(Error::maybe_applied("no answer within store_timeout")),
        }
    }
}

fn panicked() -> Error {
    Error::maybe_applied("the store call panicked")
}

/// Whether anybody still waits for a call.
struct Fate {
    state: AtomicU8,
    detached: Arc<AtomicUsize>,
}

/// Held by whoever waits: leaving before the call is done detaches it.
struct Caller(Arc<Fate>);

impl Drop for Caller {
    fn drop(&mut self) {
        // Counted before it is declared, so that the count never goes below what is running.
        self.0.detached.fetch_add(1, Ordering::Relaxed);
        if self.0.state.compare_exchange(AWAITED, DETACHED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.0.detached.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Held by the call's task, to its end.
struct Done(Arc<Fate>);

impl Drop for Done {
    fn drop(&mut self) {
        if self.0.state.swap(DONE, Ordering::AcqRel) == DETACHED {
            self.0.detached.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

const AWAITED: u8 = 0;
const DETACHED: u8 = 1;
const DONE: u8 = 2;

/// How many calls may run on without anybody waiting for them.
const MAX_DETACHED: usize = 1024;
/// For how long after its deadline.
const MAX_DETACHED_TIME: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
