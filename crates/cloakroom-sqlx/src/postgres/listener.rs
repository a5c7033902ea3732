//! Hearing of released leases: one connection for the whole store, made when somebody waits for the first time.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::Key;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::waiters::{Waiter, Waiters};

pub(super) struct Listener {
    options: PgConnectOptions,
    channel: String,
    waiters: Arc<Waiters>,
    /// Reads what is announced, until the connection fails.
    task: Mutex<Option<Task>>,
}

impl Listener {
    /// The channel has the table's name: stores of one name in two schemas hear of each other's leases, and pass them over.
    pub(super) fn new(options: PgConnectOptions, channel: &str) -> Self {
        Self { options, channel: channel.to_owned(), waiters: Arc::default(), task: Mutex::default() }
    }

    /// Hears from now on what is announced, if it does not already.
    pub(super) async fn listen(&self) -> sqlx::Result<()> {
        let mut task = self.task.lock().await;
        if task.as_ref().is_some_and(|task| !task.0.is_finished()) {
            return Ok(());
        }
        // sqlx listens on connections of pools only.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        let waiters = Arc::clone(&self.waiters);
        *task = Some(Task(tokio::spawn(async move {
            while let Ok(Some(heard)) = listener.try_recv().await {
                if let Ok(key) = heard.payload().parse() {
                    waiters.wake(&key);
                }
            }
            // What is announced from here on is not heard. Whoever waits next listens again.
            waiters.wake_all();
        })));
        Ok(())
    }

    /// Somebody who waits for the lease on `key`, from now on.
    pub(super) fn waiter(&self, key: &Key) -> Waiter {
        Waiters::add(&self.waiters, key)
    }
}

/// A task that ends with the store.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long making the connection may take.
const CONNECT: Duration = Duration::from_secs(2);
