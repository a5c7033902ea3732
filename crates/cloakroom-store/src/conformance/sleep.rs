use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// A future that is done after `duration`, under any executor: a thread of its own does the waiting.
pub(super) fn sleep(duration: Duration) -> Sleep {
    Sleep { duration, started: false, timer: Arc::default() }
}

#[derive(Debug)]
pub(super) struct Sleep {
    duration: Duration,
    started: bool,
    timer: Arc<Timer>,
}

#[derive(Debug, Default)]
struct Timer {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The time is over, or nobody waits any more.
    over: bool,
    waker: Option<Waker>,
}

impl Timer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let waker = {
            let mut state = self.lock();
            state.over = true;
            state.waker.take()
        };
        self.ended.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut state = self.timer.lock();
            if state.over {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
        }
        if !self.started {
            self.started = true;
            let (timer, duration) = (Arc::clone(&self.timer), self.duration);
            thread::spawn(move || {
                drop(timer.ended.wait_timeout_while(timer.lock(), duration, |state| !state.over));
                timer.end();
            });
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    /// Sends the thread home.
    fn drop(&mut self) {
        if self.started {
            self.timer.end();
        }
    }
}
