use std::fmt;
use std::sync::Arc;

use cloakroom_store::{DynStore, Store};
use tokio::runtime::Handle;

use super::lot::Lot;

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
        Self::of(name, move |lot| {
            open(lot).into_iter().map(|store| Arc::new(store) as Arc<dyn DynStore>).collect()
        })
    }

    /// The same for stores whose type is known at run time.
    pub fn of(name: &'static str, open: impl Fn(&Arc<Lot>) -> Vec<Arc<dyn DynStore>> + 'static) -> Self {
        Self { name, threads: Threads::None, hostile: false, only: None, open: Box::new(open) }
    }

    /// Opens what the next history goes over.
    pub(super) fn open(&self, lot: &Arc<Lot>) -> Vec<Arc<dyn DynStore>> {
        (self.open)(lot)
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
