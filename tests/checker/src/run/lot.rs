use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use tokio::sync::Notify;

use crate::cookie::Handle;

/// Where everything that happens waits until the schedule lets it go on.
#[derive(Debug, Default)]
pub struct Lot {
    parked: Mutex<Vec<Parked>>,
    /// Changes whenever something happens: at rest, nothing else can happen.
    stirred: AtomicU64,
    /// What runs outside of the schedule's thread, to be waited for.
    busy: AtomicUsize,
    idle: Notify,
    unreadable: Mutex<BTreeSet<Handle>>,
}

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A load.
    Load,
    /// A write to a record.
    Write,
    /// A touch.
    Touch,
    /// Another call of the store.
    Call,
    /// A call that only waits for others.
    Wait,
    /// A call that has had its effect, and not answered yet.
    Answer,
    /// A write whose caller has been told that nobody knows.
    Late,
    /// A handler.
    Pause,
    /// A response on its way.
    Delivery,
}

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should.
    Go,
    /// As it should, but the answer waits.
    Linger,
    /// Without an effect, and saying so.
    Fail,
    /// With its effect, but without an answer.
    Unanswered,
    /// Without an effect and without an answer.
    Lost,
    /// Without an answer, and its effect comes later.
    Late,
    /// Answering another question.
    Mixed,
    /// Answering something damaged at this byte.
    Damaged(usize),
}

#[derive(Debug)]
struct Parked {
    id: u64,
    stop: Stop,
    verdict: Option<Verdict>,
    waker: Waker,
}

impl Lot {
    /// In the middle of a store's call, for one that is broken there: waits for the schedule.
    pub async fn hesitate(self: &Arc<Self>) {
        self.park(Stop::Answer).await;
    }

    /// Waits for the schedule.
    pub(super) async fn park(self: &Arc<Self>, stop: Stop) -> Verdict {
        let mut place = Place { lot: Arc::clone(self), id: None };
        poll_fn(|cx| place.poll(stop, cx.waker())).await
    }

    /// What waits, in the order of its coming.
    pub(super) fn parked(&self) -> Vec<Stop> {
        let parked = self.lock();
        parked.iter().filter(|parked| parked.verdict.is_none()).map(|parked| parked.stop).collect()
    }

    /// Lets the one at this place of [`parked`](Self::parked) go on.
    pub(super) fn grant(&self, place: usize, verdict: Verdict) {
        let mut parked = self.lock();
        if let Some(parked) = parked.iter_mut().filter(|parked| parked.verdict.is_none()).nth(place) {
            parked.verdict = Some(verdict);
            parked.waker.wake_by_ref();
        }
    }

    pub(super) fn stir(&self) {
        self.stirred.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins work on another thread, to be waited for.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Busy(Arc::clone(self))
    }

    /// Waits until nothing can happen but by the schedule.
    pub(super) async fn settle(&self) {
        let mut quiet = 0;
        let mut stirred = self.stirred.load(Ordering::Relaxed);
        while quiet < QUIET {
            let idle = self.idle.notified();
            if self.busy.load(Ordering::SeqCst) > 0 {
                idle.await;
                quiet = 0;
            }
            tokio::task::yield_now().await;
            let now = self.stirred.load(Ordering::Relaxed);
            quiet = if now == stirred { quiet + 1 } else { 0 };
            stirred = now;
        }
    }

    pub(super) fn note_unreadable(&self, session: Handle) {
        self.unreadable.lock().unwrap().insert(session);
    }

    pub(super) fn unreadable(&self) -> BTreeSet<Handle> {
        self.unreadable.lock().unwrap().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Parked>> {
        self.parked.lock().unwrap()
    }
}

/// A place in the lot, given up when dropped.
struct Place {
    lot: Arc<Lot>,
    id: Option<u64>,
}

impl Place {
    fn poll(&mut self, stop: Stop, waker: &Waker) -> Poll<Verdict> {
        let mut parked = self.lot.lock();
        match self.id {
            None => {
                let id = self.lot.stirred.fetch_add(1, Ordering::Relaxed);
                self.id = Some(id);
                parked.push(Parked { id, stop, verdict: None, waker: waker.clone() });
                Poll::Pending
            }
            Some(id) => {
                let Some(mine) = parked.iter_mut().find(|parked| parked.id == id) else {
                    return Poll::Pending;
                };
                mine.waker.clone_from(waker);
                mine.verdict.map_or(Poll::Pending, Poll::Ready)
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lot.stir();
        self.lot.lock().retain(|parked| Some(parked.id) != self.id);
    }
}

/// Work on another thread.
pub(super) struct Busy(Arc<Lot>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.stir();
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
        self.0.idle.notify_waiters();
    }
}

/// So many turns of all tasks without anything new: from the end of a store's call to the next call of its request it
/// takes a few, one for each task on the way.
const QUIET: usize = 8;
