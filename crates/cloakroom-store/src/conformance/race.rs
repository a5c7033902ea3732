//! Calls that run at the same time.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use super::harness::Harness;
use super::probe::in_time;
use crate::facets::BoxFuture;

/// How the calls of one race meet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// All on one task, polled in turn; one of them has been polled this many times before the others.
    Interleaved { first: usize, head_start: usize },
    /// Each handed to [`Harness::spawn`]; they wait for each other at the start.
    Spawned,
}

/// The ways in which each race is run, with a number for the keys of that run.
pub(super) fn modes() -> impl Iterator<Item = (u64, Mode)> + Send {
    let interleaved = (0..8).map(|n| Mode::Interleaved { first: n % 2, head_start: n / 2 });
    let spawned = (0..24).map(|_| Mode::Spawned);
    (0..).zip(interleaved.chain(spawned))
}

/// Runs both at the same time.
pub(super) async fn race<A, B>(
    harness: &dyn Harness,
    mode: Mode,
    a: BoxFuture<'static, A>,
    b: BoxFuture<'static, B>,
) -> (A, B)
where
    A: Send + 'static,
    B: Send + 'static,
{
    let ((a, take_a), (b, take_b)) = (keep_output(a), keep_output(b));
    together(harness, mode, vec![a, b]).await;
    (take_a(), take_b())
}

/// Runs all at the same time; returns in the same order.
pub(super) async fn race_all<T: Send + 'static>(
    harness: &dyn Harness,
    mode: Mode,
    calls: impl IntoIterator<Item = BoxFuture<'static, T>>,
) -> Vec<T> {
    let (calls, outputs): (Vec<_>, Vec<_>) = calls.into_iter().map(keep_output).unzip();
    together(harness, mode, calls).await;
    outputs.into_iter().map(|take| take()).collect()
}

/// Polls the call until it has been pending so many times, then drops it. The output if it was quicker.
pub(super) async fn abandon_after<T>(polls: usize, call: BoxFuture<'static, T>) -> Option<T> {
    let (mut call, mut left) = (Some(call), polls);
    poll_fn(move |cx| {
        if left > 0
            && let Some(future) = &mut call
        {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            left -= 1;
        }
        if left > 0 {
            return Poll::Pending;
        }
        call = None;
        Poll::Ready(None)
    })
    .await
}

fn keep_output<T: Send + 'static>(
    call: BoxFuture<'static, T>,
) -> (BoxFuture<'static, ()>, impl FnOnce() -> T) {
    let slot = Arc::new(Mutex::new(None));
    let output = Arc::clone(&slot);
    let task = Box::pin(async move {
        let value = call.await;
        *lock(&slot) = Some(value);
    });
    (task, move || lock(&output).take().expect("a call in a race does not panic"))
}

async fn together(harness: &dyn Harness, mode: Mode, calls: Vec<BoxFuture<'static, ()>>) {
    match mode {
        Mode::Interleaved { first, head_start } => {
            in_time(harness, interleave(calls, first, head_start)).await;
        }
        Mode::Spawned => in_time(harness, spawn(harness, calls)).await,
    }
}

async fn interleave(calls: Vec<BoxFuture<'static, ()>>, first: usize, head_start: usize) {
    let mut calls: Vec<_> = calls.into_iter().map(Some).collect();
    calls.rotate_left(first);
    let mut alone = head_start;
    poll_fn(|cx| {
        loop {
            let polled = if alone > 0 { 1 } else { calls.len() };
            for slot in &mut calls[..polled] {
                if let Some(call) = slot
                    && call.as_mut().poll(cx).is_ready()
                {
                    *slot = None;
                }
            }
            if calls.iter().all(Option::is_none) {
                return Poll::Ready(());
            }
            if alone == 0 {
                return Poll::Pending;
            }
            alone -= 1;
            if alone > 0 && calls[0].is_some() {
                return Poll::Pending;
            }
            alone = 0;
        }
    })
    .await;
}

async fn spawn(harness: &dyn Harness, calls: Vec<BoxFuture<'static, ()>>) {
    let missing = Arc::new(AtomicUsize::new(calls.len()));
    let finish = Arc::new(Mutex::new(Finish { running: calls.len(), waker: None }));
    for call in calls {
        let missing = Arc::clone(&missing);
        let running = Running(Arc::clone(&finish));
        harness.spawn(Box::pin(async move {
            let _running = running;
            missing.fetch_sub(1, Ordering::AcqRel);
            // Spinning, so that threads start within a microsecond; yielding, for a runtime with one thread.
            poll_fn(|cx| {
                if missing.load(Ordering::Acquire) == 0 {
                    return Poll::Ready(());
                }
                thread::yield_now();
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            call.await;
        }));
    }
    poll_fn(|cx| {
        let mut finish = lock(&finish);
        if finish.running == 0 {
            return Poll::Ready(());
        }
        finish.waker = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

struct Finish {
    running: usize,
    waker: Option<Waker>,
}

/// A call that has not ended yet; a panic ends it too.
struct Running(Arc<Mutex<Finish>>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut finish = lock(&self.0);
        finish.running -= 1;
        if finish.running == 0
            && let Some(waker) = finish.waker.take()
        {
            waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::conformance::reference::ReferenceStore;
    use crate::conformance::{Plain, block_on};

    #[test]
    fn contenders_run_at_the_same_time_in_every_mode() {
        let harness = Plain::new(ReferenceStore::new(), &[]);
        for (_, mode) in modes() {
            let flags: [Arc<AtomicBool>; 2] = Default::default();
            // Each ends only after the other has begun.
            let [one, other] = [(0, 1), (1, 0)].map(|(mine, others)| {
                let (mine, others) = (Arc::clone(&flags[mine]), Arc::clone(&flags[others]));
                poll_fn(move |cx| {
                    mine.store(true, Ordering::Release);
                    cx.waker().wake_by_ref();
                    if others.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
                })
            });
            block_on(race(&harness, mode, Box::pin(one), Box::pin(other)));
        }
    }

    #[test]
    fn an_abandoned_call_is_polled_as_often_as_was_asked_for() {
        for polls in 0..4 {
            let counted = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&counted);
            let call = poll_fn(move |cx| -> Poll<()> {
                counter.fetch_add(1, Ordering::Relaxed);
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            assert_eq!(block_on(abandon_after(polls, Box::pin(call))), None);
            assert_eq!(counted.load(Ordering::Relaxed), polls);
        }
    }
}
