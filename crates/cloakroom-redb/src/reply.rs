//! One answer on its way from the writer thread to whoever waits for it, under any executor.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cloakroom_store::{Error, Result};

/// A reply and the future that becomes it.
pub(crate) fn channel() -> (Reply, Answer) {
    let slot = Arc::new(Slot::default());
    (Reply(Some(Arc::clone(&slot))), Answer(slot))
}

/// The writer's end. Dropped without [`send`](Reply::send), it answers that the outcome is unknown:
/// nobody waits for ever on a thread that died.
#[derive(Debug)]
pub(crate) struct Reply(Option<Arc<Slot>>);

impl Reply {
    pub(crate) fn send(mut self, answer: Result<usize>) {
        if let Some(slot) = self.0.take() {
            slot.put(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.put(Err(Error::maybe_applied("the writer thread stopped before it answered")));
        }
    }
}

/// The caller's end.
#[derive(Debug)]
pub(crate) struct Answer(Arc<Slot>);

impl Future for Answer {
    type Output = Result<usize>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.lock();
        match slot.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[derive(Debug, Default)]
struct Slot(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    answer: Option<Result<usize>>,
    waker: Option<Waker>,
}

impl Slot {
    fn put(&self, answer: Result<usize>) {
        let waker = {
            let mut inside = self.lock();
            inside.answer = Some(answer);
            inside.waker.take()
        };
        // Outside of the lock: a waker runs code of the executor's.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
