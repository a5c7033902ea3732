use std::sync::Arc;
use std::time::Duration;
use std::{fmt, thread};

use super::block_on::block_on;
use super::sleep::sleep;
use crate::erased::DynStore;
use crate::facets::BoxFuture;
use crate::key::Key;
use crate::store::Store;

/// One store under test, and what the suite needs done to it from outside.
///
/// Every check is given a harness of its own over a store that holds nothing: a fresh folder, table or
/// prefix. Clean up in `Drop`.
pub trait Harness: Send + Sync {
    /// Returns a handle on the store. All handles see the same records. Where a backend can have several clients, return a
    /// new client each time.
    fn store(&self) -> Arc<dyn DynStore>;

    /// The facets that the store has. A listed one that is `None` fails, and so does an unlisted one
    /// that is `Some`.
    fn facets(&self) -> &[Facet];

    /// How expired records leave the store. Defaults to [`Expiry::Purged`].
    fn expiry(&self) -> Expiry {
        Expiry::Purged
    }

    /// Puts something under `key`, past the store, that this version of the store cannot load.
    ///
    /// No check holds a handle across this call, so a file that only one process may open can be closed for it.
    /// Return [`Outcome::Impossible`] only if the backend could never hold such a thing, or for a [`Foreign`] that you do not
    /// know.
    fn plant(&self, key: Key, foreign: Foreign) -> BoxFuture<'_, Outcome>;

    /// Closes the store and opens what it left behind, as after a restart of the process.
    ///
    /// No check holds a handle across this call. Return [`Outcome::Impossible`] only for stores that
    /// promise to keep nothing.
    fn reopen(&self) -> BoxFuture<'_, Outcome>;

    /// Runs `task` at the same time as the caller.
    ///
    /// By default on a thread of its own with [`block_on`]; a driver that needs a runtime hands it to that
    /// (`tokio::spawn`, best on a runtime of several threads).
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        thread::spawn(move || block_on(task));
    }

    /// Lets real time pass: for leases that expire on the backend's own clock, and as the limit of how long
    /// a call may take. By default a thread that sleeps.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(sleep(duration))
    }
}

/// Who removes expired records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// [`Store::purge`], and nothing else.
    Purged,
    /// The backend, by a clock of its own; [`Store::purge`] removes nothing.
    Native,
}

/// What [`Harness::plant`] plants. A harness returns [`Outcome::Impossible`] for a variant that it does not know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Foreign {
    /// These bytes, in the place where the store keeps the bytes of the key's record. They may be those of a record of a
    /// later version.
    Bytes(Vec<u8>),
    /// An exact copy of all that the store keeps of the record under this other key.
    CopyOf(Key),
}

/// Whether something could be done to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Done,
    /// There is no way to, by the nature of the backend.
    Impossible,
}

/// The optional parts of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Facet {
    /// [`Leases`](crate::Leases).
    Leases,
    /// [`Subjects`](crate::Subjects).
    Subjects,
    /// [`Scan`](crate::Scan).
    Scan,
    /// [`Notices`](crate::Notices).
    Notices,
}

/// The harness of a store that keeps nothing and cannot hold anything foreign: what the short form of
/// [`suite!`](super::suite) makes.
pub struct Plain {
    store: Arc<dyn DynStore>,
    facets: &'static [Facet],
    spawn: Option<fn(BoxFuture<'static, ()>)>,
}

impl Plain {
    /// A harness over `store`, which has these facets.
    pub fn new(store: impl Store, facets: &'static [Facet]) -> Self {
        Self { store: Arc::new(store), facets, spawn: None }
    }

    /// Runs tasks with `spawn`. Defaults to a thread each.
    #[must_use]
    pub fn spawning_with(mut self, spawn: fn(BoxFuture<'static, ()>)) -> Self {
        self.spawn = Some(spawn);
        self
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("facets", &self.facets).finish_non_exhaustive()
    }
}

impl Harness for Plain {
    fn store(&self) -> Arc<dyn DynStore> {
        Arc::clone(&self.store)
    }

    fn facets(&self) -> &[Facet] {
        self.facets
    }

    fn plant(&self, _: Key, _: Foreign) -> BoxFuture<'_, Outcome> {
        Box::pin(async { Outcome::Impossible })
    }

    fn reopen(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async { Outcome::Impossible })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        match self.spawn {
            Some(spawn) => spawn(task),
            None => drop(thread::spawn(move || block_on(task))),
        }
    }
}
