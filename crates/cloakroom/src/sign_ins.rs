//! The sign-ins of this process that are under way: those at the same time may not have seen each other's sessions.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cloakroom_store::Subject;

/// The sign-ins of this process that are under way.
#[derive(Debug)]
pub(crate) struct SignIns {
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// Those that exceed the limit of one subject end sessions one after the other, so that no two end each other's.
    turns: [tokio::sync::Mutex<()>; TURNS],
    hasher: RandomState,
}

/// One sign-in that is under way: from when the index of users was told of it until the limit was seen to.
#[derive(Debug)]
pub(crate) struct SignIn {
    all: Arc<SignIns>,
    ended_before: usize,
}

impl SignIns {
    /// The turn of the subject's sign-in to end sessions. A few subjects share one.
    pub(crate) async fn turn(&self, subject: &Subject) -> tokio::sync::MutexGuard<'_, ()> {
        self.turns[self.hasher.hash_one(subject) as usize % TURNS].lock().await
    }
}

impl Default for SignIns {
    fn default() -> Self {
        Self {
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl SignIn {
    pub(crate) fn begin(all: &Arc<SignIns>) -> Self {
        let ended_before = all.ended.load(Relaxed);
        all.begun.fetch_add(1, Relaxed);
        Self { all: Arc::clone(all), ended_before }
    }

    /// How many others were under way at any time since this one began.
    pub(crate) fn others(&self) -> usize {
        self.all.begun.load(Relaxed).saturating_sub(self.ended_before + 1)
    }
}

impl Drop for SignIn {
    fn drop(&mut self) {
        self.all.ended.fetch_add(1, Relaxed);
    }
}

const TURNS: usize = 64;
