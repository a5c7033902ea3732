//! Makes histories: browsers, schedules and faults in this process, all of it chosen by a seed.
//!
//! Requests go through a real router, without sockets, on one thread and on a clock that stands still. Every call of the
//! store is [parked](Lot) until the schedule lets it go on, and so are responses on their way to the browser and handlers
//! that pause. The schedule chooses when nothing else can happen, so the same seed makes the same history.

mod clock;
mod lot;
mod many;
mod parked;
mod plan;
mod rng;
mod schedule;
mod sockets;
mod traffic;

pub use lot::Lot;
pub use many::{Budget, find, forever_green};
pub use rng::Rng;
pub use schedule::run;
pub use sockets::{SystemClock, Town};

use std::fmt;
use std::sync::Arc;

use cloakroom_store::{DynStore, Store};
use tokio::runtime::Handle;

/// The stores that a history goes over.
pub struct Stores {
    /// Their name, for reports.
    pub name: &'static str,
    /// They have threads of their own, which a call has to be waited for.
    pub threads: Threads,
    /// Their calls fail in every way a call can fail.
    pub hostile: bool,
    /// The one workload to be made, instead of all.
    pub only: Option<&'static str>,
    open: Box<Open>,
}

/// What a store's calls need beside the schedule's own thread.
#[derive(Clone, Debug)]
pub enum Threads {
    /// Nothing.
    None,
    /// Threads that it starts itself.
    Own,
    /// Those of this runtime.
    Of(Handle),
}

/// Opens what one history goes over.
type Open = dyn Fn(&Arc<Lot>) -> Vec<Arc<dyn DynStore>>;

impl Stores {
    /// Opens one store for each history, and a handle on it for each instance of the application.
    pub fn new<S: Store>(name: &'static str, open: impl Fn(&Arc<Lot>) -> Vec<S> + 'static) -> Self {
        let open = move |lot: &Arc<Lot>| -> Vec<Arc<dyn DynStore>> {
            open(lot).into_iter().map(|store| Arc::new(store) as Arc<dyn DynStore>).collect()
        };
        Self { name, threads: Threads::None, hostile: false, only: None, open: Box::new(open) }
    }

    /// Waits for each call to end before the next begins.
    #[must_use]
    pub fn with_threads(self) -> Self {
        Self { threads: Threads::Own, ..self }
    }

    /// The same for stores whose connections belong to another runtime, with a clock that goes on.
    #[must_use]
    pub fn on(self, runtime: Handle) -> Self {
        Self { threads: Threads::Of(runtime), ..self }
    }

    /// Makes this workload only, of those in `plan`.
    #[must_use]
    pub fn only(self, workload: &'static str) -> Self {
        Self { only: Some(workload), ..self }
    }

    /// Makes calls fail.
    #[must_use]
    pub fn hostile(self) -> Self {
        Self { hostile: true, ..self }
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("name", &self.name).finish_non_exhaustive()
    }
}
