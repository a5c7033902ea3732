use std::sync::Arc;

use tokio::sync::Semaphore;

/// A point in a handler at which requests wait until the test lets them go on. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Ends>);

#[derive(Debug)]
struct Ends {
    arrived: Semaphore,
    opened: Semaphore,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Ends { arrived: Semaphore::new(0), opened: Semaphore::new(0) }))
    }

    /// In the handler: says that it is here, and waits to be let through.
    pub async fn pass(&self) {
        self.0.arrived.add_permits(1);
        self.0.opened.acquire().await.unwrap().forget();
    }

    /// In the test: waits until one more request is at the gate.
    pub async fn arrival(&self) {
        self.0.arrived.acquire().await.unwrap().forget();
    }

    /// In the test: how many requests have come and were not waited for yet.
    pub fn arrived(&self) -> usize {
        self.0.arrived.available_permits()
    }

    /// In the test: lets one request through.
    pub fn open(&self) {
        self.0.opened.add_permits(1);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
