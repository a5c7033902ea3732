//! Hearing of released leases: one connection for the whole store, made when somebody waits for the first time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloakroom_store::Key;
use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::waiters::{Waiter, Waiters};

#[cfg(test)]
mod tests;

pub(super) struct Listener {
    place: Place,
    waiters: Arc<Waiters>,
    /// Makes the connection and reads what is announced on it, until it fails.
    task: Mutex<Option<Task>>,
}

/// Where to listen, and for what.
#[derive(Clone)]
struct Place {
    options: PgConnectOptions,
    channel: String,
    /// How long nothing may be heard before the connection is asked whether it is still there.
    quiet: Duration,
}

impl Listener {
    /// The channel has the table's name: stores of one name in two schemas hear of each other's leases, and pass them over.
    pub(super) fn new(options: PgConnectOptions, channel: &str) -> Self {
        let place = Place { options, channel: channel.to_owned(), quiet: QUIET };
        Self { place, waiters: Arc::default(), task: Mutex::default() }
    }

    /// Comes back as soon as what is announced is heard. Nobody holds up anybody else: the connection is made by a task,
    /// which goes on when this is dropped.
    pub(super) async fn hears(&self) {
        // One that is over without having heard anything is followed by another.
        while self.listen().wait_for(|hears| *hears).await.is_err() {}
    }

    /// Somebody who waits for the lease on `key`, from now on.
    pub(super) fn waiter(&self, key: &Key) -> Waiter {
        Waiters::add(&self.waiters, key)
    }

    /// Whether the task hears what is announced. Starts it, if there is none.
    fn listen(&self) -> watch::Receiver<bool> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        // The other end of the channel is gone with the task.
        if let Some(task) = task.as_ref().filter(|task| task.hears.has_changed().is_ok()) {
            return task.hears.clone();
        }
        let (heard, hears) = watch::channel(false);
        let handle = tokio::spawn(run(self.place.clone(), Arc::clone(&self.waiters), heard));
        *task = Some(Task { hears: hears.clone(), handle });
        hears
    }
}

/// A task that ends with the store.
struct Task {
    hears: watch::Receiver<bool>,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

async fn run(place: Place, waiters: Arc<Waiters>, hears: watch::Sender<bool>) {
    if let Ok(Ok(mut listener)) = timeout(CONNECT, place.listener()).await {
        hears.send_replace(true);
        hear(&mut listener, place.quiet, &waiters).await;
        // What is announced from here on is not heard. First of all, so that nobody whom this wakes takes it for heard.
        hears.send_replace(false);
        waiters.wake_all();
    }
    // A server that is not there is not asked by everybody who waits meanwhile.
    sleep(REST).await;
}

impl Place {
    async fn listener(&self) -> sqlx::Result<PgListener> {
        // sqlx listens on connections of pools only.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        Ok(listener)
    }
}

/// Wakes those who wait for what is announced, until the connection fails. One that is silent is asked: the way to the server
/// may be gone without a word.
async fn hear(listener: &mut PgListener, quiet: Duration, waiters: &Waiters) {
    loop {
        match timeout(quiet, listener.try_recv()).await {
            Ok(Ok(Some(heard))) => {
                if let Ok(key) = heard.payload().parse() {
                    waiters.wake(&key);
                }
            }
            Ok(_) => return,
            // What is announced before the answer comes is kept, and received next.
            Err(_) => match timeout(ANSWER, listener.execute("SELECT 1")).await {
                Ok(Ok(_)) => {}
                _ => return,
            },
        }
    }
}

/// How long making the connection may take, and beginning to listen on it.
const CONNECT: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_secs(10);
/// How long the server may take to say that it is still there.
const ANSWER: Duration = Duration::from_secs(2);
/// How long it takes, after a connection failed, until another one is made.
const REST: Duration = Duration::from_secs(1);
